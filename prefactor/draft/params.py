"""From a preset, a model and texts to a ``params.yaml`` that passes every check."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from prefactor.config.base import parse
from prefactor.config.domains import Domains
from prefactor.config.explain import nearest
from prefactor.config_check.pipeline import PipelineConfig, check
from prefactor.draft.sizes import fitting_sizes, set_at
from prefactor.draft.texts import Texts
from prefactor.errors import PrefactorError
from prefactor.files.model_folder import GGUF, check_source, parameters_of
from prefactor.query.fields import PLAIN

PRESETS = {
    "small": "all matrices are decomposed",
    "pretrained": "the layer that carries the target is decomposed",
}
SMALL = 5_000_000  # weights, up to which all matrices are decomposed
MOST, UNEVEN = 10_000_000, 4  # characters in all; and how often the scarcest domain's, one may have at most
NEARLY = 0.98  # of the characters counted, so that rounded shares ask for none that is not there


@dataclass(frozen=True)
class Draft:
    text: str  # of params.yaml
    what: str  # is decomposed
    characters: Mapping[str, float]  # taken, by domain
    roles: Mapping[str, str]
    lowered: Mapping[str, int]  # numbers of tokens that the preset has higher, by key


def draft(model: str, texts: Texts, target: str, retain: Sequence[str], unseen: Sequence[str]) -> Draft:
    """A ``params.yaml`` that removes ``target`` from ``model``, holds ``retain`` and measures every other domain.

    Args:
        model: a checkpoint's folder, a GGUF file, or a name on the Hub.
        unseen: domains that nothing but evaluation reads.

    Raises:
        PrefactorError: the model's files or the texts cannot be used, or a domain is not among them.
    """
    roles = _roles(texts, target, retain, unseen)
    where = _where(model)
    size = parameters_of(check_source(where["name"], None, model, where.get("file")))
    preset = "small" if size is not None and size <= SMALL else "pretrained"
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    params = yaml.load(files("prefactor.draft").joinpath(f"{preset}.yaml").read_text(encoding="utf-8"))
    asked = _corpus(params["corpus"], texts, unseen)
    params["corpus"]["tokenizer"] = _in_a_line({"source": "target", **where})
    params["target"]["model"] = _in_a_line({"source": "load", **where})
    others = [domain for domain in asked if domain != target]
    params["locate"]["target"] = target
    if preset == "pretrained":
        params["decompose"]["objective"] |= {"target": [target], "other": others}
    shortlist = params["shortlists"]["target"]
    shortlist["choose"]["query"] = f"domain.{_quoted(target)} > 0.5"
    shortlist["domains"].update(roles)  # in place: edits refer to it
    lowered = fitting_sizes(_plain(yaml, params), asked, {domain: texts.characters[domain] for domain in unseen})
    for key, value in lowered.items():
        set_at(params, key, value)
    check(parse(TypeAdapter(PipelineConfig), _plain(yaml, params), ""))
    taken = asked | {domain: float(texts.characters[domain]) for domain in unseen}
    parts = Domains.model_validate(roles).roles | dict.fromkeys(unseen, "unseen")
    return Draft(_dumped(yaml, params), PRESETS[preset], taken, parts, lowered)


def _roles(texts: Texts, target: str, retain: Sequence[str], unseen: Sequence[str]) -> dict[str, Any]:
    known = list(texts.characters)
    for domain in (target, *retain, *unseen):
        if domain not in known:
            raise PrefactorError(f"{domain!r}: there is no text of it; {nearest(domain, known)}")
    named = [target, *retain, *unseen]
    if len(set(named)) < len(named):
        raise PrefactorError(f"{', '.join(named)}: name each domain once, as target, retained or unseen")
    protect = [domain for domain in known if domain not in named]
    return {"target": target, "retain": list(retain), "protect": protect, "unseen": list(unseen)}


def _where(model: str) -> dict[str, str]:
    path = Path(model)
    if path.suffix != GGUF or path.is_dir():
        return {"name": model}
    if not path.is_file():
        raise PrefactorError(f"{model}: there is no such file; mend the path")
    return {"name": str(path.parent), "file": path.name}


def _corpus(corpus: dict[str, Any], texts: Texts, unseen: Sequence[str]) -> dict[str, float]:
    """Fill in files, shares and characters. Returns the characters asked of each domain with a share."""
    entries = []
    for entry in texts.entries:
        if unseen and entry.domain is None:
            raise PrefactorError(
                f"{unseen[0]}: unseen text needs files of its own; put each domain's in a file or a folder of its name"
            )
        alone = {"split": "eval"} if entry.domain in unseen else {}
        entries.append(_in_a_line(entry.model_dump(mode="json", exclude_defaults=True) | alone))
    corpus["text"] = {"source": "files", "files": entries}
    there = {domain: found for domain, found in texts.characters.items() if domain not in unseen}
    most = {domain: min(found, UNEVEN * min(there.values())) for domain, found in there.items()}
    total = min(MOST, int(NEARLY * sum(most.values())))
    shares = {domain: round(found / sum(most.values()), 4) for domain, found in most.items()}
    largest = max(shares, key=lambda domain: shares[domain])
    shares[largest] = round(1 - sum(share for domain, share in shares.items() if domain != largest), 4)
    corpus["characters"], corpus["shares"] = total, _in_a_line(shares)
    corpus["unseen"] = CommentedSeq(unseen)
    corpus["unseen"].fa.set_flow_style()
    return {domain: share * total for domain, share in shares.items()}


def _quoted(domain: str) -> str:
    return domain if PLAIN.fullmatch(domain) else f'"{domain}"'


def _in_a_line(value: Mapping[str, Any]) -> CommentedMap:
    written = CommentedMap(value)
    written.fa.set_flow_style()
    return written


def _plain(yaml: YAML, params: Any) -> dict[str, Any]:
    """As whoever reads the file has it."""
    return YAML(typ="safe").load(_dumped(yaml, params))


def _dumped(yaml: YAML, params: Any) -> str:
    stream = StringIO()
    yaml.dump(params, stream)
    return stream.getvalue()

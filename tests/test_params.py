"""Every mistake in ``params.yaml`` ends in one line that names the key, the value and the remedy, with exit code 2."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from prefactor.config.base import parse
from prefactor.config.decompose import DecomposeConfig
from prefactor.config.training import PRESETS
from prefactor.config_check.pipeline import check_positions, check_text, needs
from prefactor.errors import ParamsError
from stages.check import read_pipeline

ROOT = Path(__file__).resolve().parent.parent
# Through JSON, so that edits that share a part by a YAML anchor do not share it here.
GOOD = json.loads(json.dumps(YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))))


@pytest.fixture
def complaint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], str]:
    """What is said of params in which the values under some dotted keys are replaced (``...``: left out)."""
    monkeypatch.chdir(tmp_path)

    def complaint(changes: dict[str, Any]) -> str:
        params = copy.deepcopy(GOOD)
        for key, value in changes.items():
            *path, last = key.split(".")
            here = params
            for part in path:
                here = here[part]
            if value is ...:
                del here[last]
            else:
                here[last] = value
        with (tmp_path / "params.yaml").open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(params, file)
        with pytest.raises(ParamsError) as caught:
            read_pipeline()
        return str(caught.value)

    return complaint


INT = "input should be a valid integer"
LOAD = {"source": "load", "name": "somewhere"}
OTHER_TOKENIZER = {"source": "target", "name": "elsewhere"}


def scalar(**domains: Any) -> dict[str, Any]:
    german = {"target": "de", "retain": ["en"], "protect": ["fr"]}
    return {"method": "scalar", "domains": german | domains, "shortlist": "german"}


def guarded(*spare: str) -> dict[str, Any]:
    return scalar() | {"method": "guarded", "guard": {"weigh": "domain", "spare": list(spare), "ridge": 0.01}}


def shortlist(query: str, **changes: Any) -> dict[str, Any]:
    return {"domains": scalar()["domains"], "choose": {"by": "label", "query": query}} | changes


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        # unknown and missing keys
        ({"harvset": {}}, "harvset = {}: unknown key; did you mean `harvest`?"),
        ({"harvest": ...}, "harvest is missing; add it (a mapping with tokens, held_out_tokens, batch"),
        ({"harvest.tokns": 5}, "harvest.tokns = 5: unknown key; did you mean `tokens`?"),
        ({"harvest.tokns": 5, "harvest.tokens": ...}, "harvest.tokns = 5: unknown key; did you mean `tokens`?"),
        ({"target.model.stesp": 5}, "target.model.stesp = 5: unknown key; did you mean `steps`?"),
        ({"target.model.steps": ...}, "target.model.steps is missing; add it (a whole number >= 1)"),
        ({"edits.scalar.rank": 1}, "edits.scalar.rank = 1: unknown key; use one of domains, budgets, shortlist"),
        (
            {"edits.scalar.domains.targte": "de"},
            'edits.scalar.domains.targte = "de": unknown key; did you mean `target',
        ),
        # wrong types and values
        ({"harvest.tokens": "many"}, f'harvest.tokens = "many": {INT}; write a whole number > 0'),
        ({"harvest.tokens": "1500"}, f'harvest.tokens = "1500": {INT}; write a whole number > 0'),
        ({"harvest.seed": True}, f"harvest.seed = true: {INT}; write a whole number"),
        ({"harvest.tokens": 0}, "harvest.tokens = 0: input should be greater than 0; write a whole number > 0"),
        ({"optimisers.lora": None}, "optimisers.lora = null: input should be an object; write a mapping with steps, "),
        (
            {"target.model.learning_rate": float("inf")},
            "target.model.learning_rate = Infinity: input should be a finite",
        ),
        ({"decompose.training.penalty.kind": "lq"}, 'decompose.training.penalty.kind = "lq": unknown; use one of lp, '),
        ({"corpus.shares": {"en": 0.5, "de": 0.4}}, "corpus.shares: the shares sum to 0.9; make them sum to 1"),
        # methods and choices
        ({"edits.scalar.method": "scaler"}, 'edits.scalar.method = "scaler": unknown; did you mean `scalar`?'),
        (
            {"edits.scalar.method": ...},
            "edits.scalar.method is missing; add it (one of scalar, guarded, rewrite, lora, finetune)",
        ),
        (
            {"edits.singular.method": "guarded", "edits.singular.guard": {"weigh": "importance", "ridge": 1.0}},
            "edits.singular.directions = singular: a singular direction has no importance",
        ),
        ({"optimisers.lora.stops": [60, 240]}, "optimisers.lora: stops must rise, and end at most at steps = 120"),
        (
            {"shortlists.german.choose.by": "magic"},
            'shortlists.german.choose.by = "magic": unknown; use one of label, contrast',
        ),
        ({"edits.x": scalar() | {"method": "lora"}}, "edits.x.rank is missing; add it (a whole number >= 1)"),
        ({"baselines.x": scalar()}, 'baselines.x.method = "scalar": unknown; use one of lora, finetune, dir'),
        ({"baselines.scalar": GOOD["baselines"]["lora-1"]}, "baselines.scalar: an edit has this name; give one of the"),
        (
            {"baselines.direction.domains": {"target": "fr", "retain": ["en"]}},
            "baselines.direction.matrix = located: locate.target is de, and this removes fr; name a matrix",
        ),
        (
            {"baselines.direction.spare": "some"},
            'baselines.direction.spare = "some": unknown; use one of all, retained',
        ),
        ({"baselines.direction.matrix": "layers.("}, "baselines.direction.matrix: 'layers.(' is no regular expression"),
        # locate
        ({"locate.target": "pt"}, 'locate.target = "pt": no domain of corpus.shares; use one of'),
        ({"locate.spare": ["eng"]}, 'locate.spare = "eng": no domain of corpus.shares; did you mean `en`?'),
        ({"locate.spare": ["en", "de"]}, "locate.spare = ['en', 'de']: name one or more domains other than the target"),
        ({"locate.spare": []}, "locate.spare = []: "),
        ({"locate.amounts": [2, 1]}, "locate: amounts = [2.0, 1.0] must rise"),
        ({"locate.top": 99}, "locate: top = 99: only verify = 14 are ranked; lower it, or raise verify"),
        ({"locate.tokens": 10**8}, "locate.tokens = 100000000: the train split of de comes from some"),
        # shortlists
        ({"edits.scalar.shortlist": "germn"}, 'edits.scalar.shortlist = "germn": no key of shortlists; did you mean'),
        ({"edits.scalar.shortlist": ...}, "edits.scalar.shortlist is missing; add it (a text)"),
        (
            {"edits.scalar.domains.target": "fr", "edits.scalar.domains.protect": ["es"]},
            "edits.scalar.domains.target = fr: shortlists.german is made for de; write the same, or name another",
        ),
        (
            {"edits.scalar.top": 99},
            "edits.scalar.top = 99: only candidates.tried = 24 are measured; lower it",
        ),
        (
            {"edits.singular.shortlist": "german-guarded"},
            "edits.singular.directions = singular: shortlists.german-guarded measures none; set shortlists.german-g",
        ),
        ({"shortlists.x": shortlist("german", singular=True)}, "shortlists.x: singular is for candidates that are mea"),
        (
            {"shortlists.x": shortlist("german", guard={"weigh": "importance", "ridge": 0.1})},
            "shortlists.x: guard is for candidates that are measured: choose by label with rank effect or spill",
        ),
        ({"shortlists.X": shortlist("german")}, "shortlists.X: it names a folder and a DVC stage; write it with a-z"),
        # queries
        (
            {"shortlists.x": shortlist('label ~ "german" and domain.de > much')},
            'shortlists.x.choose.query = \'label ~ "german" and domain.de > much\': at character 34: ">" needs a nu',
        ),
        (
            {"shortlists.x": shortlist("lable ~ german")},
            "shortlists.x.choose.query = 'lable ~ german': at character 1: no field is called \"lable\"; did",
        ),
        (
            {"shortlists.x": shortlist("causal.dee > 1")},
            "shortlists.x.choose.query = 'causal.dee > 1': at character 1: no domain is called \"dee\"; did you mean",
        ),
        ({"shortlists.x": shortlist("-german")}, "shortlists.x.choose.query = '-german': it has no word to look for"),
        # names and domains
        ({"edits.No_Good": scalar()}, "edits.No_Good: it names a folder and a DVC stage; write it with a-z, 0-9"),
        ({"edits": {}}, "edits is empty; add at least one edit"),
        ({"edits.x": scalar(target="pt")}, 'edits.x.domains.target = "pt": no domain of corpus.shares; use one of'),
        ({"edits.x": scalar(retain=["en", "de"])}, 'edits.x.domains.retain has "de", the target; take it out'),
        ({"edits.x": scalar(retain=[])}, "edits.x.domains.retain = []: nothing would hold the model; name a domain"),
        ({"edits.x": scalar(protect=["en"])}, 'edits.x.domains.protect has "en", which is retained; take it out'),
        ({"edits.x": guarded("eng")}, 'edits.x.guard.spare = "eng": no domain of corpus.shares; did you mean `en`?'),
        ({"edits.x": guarded("de")}, 'edits.x.guard.spare has "de", the target; take it out'),
        ({"report.edit": "nobody"}, "report.edit = 'nobody': no such edit"),
        # sections at odds
        ({"edit.report_budget": 3}, "edit.report_budget = 3: not one of edit.budgets; use one of 1, 2, 4"),
        ({"edits.random.budgets": [2]}, "edits.random.budgets = [2]: it has not edit.report_budget = 4"),
        ({"target.model.heads": 3}, "target.model.heads = 3: each head needs an even share"),
        ({"target.model": LOAD}, "corpus.tokenizer.source = train: a loaded target reads its own tokens only; use"),
        (
            {"target.model": LOAD, "corpus.tokenizer": OTHER_TOKENIZER},
            "corpus.tokenizer.name = elsewhere: target.model.name is somewhere; write the same",
        ),
        (
            {"target.model": LOAD | {"file": "a.gguf"}, "corpus.tokenizer": OTHER_TOKENIZER | {"name": "somewhere"}},
            "corpus.tokenizer.file = None: target.model.file is a.gguf; write the same",
        ),
        *(
            (
                {"target.model": LOAD | {"file": file}},
                f"target.model.file: {file!r} is no GGUF file of a model's folder",
            )
            for file in ("model.bin", "/models/a.gguf", "../a.gguf", "gguf", "")
        ),
        # a preset's name, and counts in more than one form
        (
            {"decompose.training.coefficients": "vdp"},
            "decompose.training.coefficients: no preset of that name; use vpd or spd",
        ),
        (
            {"decompose.subcomponents": "many"},
            'decompose.subcomponents = "many": write auto or a whole number or a mapping',
        ),
        ({"decompose.subcomponents": {".*": 0}}, "decompose.subcomponents..* = 0: "),
        # more text than there can be
        ({"harvest.tokens": 10**9}, "harvest.tokens = 1000000000: the harvest split comes from some"),
        (
            {"evaluate.tokens.target": 10**7},
            "evaluate.tokens.target = 10000000: the eval split of de comes from some",
        ),
    ],
)
def test_one_line_names_key_value_and_remedy(complaint: Callable[[Any], str], changes: Any, said: str) -> None:
    line = complaint(changes)
    assert line.startswith(f"params.yaml: {said}")
    assert "\n" not in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("corpus: [1, 2\ntarget: 3\n", "params.yaml: line 2, column 7: "),
        ("corpus: {}\ncorpus: {}\n", 'params.yaml: line 2, column 1: found duplicate key "corpus"'),
        ("just text", "params.yaml holds no sections"),
        ("", "params.yaml holds no sections"),
    ],
)
def test_what_is_no_yaml_mapping_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    result = subprocess.run(
        [sys.executable, "-m", "stages.check"],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 2
    assert result.stderr.startswith(f"prefactor: error: {said}")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_a_preset_is_its_coefficients_and_counts_have_three_forms() -> None:
    kind, base = TypeAdapter(DecomposeConfig), GOOD["decompose"]
    for name, coefficients in PRESETS.items():
        training = base["training"] | {"coefficients": name}
        assert parse(kind, base | {"training": training}, "decompose").training.coefficients == coefficients
    for form in ("auto", 7, {".*mlp.*": 5, ".*": 3}):
        assert parse(kind, base | {"subcomponents": form}, "decompose").subcomponents == form


def test_the_params_of_the_repository_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    read_pipeline()


@pytest.mark.parametrize(("positions", "fits"), [(None, True), (56, True), (2048, True), (55, False), (16, False)])
def test_a_rollout_longer_than_a_loaded_targets_positions_is_named(
    positions: int | None, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    config = read_pipeline()  # prompts of 16 tokens, rolled out by 40
    if fits:
        check_positions(config, positions)
        return
    with pytest.raises(ParamsError, match=r"evaluate.rollout_tokens = 40: after a prompt of 16 .* longer than the \d+"):
        check_positions(config, positions)


def test_a_need_that_the_corpus_as_made_does_not_meet_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    config = read_pipeline()
    plenty = {split: dict.fromkeys(config.corpus.domains, 10**7) for split in config.corpus.splits}
    check_text(config, plenty)
    short = {**plenty, "eval": {**plenty["eval"], "it": 100}}
    with pytest.raises(
        ParamsError, match=r"^params.yaml: target.evaluate_tokens = \d+: the eval split of it has only 100"
    ):
        check_text(config, short)
    for need in needs(config):  # every one of them is looked at
        split = (
            dict.fromkeys(config.corpus.domains, 0) if need.domain is None else {**plenty[need.split], need.domain: 0}
        )
        with pytest.raises(ParamsError):
            check_text(config, {**plenty, need.split: split})

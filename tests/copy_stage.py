"""Stands in for a stage in ``test_reruns.py``: writes a hash of its declared deps and params into each of its outputs.

Where a real stage's output stands still although an input moved, the copy's does so too: that the real ones do is
tested beside each of them.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

SPLITS = ("train", "harvest", "select", "fit", "eval")
TEXT = ("params.yaml", "data/check/text.txt", "data/corpus/metrics.json", *(f"data/corpus/{split}" for split in SPLITS))
WORDS = ("data/label/labels", "data/label/overrides.yaml", "data/score/scores")
# What of its deps and params an output does not depend on.
STANDS_STILL = {
    ("text", "valid.txt"): TEXT,  # it says yes, or fails
    ("text", "used"): TEXT,  # none: all tokens are worked with, whatever the corpus has
    ("shortlist", "names"): WORDS,  # words choose names; a word that is no word of a query chooses the same
    ("selection", "chosen"): (*WORDS, "selection"),
    ("harvest", "subcomponents"): ("harvest.examples",),  # more examples are more windows, and no other statistics
    ("harvest", "sample"): ("harvest.examples",),
    ("target", "bars.json"): ("data/corpus/eval",),
    ("locate", "modules"): ("locate", "data/check/locate.txt"),  # none, where a pattern says what is decomposed
    ("locate", "best"): ("locate", "data/check/locate.txt"),  # the same one, found with as much text
    ("target", "checkpoint"): ("data/corpus/eval",),  # the eval split only measures the target and the decomposition
    ("importance", "net"): ("data/corpus/eval",),
    ("corpus", "metrics.json"): ("texts",),  # as many tokens as before
    ("corpus", "tokenizer"): ("texts",),  # trained on the train split alone
}


def copy(project: Path, stages: dict[str, Any], params: dict[str, Any], name: str, key: str = "") -> None:
    """Make the outputs of stage ``name`` (of the entry ``key``) of ``stages``, as ``dvc.yaml`` has them."""
    stage = stages[name]
    item = params[stage["foreach"][2:-1]][key] if key else {}
    stage = stage.get("do", stage)

    def filled(template: str) -> str:
        text = template.replace("${key}", key)
        for field, value in item.items():
            text = text.replace(f"${{item.{field}}}", str(value))
        return text

    def param(dotted: str, skip: tuple[str, ...]) -> Any:
        value = params
        for part in dotted.split("."):
            value = value[part]
        if isinstance(value, dict):
            value = {k: v for k, v in value.items() if f"{dotted}.{k}" not in skip}
        return value

    def content(dep: str) -> list[str]:
        path = project / dep
        return [each.read_text() for each in (sorted(path.rglob("*")) if path.is_dir() else [path]) if each.is_file()]

    for out in (filled(out) for kind in ("outs", "metrics", "plots") for out in stage.get(kind, [])):
        last = Path(out).name
        skip = STANDS_STILL.get((name, last), ())
        deps = [filled(dep) for dep in stage.get("deps", [])]
        if (project / "texts" / last).is_file():  # a split has a text of its own
            deps = [f"texts/{last}" if dep == "texts" else dep for dep in deps]
        parts: list[Any] = [name, last, [content(dep) for dep in deps if dep not in skip]]
        parts += [param(filled(dotted), skip) for dotted in stage.get("params", []) if dotted not in skip]
        path = project / out if Path(out).suffix else project / out / "manifest.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest())

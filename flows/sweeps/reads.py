"""What the stages of one edit read, as ``dvc.yaml`` and their sources say: artifacts, params, code."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from prefactor.config.params import read_params
from prefactor.files.artifacts import MANIFEST, identities, sha256
from stages.closure import fingerprint, sections

OF_SHORTLIST, OF_EDIT = ("shortlist", "candidates"), ("selection", "edit", "evaluate")
CODE = Path(__file__).resolve().parents[2]  # whatever folder the process works in
# Gates, and what a sweep has of its own.
PASSED_OVER = ("data/check/", "data/text/valid.txt", "params.yaml")


@dataclass(frozen=True)
class Entry:
    """A stage of an entry of a mapping: ``edit`` of ``edits.reach``."""

    stage: str
    key: str
    item: Mapping[str, Any]

    def filled(self, template: str) -> str:
        """``template`` of ``dvc.yaml`` with this entry's key and values."""
        text = template.replace("${key}", self.key)
        return re.sub(r"\$\{item\.(\w+)\}", lambda found: str(self.item[found[1]]), text)


def entries(stages: tuple[str, ...], key: str, params: Mapping[str, Any]) -> list[Entry]:
    """``stages`` of the edit, or of the shortlist, ``key``."""
    item = params["edits" if stages == OF_EDIT else "shortlists"][key]
    return [Entry(stage, key, item) for stage in stages]


def paths_read(made: list[Entry], dag: Path) -> list[str]:
    """The paths that the stages of ``made`` read and do not write themselves."""
    stages = read_params(dag)["stages"]
    read: dict[str, None] = {}
    written: set[str] = set()
    for entry in made:
        do = stages[entry.stage]["do"]
        read |= dict.fromkeys(map(entry.filled, do["deps"]))
        written |= {entry.filled(out) for part in ("outs", "metrics") for out in do.get(part, [])}
    return [path for path in read if path not in written and not path.startswith(PASSED_OVER)]


def params_read(made: list[Entry], params: Mapping[str, Any]) -> dict[str, Any]:
    """The values of ``params`` that the stages of ``made`` read."""
    found = {}
    for entry in made:
        for template in _sections(entry.stage):
            name = entry.filled(template)
            value: Any = params
            for key in name.split("."):
                value = value[key]
            found[name] = value
    return found


def hashes(paths: list[str], root: Path) -> dict[str, str]:
    """By path, a hash of what lies there under ``root``; of an artifact by its manifest.

    Raises:
        PrefactorError: an artifact has none.
    """
    found = {}
    for path in paths:
        place = root / path
        if place.is_file():
            found[path] = sha256(place)
        elif (place / MANIFEST).is_file():
            found[path] = identities(place)[place]
        else:
            found[path] = _missing(place)
    return found


def _missing(place: Path) -> str:
    """A folder without a manifest counts with its files, one that is not there as nothing."""
    files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else []
    digest = hashlib.sha256("".join(f"{file.relative_to(place)}\n{sha256(file)}\n" for file in files).encode())
    return digest.hexdigest() if files else ""


@cache
def code(stages: tuple[str, ...]) -> dict[str, str]:
    """By stage, the hash of the code that this process runs as its script."""
    return {stage: fingerprint(Path("stages", f"{stage}.py"), CODE) for stage in stages}


@cache
def _sections(stage: str) -> tuple[str, ...]:
    return tuple(sorted(sections(CODE / "stages" / f"{stage}.py")))

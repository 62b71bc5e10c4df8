"""Whether ``data/`` is what ``params.yaml`` says, by ``dvc.lock``: of what has no manifest only DVC knows."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from prefactor.errors import PrefactorError

LOCK = "dvc.lock"


def check_recorded(root: Path, params: Mapping[str, Any], stages: Iterable[str]) -> None:
    """Check that ``stages`` were run with ``params``, and that their plain files are what they wrote.

    Nothing is said where there is no ``dvc.lock``.

    Raises:
        PrefactorError: one was run with others, or a file is another by now.
    """
    if not (root / LOCK).is_file():
        return
    try:
        lock = YAML(typ="safe").load((root / LOCK).read_text(encoding="utf-8"))
        known: dict[str, Any] = lock["stages"]
    except (YAMLError, KeyError, TypeError, UnicodeDecodeError):
        raise PrefactorError(f"{root / LOCK} cannot be read: bring it back (`git checkout {LOCK}`)") from None
    for name in stages:
        stage = known.get(name)
        if stage is None:
            raise PrefactorError(f"{root / LOCK} knows of no run of {name}: bring it up to date (`dvc repro {name}`)")
        for key, value in stage.get("params", {}).get("params.yaml", {}).items():
            if _at(params, key) != value:
                raise PrefactorError(
                    f"{root / 'data' / name} is stale: it was made with another {key} than params.yaml has: "
                    f"`dvc repro {name}` makes it again, or put {key} back"
                )
        for out in stage.get("outs", ()):
            path = root / out["path"]
            if path.is_file() and out.get("hash") == "md5" and _md5(path) != out["md5"]:
                raise PrefactorError(
                    f"{path} is another than {name} wrote: fetch it again (`dvc checkout --force {out['path']}`)"
                )


def _at(params: Any, key: str) -> Any:
    for part in key.split("."):
        params = params.get(part) if isinstance(params, Mapping) else None
    return params


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

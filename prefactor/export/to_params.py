"""Write an edit into ``params.yaml``, comments and order kept, so that the DAG makes it again."""

import re
from pathlib import Path

from ruamel.yaml import YAML

from prefactor.config.edits import GuardedEdit, RewriteEdit, ScalarEdit
from prefactor.config.params import read_params
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import atomic

NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")  # it becomes a folder and part of a DVC stage's name


def check_name(params: Path, name: str) -> None:
    """Whether an edit can be saved as ``name``, before it is made.

    Raises:
        PrefactorError: the name is taken, or is none for an edit.
    """
    if not NAME.fullmatch(name):
        raise PrefactorError(f"--save {name!r}: use small letters, digits, - and _")
    if name in (read_params(params).get("edits") or {}):
        raise PrefactorError(f"{params} has an edit {name!r} already: save it under another name")


def save_edit(params: Path, name: str, edit: ScalarEdit | GuardedEdit | RewriteEdit) -> None:
    """Add ``edit`` to the section ``edits`` of ``params`` as ``name``."""
    check_name(params, name)
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 4096
    whole = yaml.load(params.read_text(encoding="utf-8"))
    whole["edits"][name] = edit.model_dump(mode="json")
    with atomic(params) as temporary, temporary.open("w", encoding="utf-8") as file:
        yaml.dump(whole, file)

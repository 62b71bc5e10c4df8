"""Write an edit into ``params.yaml``, comments and order kept, so that the DAG makes it again."""

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from prefactor.config.base import Config
from prefactor.config.edits import Chosen, GuardedEdit, RewriteEdit, ScalarEdit
from prefactor.config.names import entry_name
from prefactor.config.params import read_params
from prefactor.config.shortlists import ByName, ShortlistConfig
from prefactor.errors import PrefactorError
from prefactor.export.yaml_lines import with_entry
from prefactor.files.own_file import changed, check_own


def check_name(params: Path, name: str) -> None:
    """Whether an edit can be saved as ``name``, before it is made.

    Raises:
        PrefactorError: the name is taken, or is none for an edit, or ``params`` is read-only.
    """
    check_own(params)
    try:
        entry_name(name)
    except ValueError as error:
        raise PrefactorError(f"--save {name!r}: {error}") from None
    whole = read_params(params)
    for section, what in (("edits", "an edit"), ("baselines", "a baseline"), ("shortlists", "a shortlist")):
        if name in (whole.get(section) or {}):
            raise PrefactorError(f"{params} has {what} {name!r} already: save it under another name")


def save_edit(
    params: Path, name: str, edit: ScalarEdit | GuardedEdit | RewriteEdit, subcomponents: Sequence[str]
) -> None:
    """Add ``edit`` to ``params`` as ``name``, under ``edits``, and a shortlist of its ``subcomponents`` beside it."""
    check_name(params, name)
    shortlist = ShortlistConfig(domains=edit.domains, choose=ByName(by="name", subcomponents=tuple(subcomponents)))
    save_entries(params, name, edit.model_copy(update={"shortlist": name}), name, shortlist)


def save_entries(params: Path, name: str, edit: Chosen, listed: str, shortlist: ShortlistConfig | None) -> None:
    """Add ``edit`` to ``params`` as ``name``, and ``shortlist`` as ``listed``, where it is one that is not there."""
    text = params.read_text(encoding="utf-8")
    entries: list[tuple[str, str, Config | None]] = [("shortlists", listed, shortlist), ("edits", name, edit)]
    for section, key, entry in entries:
        if entry is not None:
            value = entry.model_dump(mode="json", exclude_defaults=True)
            text = with_entry(text, section, key, value) or _written_anew(text, section, key, value)
    with changed(params) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _written_anew(text: str, section: str, key: str, value: Any) -> str:
    """The same where lines cannot say it: comments stay, but lines may be laid out anew."""
    yaml, out = YAML(), StringIO()
    yaml.preserve_quotes, yaml.width = True, 4096
    whole = yaml.load(text)
    if not whole.get(section):
        whole[section] = {}
    whole[section][key] = value
    yaml.dump(whole, out)
    return out.getvalue()

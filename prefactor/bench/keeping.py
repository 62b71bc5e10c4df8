"""An edit of the bench for the DAG, as an entry of params; or for other tools, as a PEFT adapter."""

import shutil
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from prefactor.bench.asked import AskedEdit
from prefactor.bench.live import Live
from prefactor.bench.project import labels
from prefactor.config.names import entry_name
from prefactor.errors import PrefactorError
from prefactor.export.edited_model import Edited
from prefactor.export.facts import facts_of
from prefactor.export.to_params import save_edit
from prefactor.vpd.store import components_sha256
from prefactor.workspace import by_hand

ADAPTERS = Path("adapters")  # of a project, where adapters are put that are not downloaded


def save(live: Live, edit: AskedEdit, name: str) -> None:
    """Write ``edit`` into params as ``name``, with a shortlist of its subcomponents.

    Raises:
        PrefactorError: it has no prefactors, or more than these; the name is none, or taken; or params is read-only.
    """
    check_named(name)
    if edit.stacked:
        raise PrefactorError(
            f"{', '.join(edit.stacked)} cannot be saved as prefactors: take it off, or load its prefactors as sliders"
        )
    live.change(edit)  # what cannot be made is not saved
    values = tuple(float(slider.alpha) for slider in edit.sliders)
    if not values:
        raise PrefactorError("there is no prefactor to save: add a subcomponent")
    names = [slider.subcomponent for slider in edit.sliders]
    with live.lock:
        save_edit(live.work.params, name, by_hand(live.domains(edit), values, edit.guard), names)


def write_adapter(live: Live, edit: AskedEdit, name: str) -> Path:
    """Write ``edit`` as a PEFT adapter, measured for its card, into a new folder of the project.

    Raises:
        PrefactorError: nothing is changed; the name is none; something is there; or PEFT has no adapter for it.
    """
    check_named(name)
    made, folder = _made(live, edit, name), live.work.params.parent / ADAPTERS / name
    with live.lock:
        return made.export(folder)


def zipped_adapter(live: Live, edit: AskedEdit, name: str) -> bytes:
    """The files of the same as a zip archive.

    Raises:
        PrefactorError: as :func:`write_adapter`.
    """
    check_named(name)
    made = _made(live, edit, name)
    with TemporaryDirectory() as folder:
        with live.lock:
            made.export(Path(folder) / name)
        return Path(shutil.make_archive(f"{folder}/{name}", "zip", folder, name)).read_bytes()


def check_named(name: str) -> None:
    """
    Raises:
        PrefactorError: ``name`` is none for an edit or its folder.
    """
    try:
        entry_name(name)
    except ValueError as error:
        raise PrefactorError(f"{name!r} as the name of an edit: {error}") from None


def _made(live: Live, edit: AskedEdit, name: str) -> Edited:
    change, work, domains = live.change(edit), live.work, live.domains(edit)
    if not change:
        raise PrefactorError("the edit changes nothing: add a subcomponent, or a recorded edit")
    names, values = [s.subcomponent for s in edit.sliders], tuple(float(s.alpha) for s in edit.sliders)
    config = by_hand(domains, values or (1.0,), edit.guard)
    guard = edit.guard.model_dump(mode="json") if edit.guard is not None and names else None
    facts = facts_of(name, config, names, values, 0, [], guard, components_sha256(work.data))
    if edit.stacked:
        facts |= {
            "stacked": list(edit.stacked),
            "method": " + ".join([*([config.method] if names else []), *edit.stacked]),
        }
    held_out = partial(work.held_out, domains)
    told = labels(live, names)
    return Edited(live.target, work.checkpoint, facts, change, work.chance, held_out, config, told, work.has_text)

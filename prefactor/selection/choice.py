"""What was chosen for one edit, and the files that say so.

The edit stage reads ``chosen/`` alone, which holds no label, so that another word, runner-up, reason or measured effect
fits nothing anew.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from prefactor.files.artifacts import Origin, read_json, verify, write_json, write_manifest

FILE = Path("selection", "selection.json")
CHOSEN = Path("chosen", "subcomponents.json")


@dataclass(frozen=True)
class Choice:
    subcomponent: str  # module:index
    label: str
    score: float | None  # what it was ranked by (an effect: less its damage); None where nothing was ranked
    reason: str
    collateral: dict[str, float] | None = None  # nats a token by domain if it is inverted; None where not measured
    warning: str | None = None  # that its effect reaches further than its label says


@dataclass(frozen=True)
class Selection:
    """The subcomponents of one edit, best first, the runners-up, and those that a query misses by one clause."""

    edit: str
    by: str
    chosen: tuple[Choice, ...]
    candidates: tuple[Choice, ...]
    near_misses: tuple[Choice, ...] = ()
    chosen_with: Mapping[str, int] = field(default_factory=dict)  # tokens tagged as the target's, by who read them

    @property
    def subcomponents(self) -> tuple[str, ...]:
        return tuple(choice.subcomponent for choice in self.chosen)


def write_selection(
    folder: Path, selection: Selection, made_from: Origin | None = None, names_of: Origin | None = None
) -> None:
    """Write ``selection/`` and ``chosen/`` (docs/contracts.md), with their manifests.

    Args:
        names_of: what ``chosen/`` is made from: that in which its names mean something, and none of the words
            and figures that they were chosen by.
    """
    value = {
        "edit": selection.edit,
        "chosen_with": dict(selection.chosen_with),
        "by": selection.by,
        "subcomponents": [asdict(choice) for choice in selection.chosen],
        "candidates": [asdict(choice) for choice in selection.candidates],
        "near_misses": [asdict(choice) for choice in selection.near_misses],
    }
    write_json(folder / FILE, value)
    write_manifest(folder / FILE.parent, [FILE.name], made_from=made_from)
    write_json(folder / CHOSEN, list(selection.subcomponents))
    write_manifest(folder / CHOSEN.parent, [CHOSEN.name], made_from=names_of)


def read_chosen(folder: Path) -> list[str]:
    """The chosen subcomponents, best first.

    Raises:
        PrefactorError: it is missing or damaged.
    """
    verify(folder / CHOSEN.parent, only=[CHOSEN.name])
    return read_json(folder / CHOSEN)


def labels_of(folder: Path) -> dict[str, str]:
    """The labels of the chosen subcomponents; none of a baseline, or where the selection was not fetched."""
    if not (folder / FILE).is_file():
        return {}
    return {choice.subcomponent: choice.label for choice in read_selection(folder).chosen}


def read_selection(folder: Path) -> Selection:
    """The selection that the stage left in ``folder``.

    Raises:
        PrefactorError: it is missing or damaged.
    """
    verify(folder / FILE.parent, only=[FILE.name])
    value = read_json(folder / FILE)
    chosen, candidates, near_misses = (
        tuple(Choice(**choice) for choice in value.get(part, ()))
        for part in ("subcomponents", "candidates", "near_misses")
    )
    return Selection(value["edit"], value["by"], chosen, candidates, near_misses, value.get("chosen_with", {}))

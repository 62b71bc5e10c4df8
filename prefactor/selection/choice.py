"""What was chosen for one edit, and the files that say so.

The edit stage reads ``chosen/`` alone, so that another runner-up, reason or measured effect fits nothing anew.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from prefactor.files.artifacts import read_json, verify, write_json, write_manifest

FILE = "selection.json"
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
    matched: str | None = None  # stands for the names that the query matches, so that a change of labels is seen

    @property
    def subcomponents(self) -> tuple[str, ...]:
        return tuple(choice.subcomponent for choice in self.chosen)


def write_selection(folder: Path, selection: Selection) -> None:
    """Write ``selection.json`` and ``chosen/`` (docs/contracts.md), with their manifests."""
    value = {
        "edit": selection.edit,
        "by": selection.by,
        "subcomponents": [asdict(choice) for choice in selection.chosen],
        "candidates": [asdict(choice) for choice in selection.candidates],
        "near_misses": [asdict(choice) for choice in selection.near_misses],
        "matched": selection.matched,
    }
    write_json(folder / FILE, value)
    write_manifest(folder, [FILE])
    chosen = [{"subcomponent": choice.subcomponent, "label": choice.label} for choice in selection.chosen]
    write_json(folder / CHOSEN, chosen)
    write_manifest(folder / CHOSEN.parent, [CHOSEN.name])


def read_chosen(folder: Path) -> dict[str, str]:
    """The chosen subcomponents, best first, with their labels.

    Raises:
        PrefactorError: it is missing or damaged.
    """
    verify(folder / CHOSEN.parent)
    return {one["subcomponent"]: one["label"] for one in read_json(folder / CHOSEN)}


def read_selection(folder: Path) -> Selection:
    """The selection that the stage left in ``folder``.

    Raises:
        PrefactorError: it is missing or damaged.
    """
    verify(folder, only=[FILE])
    value = read_json(folder / FILE)
    chosen, candidates, near_misses = (
        tuple(Choice(**one) for one in value.get(part, ())) for part in ("subcomponents", "candidates", "near_misses")
    )
    return Selection(value["edit"], value["by"], chosen, candidates, near_misses, value.get("matched"))

"""What one prefactor of one subcomponent does to text, and the file of a shortlist's measured candidates."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

from prefactor.errors import PrefactorError
from prefactor.files.artifacts import Origin, read_json, verify, write_json, write_manifest

FILE = Path("effects", "effects.json")  # of a shortlist's folder

T = TypeVar("T")


@dataclass(frozen=True)
class Effect:
    """What one prefactor of one subcomponent does to held-out text; nats a token."""

    prefactor: float  # the one that brings the target domain to chance, or nearest to it
    short: float  # of chance; 0 where it is reached
    damage: float | None  # mean over the retained domains at that prefactor; None where chance is not reached
    spill: float | None = None  # KL on the worst of the untagged text that is unlike the target; None if unknown

    @property
    def finite(self) -> bool:
        figures = (self.prefactor, self.short, self.damage, self.spill)
        return all(math.isfinite(figure) for figure in figures if figure is not None)

    def price(self, rank: str) -> float:
        """What it is ranked by: the spill, or the damage; infinite where that is not known."""
        price = self.spill if rank == "spill" else self.damage
        return math.inf if price is None else price


@dataclass(frozen=True)
class Candidates:
    """The effect of each candidate of a shortlist, in its order; of the control, of singular directions by size."""

    subcomponents: dict[str, Effect | None]  # None where the shortlist is not measured, or the candidate cannot be
    singular: dict[str, Effect]  # empty where there is no control
    left_out: dict[str, str] = field(default_factory=dict)  # candidates that cannot be measured, and why not


def order(pairs: Sequence[tuple[T, Effect]], rank: str) -> list[tuple[T, Effect]]:
    """Best first: those that reach chance by price, the others by how near they come.

    An unknown spill ranks behind every known one; among such the damage to what is retained decides.
    """
    return sorted(pairs, key=lambda pair: (pair[1].short, pair[1].price(rank), pair[1].price("effect")))


def write_candidates(folder: Path, candidates: Candidates, made_from: Origin | None = None) -> None:
    """Write ``effects/`` (docs/contracts.md) and its manifest."""
    parts = {"subcomponents": candidates.subcomponents, "singular": candidates.singular}
    rows = {
        part: [
            {"subcomponent": name, "effect": effect and asdict(effect)}
            | ({"left_out": candidates.left_out[name]} if name in candidates.left_out else {})
            for name, effect in effects.items()
        ]
        for part, effects in parts.items()
    }
    write_json(folder / FILE, rows)
    write_manifest(folder / FILE.parent, [FILE.name], made_from=made_from)


def read_candidates(folder: Path) -> Candidates:
    """What the candidates stage left in ``folder``.

    Raises:
        PrefactorError: it is missing or damaged.
    """
    verify(folder / FILE.parent, only=[FILE.name])
    value = read_json(folder / FILE)

    def effects(part: str) -> dict[str, Effect | None]:
        return {row["subcomponent"]: row["effect"] and Effect(**row["effect"]) for row in value[part]}

    singular = {name: effect for name, effect in effects("singular").items() if effect is not None}
    left_out = {row["subcomponent"]: row["left_out"] for row in value["subcomponents"] if "left_out" in row}
    return Candidates(effects("subcomponents"), singular, left_out)


def measured(candidates: Candidates, names: Sequence[str], where: str) -> list[tuple[str, Effect]]:
    """Names with their effects, without those that could not be measured.

    Raises:
        PrefactorError: they were measured for other candidates, or none could be.
    """
    pairs = [(name, candidates.subcomponents.get(name)) for name in names if name not in candidates.left_out]
    if names and not pairs:
        raise PrefactorError(f"{where}: none of {len(names)} can be measured; {candidates.left_out[names[0]]}")
    missing = [name for name, effect in pairs if effect is None]
    if missing:
        raise PrefactorError(f"{where}: {missing[0]} was not measured: run it (`dvc repro candidates`)")
    return [(name, effect) for name, effect in pairs if effect is not None]

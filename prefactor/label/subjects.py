"""What is scored: each alive subcomponent with a label, from what the harvest and effects stages left."""

import math
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from prefactor.errors import PrefactorError
from prefactor.files.artifacts import part
from prefactor.label.causal import DomainDamage
from prefactor.label.evidence import read_held_out
from prefactor.label.judge import Hypothesis
from prefactor.label.score import Subject
from prefactor.rescale.kinds import PREFACTORS


def read_subjects(
    data: Path, labels: Mapping[str, Mapping[str, Any]], domains: list[str], among: Collection[str] | None = None
) -> Iterator[Subject]:
    """The alive subcomponents in the harvest's order; of these those ``among`` which are asked for.

    Args:
        labels: by name a row with ``label`` and ``domains``, of every subcomponent that is yielded.

    Raises:
        PrefactorError: a file is missing or damaged, or the effects stage has measured another harvest.
    """
    held_out, effects = read_held_out(data), data / "effects"
    rows = pq.read_table(
        data / "harvest" / "subcomponents" / "subcomponents.parquet", columns=["subcomponent", "alive"]
    ).to_pylist()
    measured = {row["subcomponent"]: row for row in pq.read_table(part(effects, "effects")).to_pylist()}
    for column, row in enumerate(rows):
        name = row["subcomponent"]
        if not row["alive"] or (among is not None and name not in among):
            continue
        if name not in measured:
            raise PrefactorError(f"{effects}: it has no row for {name}: rerun the stage (`dvc repro effects`)")
        ablated, inverted = (damage_of(measured[name], kind, domains) for kind in PREFACTORS)
        hypothesis = Hypothesis(labels[name]["label"], _domains(labels[name]["domains"]))
        yield Subject(name, column, hypothesis, held_out.of_one(name), ablated, inverted)


def damage_of(row: dict[str, Any], kind: str, domains: list[str]) -> DomainDamage:
    """Of an effect to first order nothing is certain: its error over blocks is that of a slope."""
    error = {d: row[f"{kind}_error_{d}"] if row["exact"] else math.inf for d in domains}
    return DomainDamage({d: row[f"{kind}_{d}"] for d in domains}, error)


def _domains(value: Any) -> tuple[str, ...] | None:
    return None if value is None else tuple(str(domain) for domain in value)

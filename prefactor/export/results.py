"""Edits that the stages made: side by side, and written for other tools."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from prefactor.config.edits import AnyEdit, BaselineConfig, Chosen, EditConfig
from prefactor.config.numbers import whole
from prefactor.config.params import PARAMS, section
from prefactor.edits.made import absent, fits_folder, read_changes, read_edit
from prefactor.errors import PrefactorError
from prefactor.export.adapter import write_adapter, write_card, write_merged
from prefactor.export.base import base_of
from prefactor.export.card import card
from prefactor.export.gguf_copy import write_gguf
from prefactor.export.lora import check_loadable
from prefactor.files.artifacts import part, read_entry, verify
from prefactor.files.new_folder import check_new, new_folder
from prefactor.machine.runtime import setup
from prefactor.model.change import Change
from prefactor.model.target import read_target


def compare(data: Path, names: Sequence[str] = (), tokens: int | None = None) -> list[dict[str, Any]]:
    """A row an edit of params (all that were evaluated, if none is named): means over draws at a budget of ``tokens``.

    Without ``tokens`` it is the report's budget.

    Raises:
        PrefactorError: no such edit was run, or not at this budget.
    """
    tokens = None if tokens is None else whole("tokens", tokens, 0)
    chance = read_entry(data / "target" / "metrics.json", "chance")
    rows = []
    for name in names or [name for name in _edits(data) if (data / "evaluate" / name / "table").is_dir()]:
        about = _about(data, name)
        budget = about["report_budget"] if tokens is None or not about["report_budget"] else tokens
        table = pd.read_parquet(part(data / "evaluate" / name, "table"))
        _check_budget(name, budget, table["budget"])
        at = table[table["budget"] == budget]
        ce = float(at[at["role"] == "target"]["edited_ce"].mean())
        others = at[at["role"] != "target"].groupby("domain", sort=False)["damage"].mean()
        row = {"edit": name, "budget": int(budget), "target": about["target"], "target_ce_minus_chance": ce - chance}
        rows.append(row | {"damage": {str(domain): float(value) for domain, value in others.items()}})
    return rows


def change_of(data: Path, name: str, tokens: int | None = None, seed: int = 0) -> tuple[int, Change]:
    """The budget (the report's, if ``tokens`` is left out) and the change of one fit of an edit that was run.

    Raises:
        PrefactorError: no such edit was run, or not with this budget and seed.
    """
    tokens, seed = None if tokens is None else whole("tokens", tokens, 0), whole("seed", seed, 0)
    about = _about(data, name)
    budget = about["report_budget"] if tokens is None else tokens
    fits = read_changes(data, name, "cpu")
    _check_budget(name, budget, [fitted for fitted, _, _ in fits])
    change = next((change for fitted, draw, change in fits if (fitted, draw) == (budget, seed)), None)
    if change is None:
        raise PrefactorError(f"edits.{name} has no draw {seed}: use one of 0 to {max(draw for _, draw, _ in fits)}")
    return budget, change


def export(
    data: Path, name: str, into: Path, merged: bool = False, tokens: int | None = None, seed: int = 0,
    labels: Mapping[str, str] | None = None, gguf: Path | None = None,
) -> None:  # fmt: skip
    """Write a fit of an edit into a new folder: a PEFT adapter, or the merged checkpoint with its tokenizer.

    Args:
        gguf: the GGUF file that the target came in; what is written is a copy of it that has the edit.
        labels: of its subcomponents, for the card.

    Raises:
        PrefactorError: something is in ``into`` already; no such edit was run, or not with this budget and seed; PEFT
            loads no adapter of its matrices; or ``gguf`` is no file of the target.
    """
    if merged and gguf is not None:
        raise PrefactorError("--merged and --gguf are two forms of the same model: ask for one of them")
    check_new(into)
    about, checkpoint = _about(data, name), data / "target" / "checkpoint"
    budget, change = change_of(data, name, tokens, seed)
    verify(checkpoint)
    target = read_target(checkpoint, setup())
    base = base_of(checkpoint)
    told = _facts(data, name, about, budget, seed), labels, _damage(data, name, budget, seed)
    if not merged and gguf is None:
        check_loadable(target, change)
    with new_folder(into) as new:
        if gguf is not None:
            write_gguf(new / f"{gguf.stem}-{name}.gguf", gguf, target, change)
            write_card(new, card(*told))
        elif merged:
            write_merged(new, target, change, checkpoint, card(*told))
        else:
            write_adapter(new, target, change, base.name, card(*told, base.said), base.revision)


def _facts(data: Path, name: str, about: dict[str, Any], budget: int, seed: int) -> dict[str, Any]:
    """``edit.json`` with the prefactors of one fit in place of the report's."""
    fits = pd.read_parquet(fits_folder(data, name) / "fits.parquet")
    (fit,) = fits[(fits["budget"] == budget) & (fits["seed"] == seed)].to_dict("records")
    return about | {"prefactors": list(fit["prefactors"]), "report_budget": budget}


def _damage(data: Path, name: str, budget: int, seed: int) -> list[dict[str, Any]]:
    """The rows of one fit in the edit's table; none if it was not evaluated."""
    if not (data / "evaluate" / name / "table").is_dir():
        return []
    table = pd.read_parquet(part(data / "evaluate" / name, "table"))
    rows = table[(table["budget"] == budget) & (table["seed"] == seed)].to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows]


def _edits(data: Path) -> dict[str, AnyEdit]:
    """The edits and baselines of the ``params.yaml`` beside ``data``: results of any other are of another time."""
    params = data.parent / PARAMS
    return {
        **section("edits", dict[str, EditConfig], params),
        **section("baselines", dict[str, BaselineConfig], params),
    }


def _about(data: Path, name: str) -> dict[str, Any]:
    edits = _edits(data)
    if name not in edits:
        left = f"; {data / 'edit' / name} is left from when it was there" if (data / "edit" / name).is_dir() else ""
        raise PrefactorError(
            f"{data.parent / PARAMS} has no edit {name!r}{left}: add it, or name one of {', '.join(edits)}"
        )
    edit = edits[name]
    if not fits_folder(data, name).is_dir():
        raise absent(fits_folder(data, name), "edit" if isinstance(edit, Chosen) else "baseline", name)
    about = read_edit(data, name)
    for key, value in {"method": edit.method, **edit.domains.recorded}.items():
        if about[key] != value:
            raise PrefactorError(
                f"{data / 'edit' / name} is stale: it was made with {key} {about[key]}, params.yaml says {value}: "
                "`dvc repro` makes it again"
            )
    return about


def _check_budget(name: str, budget: int, fitted: Iterable[int]) -> None:
    known = sorted(set(fitted))
    if budget not in known:
        raise PrefactorError(f"edits.{name} was not fitted on {budget} tokens: use one of {', '.join(map(str, known))}")

"""The page's tables and cards as plain values, section by section; the template only lays them out."""

import math
from dataclasses import dataclass
from typing import Any

from prefactor.corpus.languages import language_name
from prefactor.report import words
from prefactor.report.frontier import Point, headline_point, tokens_to_chance
from prefactor.report.plots import GLYPHS
from prefactor.report.schemas import EditResult, Inputs, Quality

MASKS = {
    "unmasked": "every subcomponent kept",
    "stochastic": "random masks between importance and 1, Δ too",
    "importance": "masks equal to importance",
    "rounded_0": "only importance above 0 kept",
    "rounded_0.1": "only importance above 0.1 kept",
    "rounded_0.5": "only importance above 0.5 kept",
    "random": "masks drawn without regard to importance",
    "zero": "every subcomponent ablated",
}


@dataclass(frozen=True)
class MethodRow:
    name: str
    what: str
    colour: str
    glyph: str  # of its marker
    control: bool
    headline: bool
    target: str
    budget: int
    chosen_with: str  # tokens tagged as the target's, behind the choice of what it acts on; by stage in words
    tuned_with: str  # ... of learning rate and length
    prefactors: str
    gap: str  # target CE - chance, with its interval
    gap_bounds: str
    gap_to_unigram: str
    reached: bool
    retained: str
    protected: str
    tokens_to_chance: int | None


def method_rows(
    inputs: Inputs,
    curves: dict[str, list[Point]],
    colour: dict[str, str],
    shape: dict[str, str],
    headline: str,
    controls: tuple[str, ...],
) -> list[MethodRow]:
    """A row an edit at the report's budget, controls last."""
    rows = []
    for name, result in sorted(inputs.edits.items(), key=lambda item: item[0] in controls):
        point = headline_point(result, inputs.target)
        rows.append(
            MethodRow(
                name=name,
                what=words.describe(result),
                colour=colour[name],
                glyph=GLYPHS[shape[name]],
                control=name in controls,
                headline=name == headline,
                target=language_name(result.edit.target),
                budget=point.budget,
                chosen_with=" + ".join(f"{n:,} {stage}" for stage, n in result.chosen_with.items()),
                tuned_with=f"{result.edit.tuned_with:,}" if result.edit.tuned_with else "",
                prefactors=words.prefactors(result.edit.prefactors),
                gap=words.signed(point.target_ce_minus_chance["mean"]),
                gap_bounds=words.in_two(words.bounds(point.target_ce_minus_chance)),
                gap_to_unigram=words.signed(point.target_ce_minus_unigram["mean"]),
                reached=point.reached,
                retained="–" if point.worst_retained is None else words.signed(point.worst_retained),
                protected="–" if point.worst_protected is None else words.signed(point.worst_protected),
                tokens_to_chance=tokens_to_chance(curves[name]),
            )
        )
    return rows


def domain_order(result: EditResult, inputs: Inputs) -> list[str]:
    """Retained, protected, the target, then whatever else the corpus has."""
    first = [*result.edit.retain, *result.edit.protect, result.edit.target]
    return first + sorted(set(inputs.target.base_ce) - set(first))


def damage_rows(inputs: Inputs, domains: list[str], controls: tuple[str, ...]) -> list[dict[str, Any]]:
    """Per edit a cell a domain: mean, interval, role, and ``heat`` from 0 (0.01 nats) to 1 (1 nat and more)."""
    rows = []
    for name, result in sorted(inputs.edits.items(), key=lambda item: item[0] in controls):
        damage = headline_point(result, inputs.target).damage
        roles = {row["domain"]: row["role"] for row in result.table}
        cells = []
        for domain in domains:
            if domain not in damage:
                cells.append(None)
                continue
            value = damage[domain]
            heat = min(1.0, max(0.0, math.log10(max(value["mean"], 1e-9) / 0.01) / 2))
            cells.append(
                {
                    "mean": words.signed(value["mean"], 3),
                    "bounds": words.in_two(words.bounds(value, 3)),
                    "role": roles[domain],
                    "heat": f"{heat:.2f}",
                }
            )
        rows.append({"name": name, "control": name in controls, "cells": cells})
    return rows


def quotes(result: EditResult, point: Point) -> str:
    """What quotes of other domains have of the damage to a retained one; empty where none are known."""
    told = []
    for domain in result.edit.retain:
        rows = [r for r in result.table if r["domain"] == domain and r["budget"] == point.budget and r["quoted_tokens"]]
        if rows:
            mean = sum(row["damage_quoted"] for row in rows) / len(rows)
            told.append(
                f"{language_name(domain)} pays {words.signed(point.own[domain]['mean'], 3)} nats outside quotes of "
                f"other languages, and {words.signed(mean)} in them ({rows[0]['quoted_tokens']:,} tokens)"
            )
    return "; ".join(told) + "." if told else ""


def decomposed(inputs: Inputs) -> dict[str, Any]:
    """How much of the target is decomposed, and a row a reason why the rest is not."""
    whole, *rest = inputs.decomposed.weights
    return {
        "share": f"{100 * whole.share:.1f} %",
        "weights": f"{whole.weights:,}",
        "matrices": f"{inputs.decomposed.matrices:,}",
        "rest": [
            {"what": part.what, "share": f"{100 * part.share:.1f} %", "names": ", ".join(part.names)} for part in rest
        ],
    }


def quality(inputs: Inputs) -> dict[str, Any]:
    """KL and CE in every mask mode, known modes first, then the PGD ladder; L0; of each stream; alive."""
    battery = inputs.quality
    share = battery.delta_share
    return {
        "target_ce": f"{battery.ce['target']:.3f}" if "target" in battery.ce else None,
        "alive": f"{battery.alive:,}",
        "total": f"{battery.subcomponents:,}",
        "delta": None if share is None else f"{100 * share:.1f} %",
        "streams": [_stream("", battery)]
        if battery.other is None
        else [_stream("target stream", battery), _stream("other stream, Δ never ablated", battery.other)],
    }


def _stream(name: str, battery: Quality) -> dict[str, Any]:
    ladder = sorted((mode for mode in battery.kl if mode.removeprefix("pgd").isdigit()), key=lambda m: int(m[3:]))
    about = MASKS | {mode: f"the worst masks {mode[3:]} steps of PGD find, Δ too" for mode in ladder}
    modes = [mode for mode in about if mode in battery.kl] + sorted(set(battery.kl) - set(about))
    return {
        "name": name,
        "modes": [
            {
                "name": mode.replace("_", " at ").replace("pgd", "PGD "),
                "about": about.get(mode, ""),
                "kl": f"{battery.kl[mode]:.5f}",
                "ce": f"{battery.ce[mode]:.3f}" if mode in battery.ce else "–",
            }
            for mode in modes
        ],
        "l0": [
            (threshold, f"{count:.1f}", f"{100 * count / battery.subcomponents:.1f} %")
            for threshold, count in sorted(battery.l0.items(), key=lambda item: float(item[0]))
        ],
    }


def recipes(inputs: Inputs) -> list[tuple[str, str, int]]:
    """(edit, the recipe chosen at each probed budget, how many were tried there), of the edits that had a choice."""
    rows = []
    for name, result in inputs.edits.items():
        chosen = [recipe for recipe in result.edit.recipes if recipe.chosen]
        if chosen:
            words_ = ", ".join(
                f"{recipe.learning_rate:g} for {recipe.steps} steps at {recipe.budget} tokens" for recipe in chosen
            )
            rows.append((name, words_, len(result.edit.recipes) // len(chosen)))
    return rows

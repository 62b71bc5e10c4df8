"""The page's tables and cards as plain values, section by section; the template only lays them out."""

import math
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from prefactor.config.edits import Chosen
from prefactor.corpus.languages import language_name
from prefactor.report import words
from prefactor.report.frontier import Point, headline_point, tokens_to_chance
from prefactor.report.inputs import EDIT_STAGES, EditResult, Inputs, Quality, TableRow
from prefactor.report.labels import scores_of, together_of

EXAMPLES = 12  # activating windows on a card
ROLLOUTS = 2  # a domain and edit
TOKEN_TABLES = {
    "input_recall": ("Fires on", "share of the token’s occurrences"),
    "input_pmi": ("Fires on, against base rate", "PMI, nats"),
    "output_recall": ("Predicts", "share of its predictions"),
    "output_pmi": ("Predicts, against base rate", "PMI, nats"),
}
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
    inputs: Inputs, curves: dict[str, list[Point]], colour: dict[str, str], headline: str, controls: tuple[str, ...]
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


def edit_card(inputs: Inputs, result: EditResult, index: int) -> dict[str, Any]:
    """The ``index``-th subcomponent of ``result``: what it is, why it was chosen, and what makes it fire."""
    name = result.edit.subcomponents[index]
    row, label = inputs.subcomponents[name], inputs.labels[name]
    order = domain_order(result, inputs)
    choice = next((c for c in result.selection.subcomponents if c.subcomponent == name), None)
    fitted: dict[int, list[float]] = {}
    for fit in (fit for fit in result.fits if fit["prefactors"]):
        fitted.setdefault(fit["budget"], []).append(fit["prefactors"][index])
    return {
        "name": name,
        "label": label["label"] or "no label",
        "labeller": label["labeller"],
        "score": None if label["score"] is None else f"{label['score']:.2f}",
        "reasoning": label["reasoning"] or "",
        "chosen": choice.reason if choice else "",
        "warning": choice.warning if choice else None,
        "facts": {
            f"tokens that need it (importance above {inputs.fires:g})": f"{100 * row['density']:.1f} %",
            "mean importance": f"{row['mean_importance']:.3f}",
            "mean activation where it fires": words.significant(row["mean_activation"] or math.nan),
            "norm ‖u‖ ‖v‖": words.significant(row["norm"]),
        },
        "importance": [(language_name(d), row[column] or 0.0) for d in order if (column := f"importance_{d}") in row],
        "prefactors": [
            (budget, *(words.prefactors((value,)) for value in (fmean(values), min(values), max(values))))
            for budget, values in sorted(fitted.items())
        ],
        "tables": [
            {"title": title, "unit": unit, "rows": [_token_row(entry) for entry in row[column] or []]}
            for column, (title, unit) in TOKEN_TABLES.items()
        ],
        "scores": scores_of(inputs, name),
        "together": together_of(inputs, name),
        "examples": [_example(window) for window in inputs.examples[name][:EXAMPLES]],
    }


def rollouts(result: EditResult, domains: list[str]) -> list[dict[str, Any]]:
    """Up to two prompts a domain, continued before and after the edit."""
    return [
        {
            "domain": language_name(domain),
            "target": domain == result.edit.target,
            "prompt": row["prompt"],
            "before": row["before"],
            "after": row["after"],
        }
        for domain in domains
        for row in [row for row in result.rollouts if row["domain"] == domain][:ROLLOUTS]
    ]


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


def cost(inputs: Inputs) -> dict[str, Any]:
    """A row a stage with its share of all seconds, and what an edit costs beside what is shared."""
    total = sum(spent.seconds for spent in inputs.cost.values())
    edits = sum(inputs.cost[stage].seconds for stage in EDIT_STAGES)
    fits = sum(len(result.fits) for result in inputs.edits.values())
    sharing = sum(isinstance(result.config, Chosen) for result in inputs.edits.values())
    return {
        "rows": [
            {
                "stage": stage,
                "seconds": words.duration(spent.seconds),
                "share": f"{100 * spent.seconds / total if total else 0.0:.1f}",
                "tokens": words.magnitude(spent.tokens),
                "flops": words.magnitude(spent.flops),
                "requests": words.magnitude(spent.requests),
                "usd": f"{spent.usd:,.2f}",
                "memory": words.gibibytes(spent.memory),
            }
            for stage, spent in inputs.cost.items()
        ],
        "total": words.duration(total),
        "tokens": words.magnitude(sum(spent.tokens for spent in inputs.cost.values())),
        "flops": words.magnitude(sum(spent.flops for spent in inputs.cost.values())),
        "requests": words.magnitude(sum(spent.requests for spent in inputs.cost.values())),
        "usd": f"{sum(spent.usd for spent in inputs.cost.values()):,.2f}",
        "memory": words.gibibytes(max(spent.memory for spent in inputs.cost.values())),
        "shared": words.duration(total - edits),
        "edits": words.duration(edits),
        "each": words.duration(edits / len(inputs.edits)),
        "count": words.plural(len(inputs.edits), "edit"),
        "fits": f"{fits:,}",
        "sharing": words.plural(sharing, "edit") if sharing else None,  # that use what was measured of candidates
    }


def _token_row(entry: TableRow) -> dict[str, str]:
    return {"token": spaces_shown(entry["token"]), "value": f"{entry['value']:.2f}", "count": f"{entry['count']:,}"}


def spaces_shown(token: str) -> str:
    """White space a reader could not see is written as ␣, ↵ and ⇥."""
    return token.replace(" ", "␣").replace("\n", "↵").replace("\t", "⇥") or "∅"


def _example(window: TableRow) -> dict[str, Any]:
    pieces = zip(window["tokens"], window["importance"], window["activation"], strict=True)
    return {
        "domain": language_name(window["domain"]),
        "pieces": [
            {
                "text": token.replace("\n", "↵"),
                "heat": f"{min(1.0, max(0.0, importance)):.2f}",
                "title": f"importance {importance:.2f}, activation {words.signed(activation)}",
                "fires": position == window["position"],
            }
            for position, (token, importance, activation) in enumerate(pieces)
        ],
    }

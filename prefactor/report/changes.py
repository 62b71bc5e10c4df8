"""Each edit as the page has it: its points on the frontier, what it chose and did to text, how to take it along."""

import json
import shlex
from statistics import fmean
from typing import Any

from prefactor.corpus.languages import language_name
from prefactor.report import words
from prefactor.report.chosen import chosen
from prefactor.report.components import Strings, six
from prefactor.report.frontier import Point
from prefactor.report.schemas import EditResult, Inputs, TableRow


def change(inputs: Inputs, result: EditResult, curve: list[Point], domains: list[str]) -> dict[str, Any]:
    """Everything on one edit that the page shows, in its words."""
    edit = result.edit
    return {
        "name": result.name,
        "method": edit.method,
        "what": words.describe(result),
        "target": edit.target,
        "budget": edit.report_budget,
        "roles": {row["domain"]: row["role"] for row in result.table},
        "points": [_point(inputs, result, point, domains) for point in curve],
        "subcomponents": _subcomponents(result),
        "candidates": _runners_up(result.selection.candidates),
        "choice": chosen(inputs, result, domains),
        "rollouts": [
            {"domain": row["domain"], "prompt": row["prompt"], "before": row["before"], "after": row["after"]}
            for domain in domains
            for row in result.rollouts
            if row["domain"] == domain
        ],
        "settings": json.dumps(result.config.model_dump(mode="json"), indent=1),
        "made_from": list(result.made_from.items()),
        "commands": _commands(result.name),
        "has_tokens": bool(result.tokens),
    }


def token_map(result: EditResult, strings: Strings) -> list[dict[str, Any]]:
    """The blocks of text that KL was measured on, token by token: of the report's budget and its first draw."""
    blocks: dict[tuple[str, int], list[TableRow]] = {}
    for row in result.tokens:
        blocks.setdefault((row["domain"], row["block"]), []).append(row)
    return [
        {
            "domain": domain,
            "tokens": [strings(row["token"]) for row in rows],
            **{name: [_thousandths(row[name]) for row in rows] for name in ("kl", "base_ce", "edited_ce")},
        }
        for (domain, _), unordered in blocks.items()
        for rows in [sorted(unordered, key=lambda row: row["position"])]
    ]


def _thousandths(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _commands(name: str) -> list[list[str]]:
    """(what it is for, a command line)."""
    word = shlex.quote(name)
    return [
        ["a PEFT adapter, which stock transformers and peft load", f"prefactor export {word} my-adapter"],
        ["a whole checkpoint with the edit in its weights", f"prefactor export {word} my-model --merged"],
        ["on top of the edits that a copy of the checkpoint has", f"prefactor apply {word} my-checkpoint"],
        ["what it did, at every budget", f"prefactor compare {word}"],
    ]


def _point(inputs: Inputs, result: EditResult, point: Point, domains: list[str]) -> dict[str, Any]:
    fitted = [fit for fit in result.fits if fit["budget"] == point.budget]
    prefactors = {fit["seed"]: words.prefactors(tuple(fit["prefactors"])) for fit in fitted}
    rows = [row for row in result.table if row["budget"] == point.budget]
    target = result.edit.target
    seeds = sorted({row["seed"] for row in rows})
    by = {(row["seed"], row["domain"]): row for row in rows}
    damage = {domain: point.damage[domain] for domain in domains if domain in point.damage}
    return {
        "budget": point.budget,
        "ce": f"{point.target_ce['mean']:.2f}",
        "gap": words.signed(point.target_ce_minus_chance["mean"]),
        "gap_bounds": words.bounds(point.target_ce_minus_chance),
        "unigram": words.signed(point.target_ce_minus_unigram["mean"]),
        "reached": point.reached,
        "damage": [
            [domain, words.signed(figure["mean"], 3), words.bounds(figure, 3), six(figure["mean"])]
            for domain, figure in damage.items()
        ],
        "draws": [
            {
                "seed": seed,
                "prefactors": prefactors.get(seed, ""),
                "ce": f"{by[seed, target]['edited_ce']:.2f}",
                "damage": [
                    words.signed(by[seed, domain]["damage"], 3) if (seed, domain) in by else "–" for domain in damage
                ],
            }
            for seed in seeds
        ],
    }


def _subcomponents(result: EditResult) -> list[dict[str, Any]]:
    """What the edit rescales: why each was chosen, and the prefactors that were found for it, by budget."""
    choices = {choice.subcomponent: choice for choice in result.selection.subcomponents}
    found = []
    for index, name in enumerate(result.edit.subcomponents):
        fitted: dict[int, list[float]] = {}
        for fit in (fit for fit in result.fits if fit["prefactors"]):
            fitted.setdefault(fit["budget"], []).append(fit["prefactors"][index])
        choice = choices.get(name)
        found.append({
            "name": name,
            "reason": choice.reason if choice else "",
            "warning": choice.warning if choice else None,
            "prefactors": [
                [budget, *(words.prefactors((value,)) for value in (fmean(values), min(values), max(values)))]
                for budget, values in sorted(fitted.items())
            ],
        })  # fmt: skip
    return found


def _runners_up(choices: tuple) -> list[dict[str, Any]]:
    return [choice.model_dump(include={"subcomponent", "label", "score", "reason"}) for choice in choices]


def domain_names(inputs: Inputs) -> dict[str, str]:
    """What each domain is called, of the corpus and of the edits."""
    codes = {row["domain"] for result in inputs.edits.values() for row in result.table} | set(inputs.target.base_ce)
    codes |= {window["domain"] for windows in inputs.examples.values() for window in windows}
    codes |= {inputs.located.target}
    for row in inputs.scores.values():
        codes |= {code for kind in ("predicted", "rising", "surprising") for code in row[kind] or []}
    return {code: language_name(code) for code in sorted(codes)}

"""What a run cost, stage by stage, and from how many edits on a decomposition is paid back.

Counted as ``benchmarks/bill.py`` counts: a fit is an edit stage's cost divided by its fits, which spreads the choice of
learning rate and length over them; what lists and measures candidates is charged once a shortlist.
"""

import json
from typing import Any

from prefactor.config.edits import Chosen, DirectionBaseline
from prefactor.config.locate import LOCATED
from prefactor.report import words
from prefactor.report.schemas import EDIT_STAGES, LIST_STAGES, Inputs, Spent, total

ONCE = ("decompose", "importance", "harvest", "effects", "label", "score")  # what every edit of subcomponents shares
UNITS = ("seconds", "flops")


def cost(inputs: Inputs) -> dict[str, Any]:
    """A row a stage with its share of all seconds, and what an edit costs beside what is shared."""
    spent = total(inputs.cost.values())
    edits = sum(inputs.cost[stage].seconds for stage in EDIT_STAGES)
    fits = sum(len(result.fits) for result in inputs.edits.values())
    sharing = sum(isinstance(result.config, Chosen) for result in inputs.edits.values())
    return {
        "rows": [
            {"stage": stage, "entries": _entries(inputs.costs[stage]), "share": _share(one, spent)} | _words(one)
            for stage, one in inputs.cost.items()
        ],
        "total": _words(spent),
        "shared": words.duration(spent.seconds - edits),
        "edits": words.duration(edits),
        "each": words.duration(edits / len(inputs.edits)),
        "count": words.plural(len(inputs.edits), "edit"),
        "fits": f"{fits:,}",
        "sharing": words.plural(sharing, "edit") if sharing else None,  # that use what was measured of candidates
        "made_with": _made_with(inputs),
    }


def break_even(inputs: Inputs, controls: tuple[str, ...]) -> dict[str, Any]:
    """What is spent once, and what one more edit of each kind costs; seconds and floating-point operations."""
    methods = []
    for name, result in inputs.edits.items():
        if name in controls:
            continue
        fit = inputs.costs["edit"][name]
        listed: list[Spent] = []
        chosen: list[Spent] = []
        if isinstance(result.config, Chosen):
            chosen = [inputs.costs["selection"][name]]
            listed = [inputs.costs[stage][result.config.shortlist] for stage in LIST_STAGES]
        if isinstance(result.config, DirectionBaseline) and result.config.matrix == LOCATED:
            listed = list(inputs.costs["locate"].values())
        methods.append({
            "name": name,
            "decomposed": isinstance(result.config, Chosen),
            "fits": len(result.fits),
            "fit": _units(fit, max(1, len(result.fits)), chosen),
            "listed": _units(total(listed), 1),
        })  # fmt: skip
    stages = [{"stage": stage, **_units(inputs.cost[stage], 1)} for stage in ONCE]
    return {"once": _units(total(inputs.cost[stage] for stage in ONCE), 1), "stages": stages, "methods": methods}


def _units(spent: Spent, parts: int, beside: list[Spent] | None = None) -> dict[str, float]:
    more = total(beside or [])
    return {unit: float(f"{getattr(spent, unit) / parts + getattr(more, unit):.6g}") for unit in UNITS}


def _share(spent: Spent, all_of_them: Spent) -> str:
    return f"{100 * spent.seconds / all_of_them.seconds if all_of_them.seconds else 0.0:.1f}"


def _words(spent: Spent) -> dict[str, str]:
    return {
        "seconds": words.duration(spent.seconds),
        "tokens": words.magnitude(spent.tokens),
        "flops": words.magnitude(spent.flops),
        "requests": words.magnitude(spent.requests),
        "usd": f"{spent.usd:,.2f}",
        "memory": words.gibibytes(spent.memory),
    }


def _entries(costs: dict[str, Spent]) -> list[list[str]]:
    """(an edit or shortlist, its time), the dearest first; none of a stage that has no such entries."""
    dearest = sorted(costs.items(), key=lambda item: -item[1].seconds)
    return [[name, words.duration(one.seconds)] for name, one in dearest if name]


def _made_with(inputs: Inputs) -> list[dict[str, Any]]:
    """The machines that stages ran on, each with its stages; more than one where some came from others' caches."""
    found: dict[str, dict[str, Any]] = {}
    for stage, entries in inputs.costs.items():
        for spent in entries.values():
            about = {name: spent.made_with.get(name) for name in ("system", "device", "python")}
            if any(about.values()):
                stages = found.setdefault(json.dumps(about, sort_keys=True), about | {"stages": []})["stages"]
                if stage not in stages:
                    stages.append(stage)
    return list(found.values())

"""The whole bill, and when it is paid back: ``python -m benchmarks.bill [--into FOLDER]``

From the cost ledgers of the last run (``data/*/cost.json``; nothing is run again). One edit is its selection, its
choice of learning rate and length, and one fit: an edit stage's cost divided by its fits, which spreads the choice over
them. Amortised is what an edit costs when N of them share the decomposition; the break-even is the N at which that is
no more than a rival's, where there is one. An edit that is chosen by ``rank: causal`` reads no model to be chosen: the
effects stage, which is shared, has. What such an edit costs is worked out from the same edit's fits.
"""

import argparse
from pathlib import Path

import pandas as pd

from benchmarks.common import KEPT
from benchmarks.edits_report import REACHED, RIVALS
from prefactor.config.edits import ByLabel, EditConfig, PrefactorEdit, is_fitted
from prefactor.config.params import section
from prefactor.evaluate.intervals import interval
from prefactor.files.artifacts import read_json
from stages.common import DATA

SHARED = ("decompose", "importance", "harvest", "effects", "label", "score")
LABELS = ("harvest", "label", "score")
CAUSAL = ", rank: causal"
UNITS = ("seconds", "flops", "tokens")
COUNTS = (1, 10, 100, 1000)


def each(name: str, choosing: bool = True) -> dict[str, float]:
    """What one edit of this kind costs by itself, with or without what it takes to choose."""
    selection, edit = (read_json(DATA / stage / name / "cost.json") for stage in ("selection", "edit"))
    fits = len(pd.read_parquet(DATA / "edit" / name / "fits.parquet", columns=["budget"]))
    return {unit: choosing * selection[unit] + edit[unit] / fits for unit in UNITS}


def tokens_to_chance(name: str, chance: float) -> int | None:
    """The least budget at which the target is within ``REACHED`` of chance, a mean over draws."""
    table = pd.read_parquet(DATA / "evaluate" / name.removesuffix(CAUSAL) / "table.parquet")
    own = table[table["role"] == "target"].groupby("budget")["edited_ce"]
    return next((int(n) for n, ces in own if interval(ces.tolist())["mean"] - chance >= -REACHED), None)  # type: ignore[arg-type]


def break_even(shared: float, own: float, rival: float) -> str:
    """The number of edits from which the shared cost is paid back; ``never`` where one edit costs no less."""
    return f"{shared / (rival - own):,.0f}" if own < rival else "never"


def _plainly(names: list[str], own: dict[str, dict[str, float]]) -> list[str]:
    """Where LoRA is cheaper, in words."""
    rivals = [rival for rival in RIVALS if rival in own]
    if not rivals:
        return []
    least = min(own[rival]["flops"] for rival in rivals)
    dearer = [name for name in names if name not in RIVALS and own[name]["flops"] > least and CAUSAL not in name]
    chosen = {name: read_json(DATA / "selection" / name / "cost.json")["flops"] for name in dearer}
    lines = [
        f"A LoRA (the cheaper of {', '.join(rivals)}) takes fewer FLOPs an edit than {', '.join(dearer) or 'none'}."
    ]
    for name in dearer:
        if chosen[name]:
            share, fit = chosen[name] / own[name]["flops"], own[name]["flops"] - chosen[name]
            lines.append(
                f"- {name}: {100 * share:.0f} % of an edit is measuring candidates; a fit alone takes "
                f"{fit / least:.2f} of a LoRA's FLOPs."
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=KEPT)
    into = parser.parse_args().into
    chance = read_json(DATA / "target" / "metrics.json")["chance"]
    stages = {stage: read_json(DATA / stage / "cost.json") for stage in ("corpus", "target", *SHARED)}
    shared = {unit: sum(stages[stage][unit] for stage in SHARED) for unit in UNITS}
    bare = {unit: shared[unit] - sum(stages[s][unit] for s in LABELS) for unit in UNITS}
    edits = section("edits", dict[str, EditConfig])
    names = [name for name in edits if (DATA / "edit" / name).is_dir()]
    own = {name: each(name) for name in names}
    for name in list(names):
        edit = edits[name]
        if isinstance(edit, PrefactorEdit) and isinstance(edit.choose, ByLabel) and is_fitted(edit):
            own[f"{name}{CAUSAL}"] = each(name, choosing=False)
            names.append(f"{name}{CAUSAL}")
    with_parts = (n for n in names if read_json(DATA / "edit" / n.removesuffix(CAUSAL) / "edit.json")["subcomponents"])
    built = set(with_parts)
    lines = ["# The bill", "", "| stage | seconds | FLOPs | tokens | USD |", "|---|---|---|---|---|"]
    lines += [
        f"| {stage} | {cost['seconds']:.0f} | {cost['flops']:.2e} | {cost['tokens']:,} | {cost.get('usd', 0):.2f} |"
        for stage, cost in stages.items()
    ]
    lines += ["", "| edit | target tokens to chance | seconds | FLOPs | tokens read | amortised FLOPs at "]
    lines[-1] += ", ".join(f"{n:,}" for n in COUNTS) + " edits |"
    lines.append("|---|---|---|---|---|---|")
    for name in names:
        needs = float(name in built)
        spread = ", ".join(f"{own[name]['flops'] + needs * shared['flops'] / n:.1e}" for n in COUNTS)
        cost = own[name]
        reached = tokens_to_chance(name, chance)
        lines.append(
            f"| {name} | {'–' if reached is None else reached} | {cost['seconds']:.1f} | {cost['flops']:.1e} | "
            f"{cost['tokens']:,.0f} | {spread} |"
        )
    lines += [
        "",
        f"Edits from which the decomposition is paid back, with labels / without ({', '.join(LABELS)} left out):",
    ]
    lines += ["", "| edit | rival | seconds | FLOPs |", "|---|---|---|---|"]
    for name in names:
        if name not in built:
            continue
        for rival in (r for r in RIVALS if r in own):
            cells = [
                " / ".join(break_even(what[unit], own[name][unit], own[rival][unit]) for what in (shared, bare))
                for unit in ("seconds", "flops")
            ]
            lines.append(f"| {name} | {rival} | {cells[0]} | {cells[1]} |")
    lines += ["", *_plainly(names, own)]
    into.mkdir(parents=True, exist_ok=True)
    (into / "bill.md").write_text("\n".join([*lines, ""]), encoding="utf-8")
    print(*lines, sep="\n")


if __name__ == "__main__":
    main()

"""The whole bill, and when it is paid back: ``python -m benchmarks.bill [--into FOLDER]``

From the cost ledgers of the last run (``data/*/cost.json``; nothing is run again). One edit is its selection, its
choice of learning rate and length, and one fit: an edit stage's cost divided by its fits, which spreads the choice over
them. What it took to list and measure the candidates of a shortlist (its singular control among them) is divided evenly
among the edits that were run on it: an edit is charged its share; *alone*, as the only edit of its shortlist, all of
it; *added* to a shortlist that is already measured, nothing. An edit that is chosen by ``rank: causal`` costs what an
added one does: it reads no model to be chosen; the effects stage, which is shared, has. Amortised is what an edit costs
when N of them share the decomposition; the break-even is the N at which that is no more than a rival's, where there is
one.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from benchmarks.common import KEPT, write_lines
from benchmarks.edits_report import REACHED, RIVALS
from prefactor.config.edits import AnyEdit, BaselineConfig, Chosen, DirectionBaseline, EditConfig, is_fitted, is_reached
from prefactor.config.locate import LOCATED
from prefactor.config.params import section
from prefactor.config.shortlists import ShortlistConfig
from prefactor.edits.made import fits_folder, read_edit
from prefactor.evaluate.intervals import interval
from prefactor.files.artifacts import part, read_json
from prefactor.selection.choice import read_selection
from stages.common import DATA

SHARED = ("decompose", "importance", "harvest", "effects", "label", "score")
LABELS = ("harvest", "label", "score")
LISTING = ("shortlist", "candidates")  # stages that the edits of one shortlist share
ADDED = ", added"
DIRECTION = "direction"  # the closed form, all neighbours named: a rival too
UNITS = ("seconds", "flops", "tokens")
COUNTS = (1, 10, 100, 1000)

Spent = Mapping[str, float]  # by unit


def total(costs: Sequence[Spent], share: float = 1.0) -> Spent:
    """The sum of ``costs``, or a share of it."""
    return {unit: share * sum(cost[unit] for cost in costs) for unit in UNITS}


def fitting(name: str, edit: AnyEdit) -> Spent:
    """What one fit of this edit costs, and what it takes to choose from candidates that are measured already."""
    fits = len(pd.read_parquet(fits_folder(DATA, name) / "fits.parquet", columns=["budget"]))
    costs = [total([read_json(DATA / "edit" / name / "cost.json")], 1 / fits)]
    if isinstance(edit, Chosen):
        costs.append(read_json(DATA / "selection" / name / "cost.json"))
    return total(costs)


def listing(shortlist: str) -> Spent:
    """What it takes to list the candidates of a shortlist and to measure them, once for all of its edits."""
    return total([read_json(DATA / stage / shortlist / "cost.json") for stage in LISTING])


def tokens_to_chance(name: str, chance: float) -> int | None:
    """The least budget at which the target is within ``REACHED`` of chance, a mean over draws."""
    table = pd.read_parquet(part(DATA / "evaluate" / name, "table"))
    own = table[table["role"] == "target"].groupby("budget")["edited_ce"]
    gaps = {int(budget): interval(losses.tolist())["mean"] - chance for budget, losses in own}  # type: ignore[arg-type]
    return next((budget for budget, gap in gaps.items() if gap >= -REACHED), None)


def chosen_with(name: str) -> int:
    """Tokens tagged as the target's that were read to choose what is changed and how it is trained."""
    folder, edit = DATA / "selection" / name, read_edit(DATA, name)
    chosen = sum(read_selection(folder).chosen_with.values()) if folder.is_dir() else 0
    return chosen + sum(edit.get("direction", {}).get("chosen_with", {}).values()) + edit["tuned_with"]


def break_even(shared: float, own: float, rival: float) -> str:
    """The number of edits from which the shared cost is paid back; ``never`` where one edit costs no less."""
    return f"{shared / (rival - own):,.0f}" if own < rival else "never"


class Bill:
    """The edits that were run, and what each costs."""

    def __init__(self) -> None:
        edits: dict[str, AnyEdit] = section("edits", dict[str, EditConfig]) | section(
            "baselines", dict[str, BaselineConfig]
        )
        self.edits = {name: edit for name, edit in edits.items() if fits_folder(DATA, name).is_dir()}
        shortlists = section("shortlists", dict[str, ShortlistConfig])
        self.users: dict[str, list[str]] = {}  # of each shortlist the edits that were run on it
        for name, edit in self.edits.items():
            if isinstance(edit, Chosen):
                self.users.setdefault(edit.shortlist, []).append(name)
        self.listed = {shortlist: listing(shortlist) for shortlist in self.users}
        self.fit = {name: fitting(name, edit) for name, edit in self.edits.items()}
        self.share = {name: self._listed(edit, shared=True) for name, edit in self.edits.items()}
        self.alone = {
            name: total([self.fit[name], self._listed(edit)])
            for name, edit in self.edits.items()
            if isinstance(edit, Chosen)
        }
        self.own = {name: total([self.fit[name], self.share[name]]) for name in self.edits}
        self.own |= {
            f"{name}{ADDED}": self.fit[name]
            for name, edit in self.edits.items()
            if isinstance(edit, Chosen)
            and shortlists[edit.shortlist].measured
            and (is_fitted(edit) or is_reached(edit))
        }
        self.built = [name for name in self.own if isinstance(self.edits[name.removesuffix(ADDED)], Chosen)]

    def _listed(self, edit: AnyEdit, shared: bool = False) -> Spent:
        """The cost of the shortlist of ``edit``, or its share of that; of a direction so of finding its matrix.

        Nothing for any other baseline.
        """
        if isinstance(edit, DirectionBaseline) and edit.matrix == LOCATED:
            found = [e for e in self.edits.values() if isinstance(e, DirectionBaseline) and e.matrix == LOCATED]
            return total([read_json(DATA / "locate" / "cost.json")], 1 / len(found) if shared else 1.0)
        if not isinstance(edit, Chosen):
            return total([])
        return total([self.listed[edit.shortlist]], 1 / len(self.users[edit.shortlist]) if shared else 1.0)


def stage_table(bill: Bill, stages: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A row a stage that all edits share, and a row a shortlist."""
    lines = ["| stage | seconds | FLOPs | tokens | USD |", "|---|---|---|---|---|"]
    lines += [
        f"| {stage} | {cost['seconds']:.0f} | {cost['flops']:.2e} | {cost['tokens']:,} | {cost.get('usd', 0):.2f} |"
        for stage, cost in stages.items()
    ]
    for shortlist, cost in bill.listed.items():
        users = len(bill.users[shortlist])
        what = f"candidates of {shortlist}, shared by {users} {'edit' if users == 1 else 'edits'}"
        lines.append(f"| {what} | {cost['seconds']:.0f} | {cost['flops']:.2e} | {cost['tokens']:,.0f} | 0.00 |")
    return lines


def edit_table(bill: Bill, shared: Spent, chance: float) -> list[str]:
    """A row an edit: what it costs with its share of the candidates, alone, added, and amortised."""
    lines = ["| edit | target tokens to chance | chosen with | seconds | FLOPs | tokens read | FLOPs, alone |"]
    lines[-1] += " amortised FLOPs at "
    lines[-1] += ", ".join(f"{count:,}" for count in COUNTS) + " edits |"
    lines.append("|---|---|---|---|---|---|---|---|")
    for name, cost in bill.own.items():
        edit, needs = name.removesuffix(ADDED), float(name in bill.built)
        spread = ", ".join(f"{cost['flops'] + needs * shared['flops'] / count:.1e}" for count in COUNTS)
        reached = tokens_to_chance(edit, chance)
        alone = f"{bill.alone[name]['flops']:.1e}" if name in bill.alone else "–"
        lines.append(
            f"| {name} | {'–' if reached is None else reached} | {chosen_with(edit):,} | "
            f"{cost['seconds']:.1f} | {cost['flops']:.1e} | "
            f"{cost['tokens']:,.0f} | {alone} | {spread} |"
        )
    return lines


def pay_back(bill: Bill, shared: Spent, bare: Spent) -> list[str]:
    """A row an edit and rival: from how many edits the decomposition is paid back, with labels and without."""
    lines = ["| edit | rival | seconds | FLOPs |", "|---|---|---|---|"]
    for name in bill.built:
        for rival in (rival for rival in (*RIVALS, DIRECTION) if rival in bill.own):
            cells = [
                " / ".join(
                    break_even(once[unit], bill.own[name][unit], bill.own[rival][unit]) for once in (shared, bare)
                )
                for unit in ("seconds", "flops")
            ]
            lines.append(f"| {name} | {rival} | {cells[0]} | {cells[1]} |")
    return lines


def at_equal_damage(bill: Bill, chance: float) -> list[str]:
    """Of each edit that gets there the least budget at which a rival does at no more than its worst neighbour's."""

    def ends(name: str) -> list[tuple[int, float, float]]:
        """(budget, target less chance, worst protected domain), means over draws, outside quotes."""
        table = pd.read_parquet(part(DATA / "evaluate" / name, "table"))
        found = []
        for budget, rows in table.groupby("budget"):
            gap = rows[rows["role"] == "target"]["edited_ce"].mean() - chance
            worst = rows[rows["role"] == "protected"].groupby("domain")["damage_own"].mean().max()
            found.append((int(budget), float(gap), float(worst)))  # type: ignore[arg-type]
        return found

    others = {name: ends(name) for name, edit in bill.edits.items() if not isinstance(edit, Chosen)}
    lines = [
        "| edit | target tokens fitted on | worst neighbour | rivals at chance for no more (tokens) |",
        "|---|---|---|---|",
    ]
    for name, edit in bill.edits.items():
        there = [end for end in ends(name) if end[1] >= 0]
        if not isinstance(edit, Chosen) or not there:
            continue
        budget, _, worst = there[0]
        equal = []
        for rival, own in others.items():
            least = [tokens for tokens, gap, other in own if gap >= 0 and other <= worst]
            equal += [f"{rival} ({least[0]})"] if least else []
        lines.append(f"| {name} | {budget} | {worst:+.3f} | {', '.join(equal) or 'none'} |")
    return lines


def plainly(bill: Bill) -> list[str]:
    """Where LoRA is cheaper, in words."""
    rivals = [rival for rival in RIVALS if rival in bill.own]
    if not rivals:
        return []
    least = min(bill.own[rival]["flops"] for rival in rivals)
    dearer = [name for name in bill.edits if name not in RIVALS and bill.own[name]["flops"] > least]
    lines = [
        f"A LoRA (the cheaper of {', '.join(rivals)}) takes fewer FLOPs an edit than {', '.join(dearer) or 'none'}."
    ]
    for name in dearer:
        if bill.share[name]["flops"]:
            part_of_it = bill.share[name]["flops"] / bill.own[name]["flops"]
            lines.append(
                f"- {name}: {100 * part_of_it:.0f} % of an edit is its share of measuring candidates; added to a "
                f"shortlist that is measured it takes {bill.fit[name]['flops'] / least:.2f} of a LoRA's FLOPs."
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=KEPT)
    into = parser.parse_args().into
    chance = read_json(DATA / "target" / "metrics.json")["chance"]
    stages = {stage: read_json(DATA / stage / "cost.json") for stage in ("corpus", "target", "locate", *SHARED)}
    shared = total([stages[stage] for stage in SHARED])
    bare = total([stages[stage] for stage in SHARED if stage not in LABELS])
    bill = Bill()
    lines = [
        "# The bill",
        "",
        *stage_table(bill, stages),
        "",
        "An edit is charged its share of the candidates that it was chosen from; *alone*, as the only edit of its "
        "shortlist, all of them; *added* to a shortlist that is already measured, or chosen by `rank: causal`, none. "
        "*Chosen with*: tokens tagged as the target's that were read to choose what it changes and how it is trained.",
        "",
        *edit_table(bill, shared, chance),
        "",
        f"Edits from which the decomposition is paid back, with labels / without ({', '.join(LABELS)} left out):",
        "",
        *pay_back(bill, shared, bare),
        "",
        *plainly(bill),
        "",
        "With the target at chance, at an edit's least budget: which rival costs its worst neighbour no more?",
        "",
        *at_equal_damage(bill, chance),
    ]
    write_lines(into, "bill.md", [*lines, ""])
    print(*lines, sep="\n")


if __name__ == "__main__":
    main()

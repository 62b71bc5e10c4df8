"""What a run will download and make, as a table, and whether a person has to agree first."""

import sys
from collections.abc import Iterable

import typer
from rich.table import Table

from flows.run.cores import cores
from flows.run.durations import Durations
from flows.supply.supply import Plan
from prefactor.cli.terminal import screen
from prefactor.errors import PrefactorError
from prefactor.machine.progress import clock
from prefactor.printable import visible

LONG = 120.0  # seconds of one stage from which a person is asked
LARGE = 10**9  # bytes to download, as well


def size(count: float) -> str:
    """Bytes in a unit that leaves at most three digits before the point."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def show(plan: Plan, durations: Durations) -> None:
    """Print what will be brought in, what will run and how long that takes by what it took before."""
    console = screen()
    if plan.local:
        console.print(f"from the cache of this machine: {len(plan.local)} outputs, {size(_bytes(plan.local))}")
    if plan.remote:
        console.print(f"to download: {len(plan.remote)} outputs, {size(plan.bytes)}")
    for output in plan.lost:
        console.print(f"in no cache and at no remote: {visible(output.path)}; {visible(output.stage)} makes it again")
    expected = plan.dag.expected
    if not expected:
        console.print(f"all {len(plan.dag.needs)} stages are up to date")
        return
    left = durations.left(expected, {}, cores())
    total = "a time not known" if left is None else f"about {clock(left)}"
    table = Table("stage", "takes about", title=f"{len(expected)} of {len(plan.dag.needs)} stages to run, {total}")
    for stage in expected:
        seconds = durations.expect(stage)
        table.add_row(visible(stage), "not known" if seconds is None else clock(seconds))
    console.print(table)


def dear(plan: Plan, durations: Durations) -> list[str]:
    """What of the plan a person is asked about: stages that take long, or nobody knows how long, and downloads."""
    reasons = []
    for stage in plan.dag.expected:
        seconds = durations.expect(stage)
        if seconds is None or seconds >= LONG:
            reasons.append(f"{stage} ({'not known' if seconds is None else clock(seconds)})")
    return [*reasons, *([f"a download of {size(plan.bytes)}"] if plan.bytes >= LARGE else [])]


def agree(plan: Plan, durations: Durations, yes: bool) -> None:
    """Ask before anything dear.

    Raises:
        PrefactorError: a person said no, or nobody can be asked.
    """
    reasons = dear(plan, durations)
    if not reasons or yes:
        return
    listed = ", ".join(map(visible, reasons))
    if not sys.stdin.isatty():
        raise PrefactorError(f"this is dear, and there is nobody to ask: {listed}: say --yes, or run it in a terminal")
    if not typer.confirm(f"dear: {listed}. Go on?"):
        raise PrefactorError("nothing was begun")


def _bytes(outputs: Iterable) -> int:
    return sum(output.size for output in outputs)

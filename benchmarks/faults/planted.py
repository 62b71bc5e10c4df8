"""What came of one fault, and of many."""

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.faults.project import HUNG, Project


@dataclass
class Planted:
    """One fault in one run, and how the project came out of it."""

    again: list[str] = field(default_factory=list)  # stages that were finished and were made again
    unrecorded: list[str] = field(default_factory=list)  # whose command had ended, and DVC had not yet recorded it
    redone: list[str] = field(default_factory=list)  # of those, the ones that were made again
    orphans: list[str] = field(default_factory=list)
    person: str = ""  # why a person had to do something; empty if nobody had
    wrong: str = ""  # how what was left differs from an undisturbed run's; empty if it does not
    seconds: float | None = None  # of the run that put things right; None where another fault disturbed it, too
    said: str = ""  # the last line of the disturbed run


@dataclass(frozen=True)
class Setting:
    """What every fault of one call shares."""

    unmade: Project  # of which only the gate has run
    made: Project  # with all made, and a remote that has it all
    folder: Path
    undisturbed: float  # seconds of a run from ``unmade`` that nothing disturbs
    begun: float  # seconds until its first stage begins


Fault = Callable[[Setting, random.Random, int], list[Planted]]


def alive(pid: int) -> bool:
    """Whether a child that nobody has waited for still runs."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def note(project: Project, before: Counter[str]) -> tuple[Planted, set[str], Counter[str]]:
    """What is finished at this moment, after a disturbed run, with how often each stage was made until now."""
    finished, made = project.finished(), project.made()
    ended = [stage for stage in made if made[stage] > before[stage] and stage not in finished]
    lines = lines_of(project.said())
    return Planted(unrecorded=ended, said=lines[-1] if lines else ""), finished, made


def recover(project: Project, expected: dict[str, object]) -> Planted:
    """Run once more, undisturbed; the planted fault's seconds, or why a person is needed, or what is wrong."""
    begin = time.monotonic()
    code, said = project.flow()
    seconds = time.monotonic() - begin
    lines = lines_of(said)
    last = lines[-1] if lines else ""
    found = Planted(seconds=seconds, said=last)
    if code == HUNG:
        found.person = f"it hung: {last}"
    elif code:
        found.person = f"exit code {code}: {last}"
    else:
        found.wrong = difference(project.result(), expected)
    return found


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def difference(found: dict[str, object], expected: dict[str, object]) -> str:
    other = [name for name in sorted({*found, *expected}) if found.get(name) != expected.get(name)]
    return ", ".join(other)


def settle(each: Planted, finished: set[str], then: Counter[str], now: Counter[str]) -> None:
    """Once all is right: what was made again of what was finished, and of what had only ended."""
    each.again = again(finished, then, now)
    each.redone = again(set(each.unrecorded), then, now)


def again(finished: set[str], then: Counter[str], now: Counter[str]) -> list[str]:
    """The finished stages whose command has ended once more since."""
    return sorted(stage for stage in finished if now[stage] > then[stage])


def costs(each: Planted) -> bool:
    """Whether anything was lost or left, or anybody needed."""
    return bool(each.again or each.redone or each.orphans or each.person or each.wrong)


def living(project: Project, *words: str) -> list[psutil.Process]:
    """Processes of the project whose command line has all these words."""
    found = []
    for process in project.processes():
        try:
            line = process.cmdline()
        except psutil.Error:
            continue
        if set(words) <= set(line):
            found.append(process)
    return found

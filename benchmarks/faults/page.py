"""``benchmarks/results/faults.md``: what each fault cost, from what calls of the benchmark have kept."""

from collections.abc import Mapping
from statistics import median
from typing import Any

from benchmarks.common import markdown
from benchmarks.faults.planted import Planted

WHAT = {
    "kill-command": "kill -9 of a stage's command",
    "kill-stage": "kill -9 of the process that reproduces a stage",
    "kill-flow": "kill -9 of the flow",
    "terminate": "SIGTERM to the flow",
    "interrupt": "Ctrl-C in the flow",
    "kill-server": "kill -9 of what answers at the address of Prefect's server",
    "stage-hangs": "a stage that hangs, with a time-out",
    "two-flows": "two runs begun at once, or one in the midst of the other",
    "two-stages": "two edits' stages at once",
    "full-disk": "no room left, on the project's disk or the cache's, from some moment on",
    "read-only-cache": "a cache that may only be read, from some moment on",
    "damage": "a file truncated, a bit flipped (size and time kept), or gone: in the work tree, cache or remote",
    "damage-read": "the same to what the run is about to read",
    "torn-lock": "half of DVC's list of readers and writers",
    "clock": "files hours to ten years in the future or past; a lock of then whose number another process has",
    "remote-refuses": "a remote that closes connections or answers 503, from some request on",
    "remote-hangs": "a remote that says nothing, or no more in the middle of a file",
    "remote-breaks-off": "a remote that ends connections in the middle of a file",
    "merge": "two clones add an edit each; merge, `prefactor resolve`, `prefactor repro`",
}
HEAD = """# Faults

Planted at random moments in runs of a small project: five stages of shell commands, real DVC, the real flow, one
Prefect server that stays. After each: does anything of the run still live 15 seconds later, was anything that was
finished made again, did the next run end well by itself, and are its bytes those of a run that nothing disturbed?

"""
FOOT = """
*Made again*: commands of stages that had been recorded. *Ended*: commands that had ended when the fault kept DVC from
recording them, and how many of those ran again. *Person*: the next run did not end well by itself, or the disturbed
one hung. *Seconds* are of the run that put things right, median and worst; of kills and signals four come in a row,
each run begun at once where the last was cut off, and the one after the fourth is measured; of damage that `verify
--heal` mends, of that. The last column is a run of all, undisturbed, on the same machine a few minutes before: two
cores, shared with five to eight other jobs (load 8 to 20), several of these rows made side by side. Damaged files
come four to a project (three for those about to be read), each counted as one.

Runs are forks of one process that has imported everything, so that a kill hits work and no import; stages' processes
are begun as always. The server's death is that of a gateway in front of one that stays.

27 November 2026, `python -m benchmarks.faults NAME ...`, several calls side by side (seed 0; seeds 7, 11 and 17 for
those that were added with `--more`), stopped when time was up: 20 of each were wanted, and the table says how many
there were. Code is the commit at a row's last planting. Calls begun before 14:03 ran on with the flow of 464955c or
before and, from then on, with stages' processes of the merge that came in between (ebfc74a).

The one kill -9 of the flow that needed a person: the next run was begun within a second, while a stage of the killed
one was still ending, and DVC called its outputs busy; the run after that was right. Since the merge a run tries such
a stage again (four more kills on that code: none).

In the first twelve of a remote that hangs, and in no others, nobody looked whether the run says that the remote lacks
what it has.

What it found, and what was mended: a stage's command outlived its process and kept the run waiting; a command that
had ended ran again where DVC could not record it (full disk, closed cache, a kill); `dvc.lock` was written over in
place; a closed cache was noticed after the first stage; locks were told by clocks; an HTTP remote that failed was
taken for one that lacks the object, so that a run would have made everything again; two edits copied from one did not
merge.
"""


def page(rows: Mapping[str, Any]) -> list[str]:
    """Its lines, from rows by fault: ``planted``, ``undisturbed`` seconds, ``when``, ``code``."""
    table = [_row(WHAT[name], rows[name]) for name in WHAT if name in rows]
    return [*HEAD.splitlines(), *markdown(table), *FOOT.splitlines()]


def _row(what: str, kept: Mapping[str, Any]) -> dict[str, str]:
    planted = [Planted(**each) for each in kept["planted"]]
    seconds = [each.seconds for each in planted if each.seconds is not None]
    return {
        "fault": what,
        "times": str(len(planted)),
        "made again": str(sum(len(each.again) for each in planted)),
        "ended, ran again": f"{sum(len(each.unrecorded) for each in planted)}, {sum(len(e.redone) for e in planted)}",
        "orphans": str(sum(len(each.orphans) for each in planted)),
        "person": str(sum(bool(each.person) for each in planted)),
        "other bytes": str(sum(bool(each.wrong) for each in planted)),
        "seconds": f"{median(seconds):.0f}, {max(seconds):.0f}" if seconds else "",
        "undisturbed": f"{kept['undisturbed']:.0f}",
        "code": f"{kept['code'].removesuffix('-dirty')}, {kept['when'][5:]}",
    }

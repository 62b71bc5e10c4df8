"""Many edits of one decomposition: ``python -m flows.sweep sweep.yaml [--runner dask] [--workers 2] [--keep NAME]``.

Each edit is made by the code of its stages, in a worker that stays for the next one; what was made is kept in
``.runs/sweeps/NAME``, and never made again under the same params, inputs and code. ``docs/sweeps.md`` says more.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from flows.around.command import settle
from flows.around.ending import ended
from flows.around.waiting import waiting
from flows.serving.prefect_import import imported
from prefactor.machine.streams import settle_streams


def run(file: Path, runner: str, workers: int | None, address: str | None) -> None:
    """Make every edit of ``file``.

    Raises:
        PrefactorError: it, or something around it, is wrong; nothing was begun.
        FlowError: something else to put right; or edits failed.
    """
    from flows.around.repository import alone, free_stale_locks

    settle()
    with alone():
        free_stale_locks()
        with waiting("Prefect is imported"):
            server, flow = imported("flows.serving.server", "flows.sweeps.flow")
        flow.check_asked(runner, workers, address)  # both before a server starts
        flow.read_points(file)
        with server.server():
            flow.sweep(file, runner, workers, address)


def keep_edit(file: Path, name: str) -> None:
    """Write the edit ``name`` of ``file`` into ``params.yaml``.

    Raises:
        PrefactorError: it cannot be written.
        FlowError: there is no such edit.
    """
    settle()
    (flow,) = imported("flows.sweeps.flow")
    from flows.sweeps.keep import keep

    config, _, found = flow.read_points(file)
    others = keep(config, found, name)
    print(f"params.yaml has the edit {name}: `make run` makes it")
    if others:
        print(f"prefactor: it was swept with {', '.join(others)}, which params.yaml says for all", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the sweep, or keep one of its edits; returns the exit code."""
    settle_streams()
    parser = argparse.ArgumentParser(prog="python -m flows.sweep", description="Make many edits of one decomposition.")
    parser.add_argument("file", type=Path, help="what is swept: sweep.yaml (docs/sweeps.md)")
    parser.add_argument("--runner", choices=("threads", "dask"), default="threads", help="whose workers make the edits")
    parser.add_argument("--workers", type=int, help="how many; as many as there are cores, if left out")
    parser.add_argument("--address", help="of a Dask scheduler with workers, such as tcp://10.0.0.1:8786")
    parser.add_argument("--keep", metavar="NAME", help="run nothing; write this edit of the sweep into params.yaml")
    words = parser.parse_args(argv)

    def call() -> None:
        if words.keep is not None:
            keep_edit(words.file, words.keep)
        else:
            run(words.file, words.runner, words.workers, words.address)

    return ended(call, "interrupted before any edit began")


if __name__ == "__main__":
    sys.exit(main())

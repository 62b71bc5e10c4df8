"""Run the whole pipeline: ``python -m flows.pipeline [--stage NAME ...]``. ``flows.serve`` runs it by a schedule.

What it finds around it is settled first (``surroundings``, ``repository``, ``server``), each before what needs it is
imported: Prefect and DVC look at the environment at that moment.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from flows.around.command import settle
from flows.around.ending import ended
from flows.around.waiting import waiting
from flows.serving.prefect_import import imported
from prefactor.machine.streams import settle_streams

if TYPE_CHECKING:
    from flows.supply.supply import Plan


def run(stages: Sequence[str], agreed: Callable[["Plan"], bool] | None = None) -> None:
    """Bring ``stages`` (all, if none is named) up to date, and print the headline.

    Args:
        agreed: asked with the ``Plan`` before anything is fetched or made; nothing is, if it says no.

    Raises:
        PrefactorError: params, or a variable ``PREFACTOR_*``, are wrong; nothing was begun.
        FlowError: something else to put right, a failed stage or an interruption.
    """
    from flows.around.repository import alone, check_cache, free_stale_locks
    from flows.page.headline import print_headline

    settle()
    with alone():
        free_stale_locks()
        with waiting("DVC looks for what has changed"):
            from flows.run.dag import check_code
            from flows.supply.supply import supply

            check_code()
        wanted = supply(stages, agreed)
        if wanted is None:
            return
        if wanted.dag.changed:
            check_cache()
            with waiting("Prefect is imported"):
                server, flow = imported("flows.serving.server", "flows.flow")
            with server.server():
                flow.pipeline(stages)
        else:
            print(f"all {len(wanted.dag.needs)} stages are up to date")
    print_headline()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the flow; returns the exit code."""
    settle_streams()
    parser = argparse.ArgumentParser(prog="python -m flows.pipeline", description="Run the whole pipeline.")
    parser.add_argument(
        "--stage", action="append", default=[], help="only this stage (edit, edit@NAME) and what it needs"
    )
    words = parser.parse_args(argv)
    return ended(lambda: run(words.stage), "interrupted before any stage began")


if __name__ == "__main__":
    sys.exit(main())

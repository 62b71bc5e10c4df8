"""Run or schedule the whole pipeline: ``python -m flows.pipeline [--stage NAME ...] [--serve CRON]``.

What it finds around it is settled first (``command``), before what needs it is imported: Prefect and DVC look at the
environment at that moment.
"""

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from flows.command import exit_code, import_prefect, settle
from flows.errors import FlowError
from flows.waiting import waiting
from prefactor.machine.streams import settle_streams


def run(stages: Sequence[str], cron: str | None) -> None:
    """Bring ``stages`` (all, if none is named) up to date, or do so by the line ``cron`` until stopped.

    Raises:
        PrefactorError: params, or a variable ``PREFACTOR_*``, are wrong; nothing was begun.
        FlowError: something else to put right, a failed stage or an interruption.
    """
    from flows.repository import alone, free_stale_locks

    settle()
    if cron:
        _serve(stages, cron)
        return
    with alone():
        free_stale_locks()
        with waiting("DVC looks for what has changed"):
            from flows.dag import check_code, read_dag

            check_code()
            dag = read_dag(stages)
        if not dag.changed:
            print(f"all {len(dag.needs)} stages are up to date")
            return
        with waiting("Prefect is imported"):
            server, pipeline = _prefect()
        with server.server():
            pipeline(stages)


def _serve(stages: Sequence[str], cron: str) -> None:
    server, pipeline = _prefect()
    url = server.PREFECT_API_URL.value()
    if not url:
        raise FlowError(
            "--serve: a schedule needs a Prefect server that stays: run `prefect server start`, "
            "and `prefect config set PREFECT_API_URL=http://127.0.0.1:4200/api`"
        )
    why = server.silence(url)
    if why:
        raise FlowError(f"--serve: {why}")
    pipeline.serve(name="prefactor", cron=cron, parameters={"stages": list(stages)})


def _prefect() -> tuple[ModuleType, Any]:
    server, flow = import_prefect("flows.server", "flows.flow")
    return server, flow.pipeline


def main(argv: Sequence[str] | None = None) -> int:
    """Run or schedule the flow; returns the exit code."""
    settle_streams()
    parser = argparse.ArgumentParser(prog="python -m flows.pipeline", description="Run the whole pipeline.")
    parser.add_argument(
        "--stage", action="append", default=[], help="only this stage (edit, edit@NAME) and what it needs"
    )
    parser.add_argument("--serve", metavar="CRON", help='stay and run on a schedule, such as "0 3 * * *"')
    words = parser.parse_args(argv)

    def call() -> None:
        run(words.stage, words.serve)
        if not words.serve:
            from flows.headline import print_headline

            print_headline()

    return exit_code(call, begun="stage")


if __name__ == "__main__":
    sys.exit(main())

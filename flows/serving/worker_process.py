"""A Prefect worker that ends with whoever starts it, and all its runs with it.

``python -m flows.serving.worker_process POOL``. A run's process is in the worker's group. The stages of a run have
groups of their own, which watch the run.
"""

import runpy
import sys

from flows.around.watch import watch_parent


def main(pool: str) -> None:
    watch_parent()
    sys.argv = ["prefect", "worker", "start", "--pool", pool, "--type", "process", "--name", f"{pool} worker"]
    runpy.run_module("prefect", run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])

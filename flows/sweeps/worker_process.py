"""A worker of this machine: ``python -m flows.sweeps.worker_process JOBS ANSWERS``, two file descriptors.

It reads a job a line, and answers with a line of JSON. It ends with whoever started it, however that ends.
"""

import json
import os
import sys
from typing import Any

from flows.around.errors import FlowError
from flows.around.watch import watch_parent
from flows.sweeps.job import Job
from prefactor.errors import PrefactorError
from prefactor.machine.streams import settle_streams
from prefactor.machine.trouble import trouble


def main(jobs: str, answers: str) -> None:
    watch_parent()
    settle_streams()
    from flows.sweeps.worker import make

    with os.fdopen(int(jobs), encoding="utf-8") as asked, os.fdopen(int(answers), "w", encoding="utf-8") as told:
        for line in asked:
            job = job_of(json.loads(line))
            try:
                answer = {"row": make(job)}
            except (FlowError, PrefactorError) as error:
                answer = {"error": str(error)}
            except Exception as error:  # of the system, above all: this worker can still make others
                answer = {"error": f"{job.name}: {trouble(error) or f'{type(error).__name__}: {error}'}"}
            told.write(json.dumps(answer) + "\n")
            told.flush()


def job_of(value: dict[str, Any]) -> Job:
    """The job that was sent as ``value``, of plain values."""
    needs = value.pop("needs")
    return Job(**value | {"stages": tuple(value["stages"]), "needs": needs and job_of(needs)})


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A worker of this machine: ``python -m flows.sweeps.worker_process JOBS ANSWERS``, two file descriptors.

It reads a job a line, and answers with a line of JSON. It ends with whoever started it, however that ends.
"""

import json
import os
import sys

from flows.errors import FlowError
from flows.sweeps.job import Job
from flows.watch import watch_parent
from prefactor.errors import PrefactorError
from prefactor.machine.streams import settle_streams


def main(jobs: str, answers: str) -> None:
    watch_parent()
    settle_streams()
    from flows.sweeps.worker import make

    with os.fdopen(int(jobs), encoding="utf-8") as asked, os.fdopen(int(answers), "w", encoding="utf-8") as told:
        for line in asked:
            try:
                answer = {"row": make(_job(json.loads(line)))}
            except (FlowError, PrefactorError) as error:
                answer = {"error": str(error)}
            told.write(json.dumps(answer) + "\n")
            told.flush()


def _job(value: dict) -> Job:
    needs = value.pop("needs")
    return Job(**value | {"stages": tuple(value["stages"]), "needs": needs and _job(needs)})


if __name__ == "__main__":
    main(*sys.argv[1:])

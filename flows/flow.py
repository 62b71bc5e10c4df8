"""The whole pipeline as a Prefect flow, one task a DVC stage.

DVC alone remembers what is up to date; Prefect plans, runs stages side by side, retries, schedules and shows. Plain
``dvc repro`` leaves the same files.
"""

from collections.abc import Sequence
from typing import Any, cast

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.around.repository import alone, check_files, free_stale_locks
from flows.page.on_failure import tell_failure
from flows.run.dag import check_code
from flows.run.reproduce import reproduce
from flows.supply.supply import supply
from stages.check import read_pipeline

# Threads wait for the stages upstream and hold no core meanwhile: how many stages run at once is Execution's to say.
THREADS = cast(Any, ThreadPoolTaskRunner(max_workers=256))


@flow(name="prefactor", task_runner=THREADS, persist_result=False, on_failure=[tell_failure])
def pipeline(stages: Sequence[str] = ()) -> None:
    """Check ``params.yaml``, then bring ``stages`` and what they need up to date.

    Args:
        stages: Stages to bring up to date (edit, edit@NAME); none: all.

    Raises:
        ParamsError: ``params.yaml`` is wrong; nothing was begun.
        FlowError: a stage failed, the run was interrupted, or another one works in this folder.
    """
    with alone():
        check_files()
        read_pipeline()
        free_stale_locks()
        check_code()
        wanted = supply(stages)
        assert wanted is not None  # nobody was asked
        reproduce(wanted.dag)

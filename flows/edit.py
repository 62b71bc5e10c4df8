"""One more edit, on demand, as a Prefect flow: chosen from the caches, added to ``params.yaml``, and made by the DAG.

What it is asked is a form on Prefect's page, and the same as ``prefactor edit --save`` takes.
"""

import json
import threading
from contextlib import nullcontext
from typing import Annotated, Any, cast

from prefect import Task, flow
from prefect.cache_policies import NO_CACHE
from pydantic import Field

from flows.around.errors import FlowError, Interrupted, StageFailed
from flows.around.repository import alone, check_files, free_stale_locks
from flows.flow import THREADS
from flows.page.on_failure import tell_failure
from flows.run import shared
from flows.run.accelerator import accelerators
from flows.run.dag import check_code, read_dag
from flows.run.group import Group
from flows.run.reproduce import reproduce, stopping
from flows.serving.server import own
from flows.supply.supply import supply
from prefactor.config.edits import Goal
from prefactor.config.names import LONGEST
from stages.check import read_pipeline

Name = Annotated[str, Field(pattern="^[a-z][a-z0-9-]*$", max_length=LONGEST)]
Nats = Annotated[float, Field(gt=0)]


@flow(name="edit", task_runner=THREADS, persist_result=False, on_failure=[tell_failure])
def edit(
    name: Name,
    remove: Annotated[str, Field(min_length=1)],
    tokens: Annotated[int, Field(ge=1)] | None = None,
    tolerance: Nats | None = None,
    reach: Nats | None = None,
    goal: Goal = "chance",
    retain: list[str] | None = None,
    component: list[str] | None = None,
    query: str | None = None,
    guarded: bool = False,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> None:
    """Choose, fit and measure an edit; add it to ``params.yaml``; bring its stages and the report up to date.

    All of it is checked against the folder's caches first; what is wrong leaves ``params.yaml`` as it was.

    Args:
        name: A new name: a-z, 0-9 and -, a letter first.
        remove: The domain to remove: its tag or its language (de, german).
        tokens: Target tokens to fit on; 4 if none of these three says how far it goes.
        tolerance: Fit on no token: go as far as this KL (nats) on text far from any use.
        reach: Fit on no token: go as far as the goal, at this KL (nats) of the retained domains.
        goal: chance; unigram (no better than word frequencies: of large vocabularies); or a uniform prediction.
        retain: Domains held in the loss; none: the one with most text besides the target.
        component: Subcomponents (module:index) to rescale; none: one is chosen by label.
        query: Which subcomponents come into question, as choose.query: words of the label, or comparisons.
        guarded: Guard the change by importance.
        seed: Of the target tokens' draw.

    Raises:
        ParamsError: ``params.yaml`` is wrong.
        FlowError: what was asked cannot be, what it would be chosen from is not up to date, or a stage failed.
    """
    asked = {
        "name": name, "remove": remove, "tokens": tokens, "tolerance": tolerance, "reach": reach, "goal": goal,
        "retain": retain, "component": component, "query": query, "guarded": guarded, "seed": seed,
    }  # fmt: skip
    with alone():
        check_files()
        read_pipeline()
        free_stale_locks()
        check_code()
        _check_caches()
        choice = Choice(name, asked)
        with stopping(choice):
            task = Task(
                choice.make, name="choose", task_run_name=f"choose {name}", persist_result=False,
                cache_policy=NO_CACHE, log_prints=None,
            )  # fmt: skip
            cast(Any, task).submit().wait()
        if choice.failure:
            raise choice.failure
        read_pipeline()
        check_code()
        wanted = supply(["report"])
        assert wanted is not None  # nobody was asked
        reproduce(wanted.dag)


class Choice:
    """The edit as it is chosen and saved, in a process that ends when this one does."""

    def __init__(self, name: str, asked: dict[str, Any]) -> None:
        self._name, self._asked = name, asked
        self._lock = threading.Lock()
        self._group: Group | None = None
        self._stopped = False
        self.failure: FlowError | None = Interrupted(f"edit {name} was not begun")

    def make(self) -> None:
        """Choose and save it, on the accelerator if there is one.

        Raises:
            StageFailed: it cannot be; ``params.yaml`` is as it was.
        """
        devices = accelerators()
        names = devices.names("edit")
        wait = shared.held(names, devices.room, lambda: self._stopped, print) if names and not own() else nullcontext()
        last = ""
        with wait:
            with self._lock:
                if self._stopped:
                    raise Interrupted("stopped")
                self._group = Group("flows.edit_process", json.dumps(self._asked))
            for line in self._group.lines():
                last = line.strip()
                print(line, flush=True)
            code = self._group.report()["code"]
        self.failure = StageFailed(f"choose {self._name}", code, last, "nothing was saved") if code else None
        if self.failure:
            raise self.failure

    def stop(self) -> None:
        """End it; returns when it is gone."""
        with self._lock:
            self._stopped = True
        if self._group:
            self._group.end()
            self._group.wait()


def _check_caches() -> None:
    """See that what edits are chosen from is as ``params.yaml`` and the code say.

    Raises:
        FlowError: a stage would make it anew.
    """
    stale = [stage for stage in read_dag().expected if "@" not in stage and stage != "report"]
    if stale:
        raise FlowError(
            f"{', '.join(stale)}: not up to date, and an edit would be chosen from what it no longer is: "
            "run the pipeline first (`make run`, or the deployment prefactor/nightly)"
        )

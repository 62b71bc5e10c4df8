"""A sweep as a Prefect flow: one task an edit, on the workers that are asked for."""

import time
import uuid
from pathlib import Path
from typing import Any

from prefect import Task, allow_failure, flow
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture, as_completed

from flows.around.errors import FlowError, Interrupted
from flows.around.repository import alone
from flows.run.dag import CHECK, GATES, check_code, read_dag
from flows.run.reproduce import stopping
from flows.sweeps.job import SWEEPS, TOKEN, Job, jobs
from flows.sweeps.points import Point, points
from flows.sweeps.reads import OF_EDIT
from flows.sweeps.runners import Kind, Runner, check_asked, started
from flows.sweeps.table import shown, worst, write_rows
from flows.sweeps.worker import keep_row, kept_row
from prefactor.cli.terminal import screen
from prefactor.config.params import read_params
from prefactor.config.sweep import SweepConfig, read_sweep
from prefactor.machine.progress import clock
from prefactor.machine.trouble import trouble
from prefactor.printable import visible
from stages.check import read_pipeline

Row = dict[str, Any]


@flow(name="sweep", persist_result=False)
def sweep(
    file: Path = Path("sweep.yaml"), runner: Kind = "threads", workers: int | None = None,
    address: str | None = None,
) -> None:  # fmt: skip
    """Make every edit that ``file`` describes, and tell which are the best.

    Args:
        file: what is swept, from the project's folder.
        runner: ``threads``: processes of this machine; ``dask``: Dask's workers, of this machine or at ``address``.
        workers: how many; as many as there are cores, if it is left out.
        address: of a Dask scheduler, such as ``tcp://10.0.0.1:8786``.

    Raises:
        PrefactorError: ``file`` or ``params.yaml`` is wrong; nothing was begun.
        FlowError: what all edits share is not up to date, or some could not be made: the others are in the table.
    """
    check_asked(runner, workers, address)
    with alone():
        read_pipeline()
        config, params, found = read_points(file)
        check_code()
        _check_up_to_date(config, found, params)
        folder = Path.cwd() / SWEEPS / config.name
        every = jobs(config.name, found, params, Path.cwd(), _token(folder))
        rows = {job.name: row for job in every if (row := kept_row(job, Path.cwd())) is not None}
        todo = [job for job in every if job.name not in rows]
        print(f"{len(every)} edits, {len(rows)} of them made before", flush=True)
        if todo:
            with started(runner, workers, address) as chosen, stopping(chosen):
                rows |= _make(todo, chosen)
        told = [rows[job.name] for job in every]
        write_rows(folder / "table.parquet", told)
        screen().print(shown(told))
        print(f"table: {folder / 'table.parquet'}", flush=True)
        if failed := [row for row in told if "error" in row]:
            raise EditsFailed(failed, len(told))


class EditsFailed(FlowError):
    """Some edits could not be made."""

    code = 1

    def __init__(self, failed: list[Row], of: int) -> None:
        lines = "; ".join(str(row["error"]) for row in failed[:3])
        more = f"; and {len(failed) - 3} more, in the table" if len(failed) > 3 else ""
        super().__init__(visible(f"{len(failed)} of {of} edits failed: {lines}{more}; run again to try them again"))


def read_points(file: Path) -> tuple[SweepConfig, dict[str, Any], list[Point]]:
    """The sweep of ``file``, ``params.yaml``, and the edits that they make.

    Raises:
        ParamsError: one of them is wrong.
    """
    config, params = read_sweep(file), read_params()
    return config, params, points(config, params, file)


def _check_up_to_date(config: SweepConfig, found: list[Point], params: dict[str, Any]) -> None:
    """What all edits read is as ``params.yaml`` and the code would make it.

    Raises:
        FlowError: some stage would make it anew.
    """
    own = [f"{stage}@{config.base}" for stage in OF_EDIT]
    listed = {f"candidates@{point.shortlist}" for point in found if point.shortlist in params["shortlists"]}
    dag = read_dag([*own, *sorted(listed)])
    if stale := [stage for stage in dag.expected if stage not in (*own, *GATES, CHECK)]:
        raise FlowError(
            f"{len(stale)} stages that the edits rest on are not up to date here, {stale[0]} first: "
            f"bring edit@{config.base} up to date (`prefactor repro edit@{config.base}`)"
        )


def _token(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    token = uuid.uuid4().hex
    (folder / TOKEN).write_text(token, encoding="utf-8")
    return token


def _make(todo: list[Job], chosen: Runner) -> dict[str, Row]:
    """A row for each job: what came of it, or what was wrong."""
    rows: dict[str, Row] = {}
    begin = time.monotonic()

    with chosen.tasks as tasks:
        lists: dict[str, PrefectFuture[Row]] = {}
        for job in todo:
            if job.needs is not None and job.needs.name not in lists:
                lists[job.needs.name] = tasks.submit(_task(job.needs, chosen), {"job": job.needs})
        futures = {}
        for job in todo:
            # A shortlist that fails fails again, with the reason, in each edit that needs it.
            needs: Any = [allow_failure(lists[job.needs.name])] if job.needs else None
            futures[tasks.submit(_task(job, chosen), {"job": job}, wait_for=needs)] = job
        for future in as_completed(list(futures)):
            job = futures[future]
            row = rows[job.name] = _row(job, future)
            seconds = clock(time.monotonic() - begin)
            print(visible(f"[{seconds:>6}] {len(rows)} of {len(todo)}: {_told(row)}"), flush=True)
    return rows


def _task(job: Job, chosen: Runner) -> Task[Any, Row]:
    return Task(chosen.make, name=job.stages[-1], task_run_name=job.name, persist_result=False, cache_policy=NO_CACHE)


def _row(job: Job, future: PrefectFuture[Row]) -> Row:
    try:
        row = future.result()
    except Interrupted:
        raise
    except Exception as error:  # a worker's, Dask's own or Prefect's: the other edits go on
        said = str(error) if isinstance(error, FlowError) else trouble(error) or f"{type(error).__name__}: {error}"
        said = " ".join(said.split())
        return {"edit": job.name, "values": job.values, "error": said if job.name in said else f"{job.name}: {said}"}
    if kept_row(job, Path(job.root)) is None:  # of a worker elsewhere
        keep_row(job, Path(job.root), row)
    return row


def _told(row: Row) -> str:
    if "error" in row:
        return f"failed: {row['error']}"
    return f"{row['edit']}: {row['minus_chance']:+.2f} of chance, worst {worst(row):.3f}, {row['seconds']:.1f} s"

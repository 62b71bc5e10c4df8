"""Runs that a server remembers and nobody works at: those of a service that was killed, and those that it missed."""

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter, WorkPoolFilterName
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Cancelled, Crashed
from prefect.types._datetime import now

BEGUN = (StateType.RUNNING, StateType.PENDING, StateType.CANCELLING)


def settle_runs(client: SyncPrefectClient, pool: str) -> int:
    """Give every run of ``pool`` that was begun an end, as its process is gone; returns how many there were.

    Else it would hold the pool's only place for ever. Of the runs that a schedule has asked for in the meantime, the
    last one of each deployment stays; what it does is done once.
    """
    begun = _runs(client, pool, *BEGUN)
    for run in begun:
        assert run.state is not None
        if run.state.is_cancelling():
            state = Cancelled(message="its process was gone when the service started again")
        else:
            state = Crashed(message="its process was gone when the service started again")
        client.set_flow_run_state(run.id, state, force=True)
    seen = set()
    for run in _runs(client, pool, StateType.SCHEDULED):  # the latest first
        start = run.expected_start_time
        if not run.auto_scheduled or start is None or start > now("UTC"):
            continue
        if run.deployment_id in seen:
            client.set_flow_run_state(run.id, Cancelled(message="a later run does the same"), force=True)
        seen.add(run.deployment_id)
    return len(begun)


def _runs(client: SyncPrefectClient, pool: str, *types: StateType) -> list[FlowRun]:
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter.model_validate({"state": {"type": {"any_": list(types)}}}),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
    )

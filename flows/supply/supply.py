"""What a run reads and the work tree lacks: fetched from the nearest place that has it whole, else made anew.

``dvc repro`` makes a stage again whose output is gone, and copies a damaged object of its cache into place without a
word. Here an output that is not as ``dvc.lock`` has it comes from the local cache, if the object there is what its name
says, else from the remote; only what is nowhere is made again, and only where something needs it.
"""

import os
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dvc.repo import Repo, lock_repo

from flows.recorded.integrity import whole_in_cache
from flows.recorded.outputs import Recorded, State
from flows.run.dag import Dag, read_dag
from flows.supply import transfer
from flows.supply.damage import hidden, remove

RESULTS = ("report",)  # what a run is for: there when it ends, whether or not it had to be made


@dataclass(frozen=True)
class Plan:
    """What a run will do: the stages of ``dag.expected``, after it has brought in ``local`` and ``remote``."""

    dag: Dag
    local: tuple[Recorded, ...]  # from the cache of this machine, whether or not something reads it
    remote: tuple[Recorded, ...]  # needed, and only there
    lost: tuple[Recorded, ...]  # nowhere, and needed: their stages are among the expected

    @property
    def bytes(self) -> int:
        """To be downloaded, at most: what of a folder is in the cache already is not known beforehand."""
        return sum(output.size for output in self.remote)


def supply(targets: Collection[str] = (), agreed: Callable[[Plan], bool] | None = None) -> Plan | None:
    """Plan a run and bring in what it reads; where that is damaged at the remote, plan again without it.

    Args:
        targets: stages to bring up to date, with what they need; all, if none is named.
        agreed: asked with each plan before anything is fetched.

    Returns:
        What is left to do, or None if it was not agreed to.

    Raises:
        FlowError: a target is no stage, or the remote does not answer.
    """
    damaged: set[str] = set()
    said: Plan | None = None
    while True:
        wanted = plan(targets, damaged)
        idle = not (wanted.local or wanted.remote)
        if said and idle and wanted.dag.expected == said.dag.expected:
            return wanted  # what came in has changed nothing
        if agreed and not agreed(wanted):
            return None
        damaged |= obtain(wanted)
        if idle:
            return wanted
        said = wanted


def plan(targets: Collection[str] = (), damaged: Collection[str] = ()) -> Plan:
    """Look at the work tree, the cache and, where something needed is in neither, the remote.

    Args:
        targets: as above.
        damaged: outputs that the remote does not have whole, though it says so.

    Raises:
        FlowError: a target is no stage, or the remote does not answer.
    """
    dag = _looked_through(read_dag(targets))
    results = [stage for stage in dag.needs if {stage, stage.split("@")[0]} & set(targets or RESULTS)]
    lost: dict[str, Recorded] = {}
    while True:
        expected = set(dag.expected)
        absent = [output for output in dag.absent if output.stage not in expected]
        local, remote, nowhere = place(absent, [o for o in absent if _is_needed(o, dag, results)], damaged)
        if not nowhere:
            return Plan(dag, local, remote, tuple(lost.values()))
        lost |= {output.path: output for output in nowhere}
        dag = replace(dag, changed=dag.changed | {output.stage for output in nowhere})


def _looked_through(dag: Dag) -> Dag:
    """With the damage among what will be read that DVC does not see: it left a file's size and time as they were."""
    expected = set(dag.expected)
    read = {o.path for o in dag.outputs if o.state is State.HERE and o.stage not in expected and _is_read(o, dag)}
    bad = hidden(read)
    return replace(dag, outputs=tuple(replace(o, state=State.DAMAGED) if o.path in bad else o for o in dag.outputs))


def place(
    absent: Sequence[Recorded], needed: Sequence[Recorded] | None = None, damaged: Collection[str] = ()
) -> tuple[tuple[Recorded, ...], tuple[Recorded, ...], tuple[Recorded, ...]]:
    """Where outputs are: in the cache, at the remote only, nowhere; of the last two only what is needed.

    Raises:
        RemoteError: the remote had to be asked, and does not answer.
    """
    with Repo(".", _wait_for_lock=True) as repo:
        cached = {output.oid for output in absent if whole_in_cache(repo, output.oid)}
    local = tuple(output for output in absent if output.oid in cached)
    afar = [output for output in (absent if needed is None else needed) if output.oid not in cached]
    held = transfer.look([output.oid for output in afar]) if transfer.default_remote() else {}
    remote = tuple(output for output in afar if held.get(output.oid) and output.path not in damaged)
    return local, remote, tuple(output for output in afar if output not in remote)


def obtain(wanted: Plan) -> set[str]:
    """Bring in what the plan says, in place of whatever stands there; returns what is damaged at the remote.

    Raises:
        RemoteError: not all of it came; what did is kept.
    """
    for output in wanted.lost:
        print(
            f"prefactor: {output.path} is in no cache and at no remote: {output.stage} makes it again", file=sys.stderr
        )
    for output in (*wanted.local, *wanted.remote):
        if output.state is State.DAMAGED:
            origin = "cache" if output in wanted.local else "remote"
            print(f"prefactor: {output.path} is not what its stage made: taken from the {origin}", file=sys.stderr)
    damaged = set(transfer.fetch([output.path for output in wanted.remote]))
    for path in sorted(damaged):
        remedy = "who has it whole: `prefactor verify --remote --heal`"
        print(f"prefactor: {path} is damaged at the remote ({remedy})", file=sys.stderr)
    paths = {output.path for output in (*wanted.local, *wanted.remote)} - damaged
    if paths:
        with Repo(".", _wait_for_lock=True) as repo, lock_repo(repo):
            for out in (out for stage in repo.index.stages for out in stage.outs if str(out) in paths):
                remove(Path(str(out)))  # else DVC, which knows it by size and time, may leave it as it is
                out.checkout(force=True)
    return damaged


def _is_needed(output: Recorded, dag: Dag, results: Collection[str]) -> bool:
    return output.state is State.DAMAGED or output.stage in results or _is_read(output, dag)


def _is_read(output: Recorded, dag: Dag) -> bool:
    reads = {path for stage in dag.expected for path in dag.reads[stage]}
    return any(_overlap(path, output.path) for path in reads)


def _overlap(one: str, other: str) -> bool:
    return Path(os.path.commonpath([one, other])) in (Path(one), Path(other))

"""The DAG as DVC has it: which stages there are, who waits for whom, and what has changed since it last ran."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import networkx as nx
from dvc.repo import Repo

from flows.around.errors import FlowError, StageFailed
from flows.recorded.outputs import Recorded, State, differs, recorded
from flows.run.group import Group

CHECK = "check"  # the stage that hashes every other's code
GATES = (CHECK, "text")  # stages that only check: once the former ran, nothing reruns because of them


@dataclass(frozen=True)
class Dag:
    """Stages by address (``corpus``, ``edit@scalar``)."""

    needs: dict[str, tuple[str, ...]]  # stage -> the stages it waits for; in an order that respects them
    changed: frozenset[str]  # stages that would run even if every recorded output were in its place
    outputs: tuple[Recorded, ...] = ()
    reads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # stage -> paths that it reads

    @property
    def absent(self) -> tuple[Recorded, ...]:
        """Outputs that are not in the work tree as they were recorded."""
        return tuple(output for output in self.outputs if output.state is not State.HERE)

    @property
    def expected(self) -> tuple[str, ...]:
        """The stages that will presumably run: the changed ones, and all that wait for one that makes something."""
        running: set[str] = set()
        for stage, needs in self.needs.items():
            if stage in self.changed or any(need in running and need not in GATES for need in needs):
                running.add(stage)
        return tuple(stage for stage in self.needs if stage in running)


def read_dag(targets: Collection[str] = ()) -> Dag:
    """Read ``dvc.yaml`` and compare the work tree with ``dvc.lock``; ``targets`` limits it to them and their needs.

    The check of the code must be up to date (:func:`check_code`), so that what has changed is known.

    Raises:
        FlowError: a target is no stage.
    """
    with Repo(".", _wait_for_lock=True) as repo:
        graph = nx.relabel_nodes(repo.index.graph, {stage: stage.addressing for stage in repo.index.stages})
        if targets:
            graph = graph.subgraph(_with_needs(graph, targets))
        stages = {stage.addressing: stage for stage in repo.index.stages}
        place = {name: number for number, name in enumerate(stages)}  # as in dvc.yaml
        # DVC's edges point at what is needed; walked backwards, a stage comes after its needs.
        order = list(nx.lexicographical_topological_sort(graph.reverse(), key=place.__getitem__))
        made = {str(out): out for stage in stages.values() for out in stage.outs}
        reasons = repo.status()
        changed = {name for name, stage in stages.items() if differs(stage, reasons.get(name, []), made)}
        wanted = {name: stages[name] for name in order}
        reads = {name: tuple(str(dep) for dep in stage.deps) for name, stage in wanted.items()}
        outputs = recorded(wanted)
    needs = {stage: tuple(sorted(graph.successors(stage))) for stage in order}
    return Dag(needs, frozenset(changed).intersection(order), outputs, reads)


def check_code() -> None:
    """Bring the stage ``check`` up to date, where it is not: after it DVC knows which stages' code changed.

    Raises:
        StageFailed: it ended badly.
    """
    with Repo(".", _wait_for_lock=True) as repo:
        if not repo.status(targets=[CHECK]):
            return
    group = Group("flows.run.stage_process", CHECK)
    lines = list(group.lines())
    if group.report()["code"]:
        said = next((line for line in lines if line.startswith("prefactor: error: ")), lines[-1] if lines else "")
        raise StageFailed(CHECK, 2, said)


def _with_needs(graph: nx.DiGraph, targets: Collection[str]) -> set[str]:
    stages: set[str] = set()
    for target in targets:
        named = {stage for stage in graph if stage == target or stage.split("@")[0] == target}
        if not named:
            raise FlowError(f"--stage {target}: no such stage; name some of {', '.join(sorted(graph))}")
        for stage in named:
            stages |= {stage} | nx.descendants(graph, stage)
    return stages

"""Outputs that are not as ``dvc.lock`` has them, and stages that would have to run even if they were."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dvc.dependency import Dependency
from dvc.output import Output
from dvc.stage import Stage

DELETED, MODIFIED, UNCACHED = "deleted", "modified", "not in cache"


class State(StrEnum):
    """How the work tree has an output, by what DVC knows of its files: their size and time."""

    HERE = "here"
    GONE = "gone"
    DAMAGED = "damaged"  # something else is in its place


@dataclass(frozen=True)
class Recorded:
    """An output that ``dvc.lock`` knows."""

    stage: str
    path: str
    oid: str  # DVC's name of its content
    size: int  # bytes
    state: State


def recorded(stages: Mapping[str, Stage]) -> tuple[Recorded, ...]:
    """The recorded outputs of these stages, by address."""
    return tuple(
        Recorded(name, str(out), oid_of(out), bytes_of(out), _state(out))
        for name, stage in stages.items()
        for out in stage.outs
        if oid_of(out)
    )


def _state(out: Output) -> State:
    if not out.exists:
        return State.GONE
    return State.DAMAGED if out.workspace_status() else State.HERE


def oid_of(out: Output) -> str:
    """DVC's name of the content that was recorded; empty where nothing was."""
    return str((out.hash_info and out.hash_info.value) or "")


def bytes_of(out: Output) -> int:
    """What ``dvc.lock`` says of its size."""
    return (out.meta and out.meta.size) or 0


def differs(stage: Stage, reasons: list[Any], made: Mapping[str, Output]) -> bool:
    """Whether a stage would have to run if every recorded output were in its place.

    Args:
        reasons: of ``Repo.status``.
        made: every output of the DAG by its path.
    """
    deps = {dep.def_path: dep for dep in stage.deps}
    reads = {path: _outs_of(path, made) for path in deps}
    # Of a folder of many outputs DVC sees those that are there, and may take them for all.
    if any(len(outs) > 1 and _lacks(outs) and not _same(deps[path], outs) for path, outs in reads.items()):
        return True
    for reason in reasons:
        if not isinstance(reason, dict):
            return True  # another command
        if any(how not in (DELETED, MODIFIED, UNCACHED) for how in reason.get("changed outs", {}).values()):
            return True  # never recorded
        for path, how in reason.get("changed deps", {}).items():
            if how not in (DELETED, MODIFIED) or not _lacks(reads.get(path, [])) or not _same(deps[path], reads[path]):
                return True  # params, a source, or an output that is as recorded, and not as it was read
    return False


def _outs_of(path: str, made: Mapping[str, Output]) -> list[Output]:
    return [made[path]] if path in made else [out for name, out in made.items() if name.startswith(f"{path}/")]


def _lacks(outs: list[Output]) -> bool:
    return any(out.workspace_status() for out in outs)


def _same(dep: Dependency, made: list[Output]) -> bool:
    """Whether the recorded outputs are what was read. Of a folder of many only their number and bytes can be told as
    long as one is not there; once all are, DVC compares what is in them.
    """
    if len(made) == 1 and made[0].def_path == dep.def_path:
        return dep.hash_info == made[0].hash_info
    files = sum((out.meta and out.meta.nfiles) or 1 for out in made)
    return dep.meta is not None and (dep.meta.nfiles, dep.meta.size) == (files, sum(map(bytes_of, made)))

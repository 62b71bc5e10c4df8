"""Outputs that are not as ``dvc.lock`` has them, and stages that would have to run even if they were."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dvc.dependency import Dependency
from dvc.output import Output
from dvc.stage import Stage

DELETED, MODIFIED, UNCACHED = "deleted", "modified", "not in cache"


@dataclass(frozen=True)
class Absent:
    """An output that was recorded and is not there, or is another than was recorded."""

    stage: str
    path: str
    oid: str  # DVC's name of its content
    size: int  # bytes
    damaged: bool  # something else is in its place


def absent(stages: Mapping[str, Stage]) -> tuple[Absent, ...]:
    """What of the recorded outputs of these stages, by address, is not in the work tree as recorded."""
    return tuple(
        Absent(name, str(out), out.hash_info.value, bytes_of(out), damaged=out.exists)
        for name, stage in stages.items()
        for out in stage.outs
        if out.hash_info and out.hash_info.value and out.workspace_status()
    )


def bytes_of(out: Output) -> int:
    """What ``dvc.lock`` says of its size."""
    return (out.meta and out.meta.size) or 0


def differs(stage: Stage, reasons: list[Any], recorded: Mapping[str, Output]) -> bool:
    """Whether a stage would have to run if every recorded output were in its place.

    Args:
        reasons: of ``Repo.status``.
        recorded: every output of the DAG by its path.
    """
    deps = {dep.def_path: dep for dep in stage.deps}
    for reason in reasons:
        if not isinstance(reason, dict):
            return True  # another command
        if any(how not in (DELETED, MODIFIED, UNCACHED) for how in reason.get("changed outs", {}).values()):
            return True  # never recorded
        for path, how in reason.get("changed deps", {}).items():
            made = [recorded[path]] if path in recorded else _within(path, recorded)
            if path not in deps or not made or not any(out.workspace_status() for out in made):
                return True  # params, a source, or an output that is as recorded, and not as it was read
            if how not in (DELETED, MODIFIED) or not _same(deps[path], made):
                return True
    return False


def _within(folder: str, recorded: Mapping[str, Output]) -> list[Output]:
    return [out for path, out in recorded.items() if path.startswith(f"{folder}/")]


def _same(dep: Dependency, made: list[Output]) -> bool:
    """Whether the recorded outputs are what was read. Of a folder of many only their number and bytes can be told as
    long as one is not there; once all are, DVC compares what is in them.
    """
    if len(made) == 1 and made[0].def_path == dep.def_path:
        return dep.hash_info == made[0].hash_info
    files = sum((out.meta and out.meta.nfiles) or 1 for out in made)
    return dep.meta is not None and (dep.meta.nfiles, dep.meta.size) == (files, sum(map(bytes_of, made)))

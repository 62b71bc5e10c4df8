"""What a worker is told: the stages of one edit, or of one shortlist, and all that decides their bytes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.sweeps.points import Point
from flows.sweeps.reads import OF_EDIT, OF_SHORTLIST, code, entries, hashes, params_read, paths_read

SWEEPS = Path(".runs/sweeps")  # of a workspace: known to neither git nor DVC
TOKEN = "token"  # in a sweep's folder: who finds the same word there sees the same folder
ROW = "row.json"  # in an entry's folder, once it is made


@dataclass(frozen=True)
class Job:
    """Plain values, to be sent to a worker anywhere."""

    sweep: str
    name: str  # of an edit or a shortlist
    stages: tuple[str, ...]  # of that entry, in their order
    params: dict[str, Any]  # all of params.yaml
    values: dict[str, Any]  # by key, what was swept
    inputs: dict[str, str]  # by path from the workspace, a hash
    code: dict[str, str]  # by stage, a hash
    root: str  # the folder of who asks
    token: str  # what TOKEN holds there
    needs: "Job | None" = None  # the shortlist, where the sweep makes it

    @property
    def folder(self) -> Path:
        """From the workspace: where this is made."""
        return SWEEPS / self.sweep / ("edits" if self.stages == OF_EDIT else "shortlists") / self.name

    @property
    def key(self) -> str:
        """A hash of all that decides what is made: nothing is made again under the same key."""
        read = params_read(entries(self.stages, self.name, self.params), self.params)
        parts = [self.name, self.stages, read, self.inputs, self.code, self.needs and self.needs.key]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def jobs(sweep: str, points: list[Point], before: Mapping[str, Any], root: Path, token: str) -> list[Job]:
    """A job for each of ``points``; ``before`` is ``params.yaml`` without them.

    A shortlist of ``params.yaml`` is taken as it lies in ``data``, unless the sweep measures candidates otherwise.
    """
    known: dict[str, str] = {}  # hashes, each read once

    def hashed(paths: list[str]) -> dict[str, str]:
        known.update(hashes([path for path in paths if path not in known], root))
        return {path: known[path] for path in paths}

    def job(name: str, stages: tuple[str, ...], point: Point, needs: Job | None) -> Job:
        read = paths_read(entries(stages, name, point.params), root / "dvc.yaml")
        own = [f"data/{stage}/{needs.name}/" for stage in needs.stages] if needs else []
        inputs = hashed([path for path in read if not path.startswith(tuple(own))])
        return Job(sweep, name, stages, point.params, point.values, inputs, code(stages), str(root), token, needs)

    shortlists: dict[str, Job] = {}
    for point in points:
        listed = point.shortlist
        if listed not in before["shortlists"] or point.params["candidates"] != before["candidates"]:
            shortlists.setdefault(listed, job(listed, OF_SHORTLIST, point, None))
    return [job(point.name, OF_EDIT, point, shortlists.get(point.shortlist)) for point in points]

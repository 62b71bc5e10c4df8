"""A command that has ended, and whose outputs DVC has not recorded: it would run again, and decomposing takes hours.

Between the two DVC hashes and copies the outputs, and may be killed over it, or find the disk full or the cache closed.
So the end of a command is noted, with what it was made from and what it made, and the next run records what still is
as it was then.
"""

import json
import sys
from pathlib import Path
from typing import Any

from dvc.repo import Repo, lock_repo
from dvc.stage import Stage

from flows.recorded.integrity import name_of

NOTES = Path(".runs/ended")
ROOM = 16_384  # bytes of a note, taken before the command begins: when it has ended there may be none


def reserve(stage: Stage) -> None:
    """Before the command: forget an older end, and take the room of a note."""
    note = _note(stage.addressing)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_bytes(b" " * ROOM)


def note(stage: Stage) -> None:
    """After the command, which ended well, and whose dependencies DVC has hashed before it."""
    text = json.dumps({"cmd": stage.cmd, "deps": _deps(stage), "outs": _outs(stage)}).encode()
    with _note(stage.addressing).open("r+b") as file:  # over what is there: a new file would need room
        file.write(text.ljust(ROOM))


def forget(stage: str) -> None:
    """DVC has recorded it."""
    _note(stage).unlink(missing_ok=True)


def record(stage: str) -> bool:
    """Record outputs that are as an unrecorded end left them, where that was of this command and these dependencies."""
    try:
        noted = json.loads(_note(stage).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    with Repo(".", _wait_for_lock=True) as repo:  # its own: the stage's hashes are of this moment after it
        with lock_repo(repo):
            (node,) = repo.stage.collect(stage)
            node.save_deps(allow_missing=True)
            as_noted = noted["cmd"] == node.cmd and noted["deps"] == _deps(node) and noted["outs"] == _outs(node)
        if as_noted:
            repo.commit(stage, force=True)
    return as_noted


def record_all() -> None:
    """As the next run would, before its outputs pass for damage of what the stage had made earlier; says which."""
    with Repo(".", _wait_for_lock=True) as repo:
        stages = [node.addressing for node in repo.index.stages if _note(node.addressing).is_file()]
    for stage in filter(record, stages):
        forget(stage)
        print(f"prefactor: {stage} had ended before, and was not recorded; it is now", file=sys.stderr)


def _deps(stage: Stage) -> dict[str, Any]:
    """By dependency, its hash, or the values of its params; by way of JSON, as a note has them."""
    hashes = {str(dep): dep.hash_info.value if dep.hash_info else None for dep in stage.deps}
    return json.loads(json.dumps(hashes, default=str, sort_keys=True))


def _outs(stage: Stage) -> dict[str, str]:
    return {str(out): name_of(Path(str(out))) if out.exists else "" for out in stage.outs}


def _note(stage: str) -> Path:
    return NOTES / f"{stage.replace('/', '_')}.json"

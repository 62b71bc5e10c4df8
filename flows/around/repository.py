"""The folder that a run works in: one run at a time, files that can be read, and DVC with or without git."""

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import psutil
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from flows.around.errors import FlowError
from flows.around.surroundings import check_folders

LOCK = Path(".runs/lock")
RWLOCK = Path(".dvc/tmp/rwlock")
CONFLICT = re.compile(rb"^(?:<{7}|>{7}|\|{7})(?: |\r?$)", re.MULTILINE)
REMEDIES = {
    "params.yaml": "`prefactor resolve` keeps what either side added; else keep one side of each, then run again",
    "dvc.yaml": "keep one side of each, then run again",
    ".dvc/config": "keep one side of each, then run again",
    "dvc.lock": "`prefactor resolve`; or take one side whole (`git checkout --ours dvc.lock`), then run again: "
    "what it does not know of is made, or found in the cache",
}
USES_DVC = re.compile(r"(dvc|prefactor|flows|team)(\.|$)")  # a program, or what stands behind `python -m`
_held: dict[Path, int] = {}  # descriptors of locks in this process


@contextmanager
def alone(
    lock: Path = LOCK, who_else: str = "another run works", why: str = "two would remake each other's files"
) -> Iterator[None]:
    """Keep other runs out of this folder for the length of the block; the kernel lets go if the process dies.

    Raises:
        FlowError: another run works here.
    """
    if lock in _held:
        yield
        return
    lock.parent.mkdir(exist_ok=True)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = os.read(descriptor, 20).decode("ascii", "replace").strip() or "of unknown number"
            raise FlowError(
                f"{who_else} in {Path.cwd()} (process {who}): wait for its end, or stop it; {why}"
            ) from None
        except OSError:
            pass  # a file system without locks: DVC's own still keep writers apart
        os.truncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        _held[lock] = descriptor
        yield
    finally:
        if _held.get(lock) == descriptor:
            del _held[lock]
        os.close(descriptor)


def check_files() -> None:
    """See that what DVC is about to read can be read.

    Raises:
        FlowError: there is no ``dvc.yaml``, a conflict of a merge stands in a file, or ``dvc.lock`` is not whole.
    """
    if not Path("dvc.yaml").is_file():
        raise FlowError(
            "dvc.yaml is missing: run from the folder that has it, or bring it back (`git checkout dvc.yaml`)"
        )
    for name, remedy in REMEDIES.items():
        content = Path(name).read_bytes() if Path(name).is_file() else b""
        found = CONFLICT.search(content)
        if found:
            line = content.count(b"\n", 0, found.start()) + 1
            raise FlowError(f"{name}: line {line}: a merge left its conflict markers: {remedy}")
    lock = Path("dvc.lock")
    if lock.exists() and not _whole(lock):
        raise FlowError(
            "dvc.lock is not whole: bring it back (`git checkout dvc.lock`), or remove it, then run again: "
            "what it does not know of is made, or found in the cache"
        )


def _whole(lock: Path) -> bool:
    try:
        value = YAML(typ="safe").load(lock.read_text(encoding="utf-8"))
    except (YAMLError, OSError, ValueError):
        return False
    stages = value.get("stages", {}) if isinstance(value, dict) and "schema" in value else None
    if not isinstance(stages, dict):
        return False
    return all(isinstance(stage, dict) and isinstance(stage.get("cmd"), str | list) for stage in stages.values())


def free_stale_locks() -> None:
    """Remove DVC's list of readers and writers where none of them lives."""
    if stale_locks() is not None:
        RWLOCK.unlink(missing_ok=True)


def stale_locks() -> list[int] | None:
    """The processes that DVC's list of readers and writers names, if none of them lives; None without such a list.

    A killed DVC leaves its number in it, and another process may have that number today. When the list was written
    says nothing: clocks are set.
    """
    try:
        listed = json.loads(RWLOCK.read_text(encoding="utf-8"))
        infos = [info for value in listed.get("write", {}).values() for info in [value]]
        infos += [info for value in listed.get("read", {}).values() for info in value]
        pids = [int(info["pid"]) for info in infos]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        return []  # half written, by a process that was killed over it
    return None if any(map(_uses_dvc_here, pids)) else pids


def occupant() -> str:
    """The process that has this folder to itself (:func:`alone`), or nothing."""
    if not LOCK.is_file():
        return ""
    with LOCK.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read(20).decode("ascii", "replace").strip() or "of unknown number"
        except OSError:
            return ""
    return ""


def _uses_dvc_here(pid: int) -> bool:
    """Whether it is a DVC, or something of this project that uses DVC, in this folder."""
    try:
        process = psutil.Process(pid)
        if not Path(process.cwd()).is_relative_to(Path.cwd()):
            return False
        return any(USES_DVC.match(Path(word).name) for word in process.cmdline())
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True  # another user's: nobody can say


def check_cache() -> None:
    """See that DVC can keep what a stage is about to make: it would find out when the stage has ended.

    Raises:
        FlowError: the cache cannot be written, or its disk is full.
    """
    from dvc.repo import Repo

    with Repo(".", _wait_for_lock=True) as repo:
        check_folders([Path(repo.cache.local.path)])


def settle_git() -> list[str]:
    """Let DVC work in a folder that no git repository knows, such as an unpacked archive; returns lines to say."""
    from dvc.config import Config
    from dvc.exceptions import DvcException
    from dvc.scm import SCM

    config = Config(".dvc")
    if config["core"].get("no_scm"):
        return []
    try:
        SCM(os.curdir).close()
    except DvcException:
        with config.edit("local") as local:
            cast(dict[str, Any], local).setdefault("core", {})["no_scm"] = True
        return [
            "no git repository here: DVC goes without (.dvc/config.local); "
            "after `git init` say `dvc config --local --unset core.no_scm`"
        ]
    return []

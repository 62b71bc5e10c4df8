"""What a search has tried, kept on this machine: an Optuna study in a journal that several commands may write at once.

A trial is added when it is measured, as a whole, so that a command that dies leaves nothing half done. What is being
tried is claimed by a lock that ends with its process.
"""

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial

from prefactor.errors import PrefactorError
from prefactor.files.together import writable

GRACE = 5  # seconds after which a lock on the journal is taken to be of a process that died
DIRECTIONS = ("minimize", "minimize")
REMEDY = "make its folder writable, and room on its disk"


class Store:
    """The study of one problem in ``folder``.

    Args:
        about: all that a trial's result depends on (JSON): another problem has another study.

    Raises:
        PrefactorError: it cannot be written, or is damaged.
    """

    def __init__(self, folder: Path, name: str, about: Mapping[str, Any]):
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
        self.path = folder / f"{name}-{digest}.log"
        with writable(self.path, REMEDY):
            folder.mkdir(parents=True, exist_ok=True)
            lock = JournalFileSymlinkLock(str(self.path), grace_period=GRACE)
            _mend(self.path, lock)
        with self._readable():
            storage = JournalStorage(JournalFileBackend(str(self.path), lock_obj=lock))
            self._study = optuna.create_study(
                storage=storage, study_name=name, directions=DIRECTIONS, load_if_exists=True
            )
        self._claims = self.path.with_suffix(".claims")

    def trials(self) -> list[FrozenTrial]:
        """In the order in which they were kept, those of other commands among them."""
        with self._readable():
            return self._study.get_trials(deepcopy=False)

    def add(self, trial: FrozenTrial) -> None:
        with writable(self.path, REMEDY):
            self._study.add_trial(trial)

    def note(self, key: str) -> Any:
        """What :meth:`remember` was given; None if nothing was."""
        return self._study.user_attrs.get(key)

    def remember(self, key: str, value: Any) -> None:
        with writable(self.path, REMEDY):
            self._study.set_user_attr(key, value)

    @contextmanager
    def claim(self, key: str) -> Iterator[bool]:
        """Whether nobody else is at ``key`` (hexadecimal) within the block, in this process or another."""
        mine, place = (self._claims.as_posix(), key), int(key[:7], 16)  # a byte of its own: no file a proposal
        with writable(self._claims, REMEDY):
            handle = _handle(self._claims)
        with _LOCK:
            free = mine not in _CLAIMED and _locked(handle, place)
            if free:
                _CLAIMED.add(mine)
        try:
            yield free
        finally:
            if free:
                with _LOCK:
                    fcntl.lockf(handle, fcntl.LOCK_UN, 1, place)
                    _CLAIMED.discard(mine)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, KeyError, AssertionError) as error:
            raise PrefactorError(
                f"{self.path} is damaged ({error}): remove it, and what it knew is tried anew"
            ) from None


_LOCK, _CLAIMED = threading.Lock(), set[tuple[str, str]]()
_HANDLES: dict[Path, int] = {}


def _handle(path: Path) -> int:
    """One open file a process: closing another one on the same file would let all of its locks go."""
    with _LOCK:
        if path not in _HANDLES:
            _HANDLES[path] = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        return _HANDLES[path]


def _locked(handle: int, place: int) -> bool:
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except OSError:
        return False
    return True


def _mend(path: Path, lock: JournalFileSymlinkLock) -> None:
    """Cut off a last line that a process which was killed has not written to its end."""
    path.touch()
    lock.acquire()
    try:
        whole = path.read_bytes()
        end = whole.rfind(b"\n") + 1
        if end < len(whole):
            os.truncate(path, end)
    finally:
        lock.release()

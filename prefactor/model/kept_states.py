"""What the layers before the first changed matrix make of a block of text, kept for every stage and edit.

A block is computed alone and kept under a hash of its tokens. So it has the same bits whoever asks first, with whatever
other blocks, and whether or not it was kept. What is damaged, gone or cannot be written is computed again: no run ends
over it.
"""

import atexit
import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from prefactor.errors import PrefactorError
from prefactor.files.code import code_digest
from prefactor.files.tensors import write_tensors
from prefactor.machine.settings import kept_bytes

STATES = Path(".runs", "states")  # of this machine, known to neither git nor DVC
SMALLEST = 2**22  # weights of layers that are worth it: fewer compute a block sooner than a disk gives it
SEGMENT = 2**26  # bytes that are written at once
_PLACE = "_states_kept"  # of a target: where its states lie


@dataclass(frozen=True)
class Place:
    """Where states of a target lie, and what tells it from other targets (JSON)."""

    folder: Path
    about: Any


class KeptStates:
    """States (position, width) of blocks by their tokens, in files of many blocks in ``folder``.

    Several processes may write side by side: each its own files.
    """

    def __init__(self, folder: Path, limit: int):
        self.folder, self.limit = folder, limit
        self._segments: set[Path] = set()
        self._places: dict[bytes, tuple[Path, int]] = {}
        self._pending: dict[bytes, Tensor] = {}
        self._open: dict[Path, Any] = {}
        atexit.register(self.flush)

    def states(self, tokens: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        """The states of ``tokens`` (n, position), (n, position, width); what is not kept is computed, and kept.

        Args:
            compute: gives the states of some blocks.
        """
        keys = [hashlib.sha256(row.tobytes()).digest() for row in tokens.cpu().numpy().astype(np.int64)]
        if any(key not in self._places and key not in self._pending for key in keys):
            self._look()
        return torch.stack([self._of(key, row[None], compute) for key, row in zip(keys, tokens, strict=True)])

    def flush(self) -> None:
        """Write what was computed since the last time, unless there is no room for it."""
        pending, self._pending = self._pending, {}
        if not pending:
            return
        states = torch.stack(list(pending.values()))
        size = states.numel() * states.element_size()
        if not self._has_room(size):
            return
        keys = torch.from_numpy(np.frombuffer(b"".join(pending), np.uint8).reshape(len(pending), -1).copy())
        path = self.folder / f"{uuid.uuid4().hex}.safetensors"
        with suppress(PrefactorError):  # no room on the disk, or a folder that cannot be written
            write_tensors(path, {"keys": keys, "states": states})
            self._note(path, keys)

    def _of(self, key: bytes, block: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        states = self._pending.get(key)
        if states is None:
            states = self._read(key)
        if states is not None:
            return states.to(block.device)
        states = compute(block)[0]
        self._pending[key] = states.cpu()
        if sum(kept.numel() * kept.element_size() for kept in self._pending.values()) >= SEGMENT:
            self.flush()
        return states

    def _read(self, key: bytes) -> Tensor | None:
        """What lies on disk under ``key``; None if nothing does, or it cannot be read any more."""
        if key not in self._places:
            return None
        path, row = self._places[key]
        try:
            if path not in self._open:
                self._open[path] = safe_open(path, "pt").__enter__()
            return self._open[path].get_slice("states")[row]
        except (OSError, SafetensorError):  # another process has made room
            del self._places[key]
            return None

    def _look(self) -> None:
        """Take in what other processes have written."""
        for path in sorted(self.folder.glob("*.safetensors")):
            if path not in self._segments:
                self._segments.add(path)
                with suppress(OSError, SafetensorError), safe_open(path, "pt") as file:
                    self._note(path, file.get_tensor("keys"))

    def _note(self, path: Path, keys: Tensor) -> None:
        self._segments.add(path)
        for row, key in enumerate(keys.numpy()):
            self._places.setdefault(key.tobytes(), (path, row))

    def _has_room(self, size: int) -> bool:
        """Whether ``size`` bytes more may be kept; states of other targets and layers go first, the oldest of them."""
        others = sorted(
            (folder for folder in self.folder.parent.glob("*") if folder != self.folder),
            key=lambda folder: folder.stat().st_mtime,
        )
        while (over := _bytes_in([self.folder, *others]) + size > self.limit) and others:
            shutil.rmtree(others.pop(0), ignore_errors=True)
        return not over


def keep_states(target: Any, folder: Path, about: Any) -> None:
    """Say where the states of ``target`` are kept; ``about`` (JSON) tells it from other targets."""
    setattr(target, _PLACE, Place(folder, about))


def kept_states(target: Any, layers: Sequence[nn.Module], stack: str) -> KeptStates | None:
    """Where the states that ``layers``, the first of ``stack``, put out lie.

    None where ``target`` has no place for any, or they are small.
    """
    place: Place | None = getattr(target, _PLACE, None)
    weights = sum(parameter.numel() for layer in layers for parameter in layer.parameters())
    limit = kept_bytes()
    if place is None or weights < SMALLEST or not limit:
        return None
    parameter = next(target.parameters())
    machine = [str(parameter.device), str(parameter.dtype), torch.get_num_threads(), torch.__version__]
    return KeptStates(place.folder / _key(place.about, stack, len(layers), *machine), limit)


def _key(*parts: Any) -> str:
    """A hash of ``parts`` (JSON values), and of the code that runs layers."""
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode())
    for name in ("kept_states.py", "prefix.py"):
        digest.update(code_digest(Path(__file__).with_name(name).read_bytes()))
    return digest.hexdigest()[:16]


def _bytes_in(folders: Iterable[Path]) -> int:
    return sum(file.stat().st_size for folder in folders for file in folder.glob("*.safetensors"))

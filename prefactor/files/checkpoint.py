"""Checkpoints to resume from, keyed so that one can never be resumed under other params, inputs or code."""

import hashlib
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from prefactor.files.code import code_digest
from prefactor.files.tensors import read_tensors, write_tensors


def run_key(*parts: Any) -> str:
    """A hash of ``parts`` (JSON values) and of what the code of every ``prefactor`` module loaded does."""
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode())
    for name in sorted(sys.modules):
        file = getattr(sys.modules[name], "__file__", None)
        if name.startswith("prefactor") and file:
            digest.update(name.encode() + code_digest(Path(file).read_bytes()))
    return digest.hexdigest()[:16]


class Checkpoint:
    """One file of tensors that is replaced at every save and gone when the run has ended.

    Args:
        folder: where runs keep theirs; outside ``data``, since it is no artifact.
        key: from :func:`run_key`; a checkpoint with another key is never read, and removed at :meth:`done`.
    """

    def __init__(self, folder: Path, key: str):
        self.folder, self.path = folder, folder / f"{key}.safetensors"

    def load(self) -> dict[str, torch.Tensor] | None:
        return read_tensors(self.path) if self.path.is_file() else None

    def save(self, tensors: Mapping[str, torch.Tensor]) -> None:
        write_tensors(self.path, tensors)

    def done(self) -> None:
        """Remove it: the last act of a stage, when all that came of the run is on disk."""
        shutil.rmtree(self.folder, ignore_errors=True)

"""Edits on a checkpoint of its own, one on top of the other, and off again bit for bit.

What a matrix was before an edit is kept beside the checkpoint, so that taking the edit off subtracts nothing and leaves
no rounding behind. The last one on is the first one off. Weights and what is kept of them change in one moment, and no
link is written through: the files of a copy may be DVC's.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from prefactor.errors import PrefactorError
from prefactor.files.artifacts import MANIFEST
from prefactor.files.tensors import read_tensors, write_tensors
from prefactor.files.together import changed_together, finish
from prefactor.model.change import Change
from prefactor.model.matrices import matrix_of, shape_of, weight_of
from prefactor.model.pretrained import read_pretrained
from prefactor.model.verified import check_saved

KEPT = "prefactor-edits"
WEIGHTS = ("model*.safetensors", "model.safetensors.index.json")


def push(checkpoint: Path, name: str, change: Change, trust_remote_code: bool = False) -> None:
    """Put ``change`` on the weights of ``checkpoint``, in their own precision, as the edit ``name``.

    ``trust_remote_code``: whether code that the checkpoint brings may run.

    Raises:
        PrefactorError: it is no checkpoint, its matrices are not those that the edit changes, it cannot be written, or
            what would be written does not read back as what was meant.
    """
    model = _read(checkpoint, trust_remote_code)
    before = {}
    for module, (A, B) in change.items():
        matrix = matrix_of(model, module)
        if shape_of(matrix) != (B.shape[0], A.shape[1]):
            raise PrefactorError(
                f"{checkpoint}: {module} has shape {shape_of(matrix)}, the edit's is {(B.shape[0], A.shape[1])}: "
                "apply it to a copy of the target that it was made for"
            )
        before[module] = weight_of(matrix).detach().clone().contiguous()
    with torch.no_grad():
        for module, (A, B) in change.items():
            weight = weight_of(matrix_of(model, module))
            weight.copy_((weight.float() + B.float() @ A.float()).to(weight))
    own = f"{len(applied_to(checkpoint)):03d}.{name}.safetensors"
    with _rewritten(checkpoint, model, trust_remote_code) as new:
        write_tensors(new / KEPT / own, before)


def pop(checkpoint: Path, trust_remote_code: bool = False) -> str:
    """Take the last edit off ``checkpoint`` and return its name; its matrices have their old bits again.

    Raises:
        PrefactorError: there is no edit on it.
    """
    kept = _kept(checkpoint)
    if not kept:
        raise PrefactorError(f"{checkpoint} has no edit to take off: `prefactor apply` puts one on")
    model, before = _read(checkpoint, trust_remote_code), read_tensors(kept[-1], "cpu")
    with torch.no_grad():
        for module, weight in before.items():
            weight_of(matrix_of(model, module)).copy_(weight)
    with _rewritten(checkpoint, model, trust_remote_code, f"{KEPT}/{kept[-1].name}"):
        return _name(kept[-1])


def applied_to(checkpoint: Path) -> list[str]:
    """The names of the edits on ``checkpoint``, the first one first."""
    return [_name(path) for path in _kept(checkpoint)]


def _kept(checkpoint: Path) -> list[Path]:
    finish(checkpoint)
    return sorted((checkpoint / KEPT).glob("*.safetensors"))


@contextmanager
def _rewritten(checkpoint: Path, model: Any, trust: bool, *also_removed: str) -> Iterator[Path]:
    """The weights of ``model`` in place of those of ``checkpoint``, with what the block writes into the folder it gets.

    All at once, or not at all (``files/together.py``). What stands beside the weights stays as it is.
    """
    removed = [MANIFEST, *also_removed]  # it is that of the target which this is a copy of, and no longer true
    with changed_together(checkpoint, removed) as new:
        saved = new / "saved"
        model.save_pretrained(saved)
        check_saved(model, saved, trust, dtype="auto")
        weights = _weights(saved)
        removed += [name for name in _weights(checkpoint) if name not in weights]  # it may have been in other shards
        for name, path in weights.items():
            os.rename(path, new / name)
        shutil.rmtree(saved)
        yield new


def _weights(folder: Path) -> dict[str, Path]:
    return {path.name: path for pattern in WEIGHTS for path in folder.glob(pattern)}


def _name(path: Path) -> str:
    return path.name.removesuffix(".safetensors").partition(".")[2]


def _read(checkpoint: Path, trust: bool) -> Any:
    finish(checkpoint)
    if not (checkpoint / "config.json").is_file():
        raise PrefactorError(f"{checkpoint} is no checkpoint: name a folder with config.json, a copy of the target's")
    return read_pretrained(checkpoint, str(checkpoint), trust_remote_code=trust, dtype="auto", local=True)

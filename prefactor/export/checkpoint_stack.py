"""Edits on a checkpoint of its own, one on top of the other, and off again bit for bit.

What a matrix was before an edit is kept beside the checkpoint, so that taking the edit off subtracts nothing and leaves
no rounding behind. The last one on is the first one off.
"""

from pathlib import Path
from typing import Any

import torch

from prefactor.errors import PrefactorError
from prefactor.files.artifacts import MANIFEST
from prefactor.files.tensors import read_tensors, write_tensors
from prefactor.model.change import Change
from prefactor.model.matrices import matrix_of, shape_of, weight_of
from prefactor.model.pretrained import read_pretrained
from prefactor.model.verified import check_saved

KEPT = "prefactor-edits"


def push(checkpoint: Path, name: str, change: Change, trust_remote_code: bool = False) -> None:
    """Put ``change`` on the weights of ``checkpoint``, in their own precision, as the edit ``name``.

    ``trust_remote_code``: whether code that the checkpoint brings may run.

    Raises:
        PrefactorError: it is no checkpoint, its matrices are not those that the edit changes, or what was written does
            not read back as what was meant.
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
    place = len(applied_to(checkpoint))
    write_tensors(checkpoint / KEPT / f"{place:03d}.{name}.safetensors", before)
    model.save_pretrained(checkpoint)
    check_saved(model, checkpoint, trust_remote_code, dtype="auto")
    (checkpoint / MANIFEST).unlink(missing_ok=True)  # of the target that this is a copy of, and no longer true


def pop(checkpoint: Path, trust_remote_code: bool = False) -> str:
    """Take the last edit off ``checkpoint`` and return its name; its matrices have their old bits again.

    Raises:
        PrefactorError: there is no edit on it.
    """
    kept = _files(checkpoint)
    if not kept:
        raise PrefactorError(f"{checkpoint} has no edit to take off: `prefactor apply` puts one on")
    model, before = _read(checkpoint, trust_remote_code), read_tensors(kept[-1], "cpu")
    with torch.no_grad():
        for module, weight in before.items():
            weight_of(matrix_of(model, module)).copy_(weight)
    model.save_pretrained(checkpoint)
    check_saved(model, checkpoint, trust_remote_code, dtype="auto")
    kept[-1].unlink()
    return _name(kept[-1])


def applied_to(checkpoint: Path) -> list[str]:
    """The names of the edits on ``checkpoint``, the first one first."""
    return [_name(path) for path in _files(checkpoint)]


def _files(checkpoint: Path) -> list[Path]:
    return sorted((checkpoint / KEPT).glob("*.safetensors"))


def _name(path: Path) -> str:
    return path.name.removesuffix(".safetensors").partition(".")[2]


def _read(checkpoint: Path, trust: bool) -> Any:
    if not (checkpoint / "config.json").is_file():
        raise PrefactorError(f"{checkpoint} is no checkpoint: name a folder with config.json, a copy of the target's")
    return read_pretrained(checkpoint, str(checkpoint), trust_remote_code=trust, dtype="auto", local=True)

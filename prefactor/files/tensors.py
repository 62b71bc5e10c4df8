"""Named tensors on disk: safetensors, written atomically."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from prefactor.files.artifacts import atomic


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write ``tensors`` (name -> any shape) as safetensors; equal tensors give equal bytes."""
    ready = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
    with atomic(path) as temporary:
        save_file(ready, temporary, dict(metadata or {}))


def read_tensors(path: Path, device: torch.device | str = "cpu") -> dict[str, torch.Tensor]:
    return load_file(path, device=str(device))

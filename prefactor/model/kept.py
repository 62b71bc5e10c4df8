"""What the base model makes of held-out text, kept on this machine: every edit is compared with the same."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from prefactor.files.checkpoint import run_key
from prefactor.files.tensors import read_tensors, write_tensors
from prefactor.model.reference import HeldOut, hold_out

MOST = 2**28  # probabilities that are kept of one text, a GiB; of more they are worked out each time


def hold_out_once(target: Any, tokens: np.ndarray, model: Any, folder: Path, name: str) -> HeldOut:
    """:func:`hold_out` of ``tokens`` (n, position), from ``folder`` where an earlier call has left it.

    Args:
        model: tells this target from others (JSON), such as its manifest.
        name: of the text; what was kept of another text, model or version of the code under this name is removed.
    """
    device = next(target.parameters()).device
    vocabulary = target.get_input_embeddings().weight.shape[0]
    if tokens.size * vocabulary > MOST:
        return hold_out(target, tokens)
    text = hashlib.sha256(np.ascontiguousarray(tokens).tobytes()).hexdigest()
    key = run_key(model, text, tokens.shape, str(device), torch.get_num_threads(), torch.__version__)
    path = folder / f"{name}.{key}.safetensors"
    if path.is_file():
        kept = read_tensors(path, device)
        ids = torch.from_numpy(tokens).long().to(device)
        return HeldOut(ids, kept["p"], kept["plogp"], kept["ce"].item())
    held = hold_out(target, tokens)
    for old in folder.glob(f"{name}.*.safetensors"):
        old.unlink(missing_ok=True)
    write_tensors(path, {"p": held.p, "plogp": held.plogp, "ce": torch.tensor(held.ce, dtype=torch.float64)})
    return held

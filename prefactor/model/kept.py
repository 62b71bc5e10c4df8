"""What the base model makes of held-out text, kept on this machine: every edit is compared with the same."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from prefactor.corpus.blocks import Blocks
from prefactor.files.code import code_digest
from prefactor.files.tensors import read_tensors, write_tensors
from prefactor.model import at_once, experts, head, reference, target
from prefactor.model.at_once import few
from prefactor.model.head import head_of
from prefactor.model.reference import HeldOut, Probabilities, States, hold_out

KEPT = Path(".runs", "reference")  # of this machine, known to neither git nor DVC


def hold_out_once(model: Any, tokens: np.ndarray, about: Any, folder: Path, name: str) -> HeldOut:
    """:func:`hold_out` of ``tokens`` (n, position), from ``folder`` where an earlier call has left it.

    Args:
        about: tells ``model`` from others (JSON), such as its manifest.
        name: of the text; what was kept of as much other text, or of another model, under this name is removed.
    """
    device = next(model.parameters()).device
    ids = torch.from_numpy(tokens).long().to(device)
    key = _key(about, hashlib.sha256(tokens.tobytes()).hexdigest(), str(device), torch.get_num_threads())
    if not re.fullmatch(r"[\w-]{1,32}", name, re.ASCII):  # what names a text need not name a file
        name = hashlib.sha256(name.encode()).hexdigest()[:32]
    path = folder / f"{name}-{len(tokens)}.{key}.safetensors"
    if path.is_file():
        kept = read_tensors(path)  # on the CPU: not every device takes the float64 in it
        if few(model, ids.numel()):
            base = Probabilities(kept["p"].to(device), kept["plogp"].to(device))
        else:
            base = States(head_of(model, ids), kept["out"].to(device))
        return HeldOut(ids, base, kept["ce"].item())
    held = hold_out(model, tokens)
    base = held.base
    if isinstance(base, States) and base.head.body is None:
        return held  # with logits for states: too large to be kept
    for old in folder.glob(f"{name}-{len(tokens)}.*.safetensors"):
        old.unlink(missing_ok=True)
    view = {"out": base.out} if isinstance(base, States) else {"p": base.p, "plogp": base.plogp}
    write_tensors(path, view | {"ce": torch.tensor(held.ce, dtype=torch.float64)})
    return held


def hold_out_blocks(model: Any, blocks: Blocks, about: Any, folder: Path, name: str) -> HeldOut:
    """:func:`hold_out_once` of ``blocks``, with their marks of what is quoted, where they have them."""
    held = hold_out_once(model, blocks.tokens, about, folder, name)
    if blocks.quoted is None:
        return held
    return replace(held, quoted=torch.from_numpy(blocks.quoted).to(held.tokens.device))


def _key(*parts: Any) -> str:
    """A hash of ``parts`` (JSON values), of torch's version, and of the code that works the figures out."""
    digest = hashlib.sha256(json.dumps([*parts, torch.__version__], sort_keys=True).encode())
    for module in (at_once, experts, head, reference, target):
        digest.update(code_digest(Path(str(module.__file__)).read_bytes()))
    return digest.hexdigest()[:16]

"""The target model: trained here, or taken from a local folder or the Hub; and how well it knows each domain."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from prefactor.files.artifacts import MANIFEST, read_json, verify
from prefactor.machine.exact import exact
from prefactor.model.at_once import blocks_at_once
from prefactor.model.experts import split_experts
from prefactor.model.pretrained import read_pretrained

TRUSTED = "trust_remote_code"  # in the checkpoint's manifest: params said that the code beside the weights may run


def read_target(folder: Path, device: torch.device | str = "cpu") -> Any:
    """The checkpoint of the target stage, frozen, in evaluation mode.

    Raises:
        PrefactorError: it is damaged, or is not one that the target stage has left.
    """
    model = read_pretrained(folder, str(folder), trust_remote_code=trusted(folder), local=True)
    split_experts(model)
    return model.to(device).requires_grad_(False)


def trusted(checkpoint: Path) -> bool:
    """Whether the target stage's ``checkpoint`` brings code that its params trusted, and that is still the same.

    Raises:
        PrefactorError: a file is another than the one that was trusted.
    """
    if not (checkpoint / MANIFEST).is_file() or read_json(checkpoint / MANIFEST)["about"].get(TRUSTED) is not True:
        return False
    verify(checkpoint)
    return True


def logits_of(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Logits (batch, position, vocabulary) of a causal language model on ``tokens`` (batch, position)."""
    return model(input_ids=tokens, use_cache=False).logits


def token_losses(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    return next_token_ce(logits_of(model, tokens)[:, :-1], tokens)


def next_token_ce(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Cross-entropy in nats of each next token: logits (batch, position - 1, vocabulary), tokens (batch, position)."""
    return ce_of(logits, tokens[:, 1:])


def ce_of(logits: torch.Tensor, following: torch.Tensor) -> torch.Tensor:
    """Cross-entropy in nats of the tokens ``following`` (...) under ``logits`` (..., vocabulary)."""
    losses = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), following.reshape(-1), reduction="none")
    return losses.view(following.shape)


@torch.no_grad()
def cross_entropy(model: Any, tokens: np.ndarray, batch: int = 64) -> float:
    """Mean next-token cross-entropy in nats of ``tokens`` (n, position)."""
    device = next(model.parameters()).device
    total = 0.0
    least = -(-len(tokens) // blocks_at_once(model, tokens.shape[1], len(tokens)))  # parts
    for chunk in np.array_split(tokens, max(1, len(tokens) // batch, least)):
        total += exact(token_losses(model, torch.from_numpy(chunk).long().to(device))).sum().item()
    return total / (len(tokens) * (tokens.shape[1] - 1))

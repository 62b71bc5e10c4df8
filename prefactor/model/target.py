"""The target model: trained here, or taken from a local folder or the Hub; and how well it knows each domain."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM

from prefactor.machine.exact import exact


def read_target(folder: Path, device: torch.device | str = "cpu") -> Any:
    """The checkpoint of the target stage, frozen, in evaluation mode."""
    model: Any = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, use_safetensors=True
    )
    return model.to(device).eval().requires_grad_(False)


def logits_of(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Logits (batch, position, vocabulary) of a causal language model on ``tokens`` (batch, position)."""
    return model(input_ids=tokens, use_cache=False).logits


def token_losses(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    return next_token_ce(logits_of(model, tokens)[:, :-1], tokens)


def next_token_ce(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Cross-entropy in nats of each next token: logits (batch, position - 1, vocabulary), tokens (batch, position)."""
    losses = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), tokens[:, 1:].reshape(-1), reduction="none")
    return losses.view(tokens.shape[0], -1)


@torch.no_grad()
def cross_entropy(model: Any, tokens: np.ndarray, batch: int = 64) -> float:
    """Mean next-token cross-entropy in nats of ``tokens`` (n, position)."""
    device = next(model.parameters()).device
    total = 0.0
    for chunk in np.array_split(tokens, max(1, len(tokens) // batch)):
        total += exact(token_losses(model, torch.from_numpy(chunk).long().to(device))).sum().item()
    return total / (len(tokens) * (tokens.shape[1] - 1))

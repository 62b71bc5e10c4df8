"""What a write direction does to the logits by itself, where its matrix writes to the residual stream."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefactor.model.matrices import matrix_of, shape_of

TOP = 10  # tokens on either side, as SAEDashboard has
BINS = 50
ROWS = 64  # subcomponents at a time: their logits grow with the vocabulary
# The last part of the name of matrices whose output is added to the residual stream, in the families of transformers.
WRITERS = re.compile(r"(o_proj|down_proj|c_proj|out_proj|dense_4h_to_h|dense|fc2|fc_out|wo|w2)")


@dataclass(frozen=True)
class Logits:
    """Of one subcomponent: tokens that it raises and lowers most, best first, and how the whole vocabulary spreads."""

    raised: Sequence[tuple[int, float]]
    lowered: Sequence[tuple[int, float]]
    heights: np.ndarray  # (BINS,) tokens
    middles: np.ndarray  # (BINS,) of the logits


def hook_name(target: Any, module: str) -> str | None:
    """What of its layer ``module`` writes to the residual stream, as TransformerLens calls it; None if it does not."""
    *path, last = module.split(".")
    if not WRITERS.fullmatch(last):
        return None
    if shape_of(matrix_of(target, module))[0] != target.config.get_text_config().hidden_size:
        return None
    return f"hook_{'attn' if any('att' in part for part in path) else 'mlp'}_out"


def unembedding(target: Any) -> Tensor | None:
    """(vocabulary, width): logits of a direction of the residual stream, the final norm's scale in it.

    Without the division by the stream's size, which is another at each token, and without a soft-cap. None where the
    model has no unembedding or no norm that could be found.
    """
    head = target.get_output_embeddings()
    norms = [module for module in target.base_model.children() if "norm" in type(module).__name__.lower()]
    if head is None or len(norms) != 1:
        return None
    weight = head.weight.detach().float()
    with torch.no_grad():
        if getattr(norms[0], "bias", None) is not None:  # a LayerNorm: what it subtracts, the direction's mean, is lost
            scale = norms[0].weight.float()
            scaled = weight * scale
            return scaled - scaled.mean(1, keepdim=True)
        ones = torch.ones(weight.shape[1], device=weight.device, dtype=norms[0].weight.dtype)
        return weight * norms[0](ones).float()  # of RMS 1, so that what comes out is the scale, however it is stored


@torch.no_grad()
def logits_of_directions(directions: Tensor, unembed: Tensor, known: int) -> list[Logits]:
    """Of each row of ``directions`` (n, width); tokens from ``known`` on are padding of the embedding."""
    found = []
    for rows in directions.to(unembed).split(ROWS):
        logits = (rows @ unembed[:known].T).cpu()
        most = logits.topk(min(TOP, known), dim=1)
        least = (-logits).topk(min(TOP, known), dim=1)
        for place, row in enumerate(logits.numpy()):
            heights, edges = np.histogram(row, BINS)
            raised = zip(most.indices[place].tolist(), most.values[place].tolist(), strict=True)
            lowered = zip(least.indices[place].tolist(), (-least.values[place]).tolist(), strict=True)
            found.append(Logits(list(raised), list(lowered), heights, (edges[:-1] + edges[1:]) / 2))
    return found

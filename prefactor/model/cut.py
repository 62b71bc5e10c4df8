"""A target whose vocabulary is cut to the tokens that a corpus has.

Of 262,144 tokens a corpus in five languages uses a quarter. Head, logits and all that is computed from them shrink by
as much, while every layer stays what it is: on the tokens that are left, logits are the whole model's.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prefactor.errors import PrefactorError
from prefactor.model.target import logits_of

SAMPLE = (2, 16)  # blocks and tokens to compare the two on
_CUT = "_weights_cut"  # of a model: how many weights it had more


@torch.no_grad()
def cut_vocabulary(model: Any, ids: np.ndarray) -> None:
    """Leave ``model`` the tokens ``ids`` (n,), in place: token i is then what ``ids[i]`` was.

    Raises:
        PrefactorError: its logits are not those of the whole vocabulary, so that this family cannot be cut.
    """
    kept = torch.from_numpy(ids).long().to(next(model.parameters()).device)
    places = (
        torch.arange(SAMPLE[0] * SAMPLE[1], device=kept.device) * (len(kept) - 1) // (SAMPLE[0] * SAMPLE[1])
    ).view(SAMPLE)
    whole = logits_of(model, kept[places])[..., kept]
    before = sum(parameter.numel() for parameter in model.parameters())
    inputs, head = model.get_input_embeddings(), model.get_output_embeddings()
    tied = inputs.weight is head.weight
    _keep(inputs, kept)
    if tied:
        head.weight = inputs.weight
    else:
        _keep(head, kept)
    if getattr(head, "bias", None) is not None:
        head.bias = nn.Parameter(head.bias[kept], requires_grad=False)
    model.config.get_text_config().vocab_size = len(kept)
    setattr(model, _CUT, before - sum(parameter.numel() for parameter in model.parameters()))
    try:
        same = _close(logits_of(model, places), whole)
    except (IndexError, RuntimeError):  # another table is read by token
        same = False
    if not same:
        raise PrefactorError(
            f"params.yaml: decompose.logits = corpus: the vocabulary of {type(model).__name__} cannot be cut, since "
            "more than its embeddings and its head depends on it; write all"
        )


def weights_cut(model: Any) -> int:
    """How many weights of embeddings and head :func:`cut_vocabulary` has left out of ``model``."""
    return getattr(model, _CUT, 0)


def _keep(module: Any, kept: Tensor) -> None:
    module.weight = nn.Parameter(module.weight[kept], requires_grad=False)
    for name in ("num_embeddings", "out_features"):
        if hasattr(module, name):
            setattr(module, name, len(kept))
    if getattr(module, "padding_idx", None) is not None:
        module.padding_idx = None  # of no use without training


def _close(found: Tensor, whole: Tensor) -> bool:
    return found.shape == whole.shape and bool((found - whole).abs().max() <= 1e-4 * whole.abs().max())

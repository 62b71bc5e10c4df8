"""What was loaded can be a target, and what was saved reads back as the model that was saved."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prefactor.errors import PrefactorError
from prefactor.files.model_config import positions_of
from prefactor.model.experts import is_split, split_experts
from prefactor.model.pretrained import read_pretrained
from prefactor.model.target import logits_of

SAMPLE = 16  # tokens of a text to try a model on


def sample_tokens(model: Any) -> Tensor:
    """Two texts (2, position) of ids from all over the vocabulary, for comparing a model with itself."""
    rows = model.get_input_embeddings().weight.shape[0]
    length = min(SAMPLE, positions_of(model.config) or SAMPLE)
    ids = torch.arange(2 * length) * (rows - 1) // max(1, 2 * length - 1)
    return ids.view(length, 2).T.contiguous().to(next(model.parameters()).device)


@torch.no_grad()
def check_target(model: Any, where: str) -> None:
    """Check that every weight is finite, and that no token's prediction reads the tokens after it.

    Raises:
        PrefactorError: one of the two does not hold; ``where`` begins the message.
    """
    for name, parameter in model.named_parameters():
        if parameter.is_floating_point() and not parameter.isfinite().all():
            raise PrefactorError(f"{where}: {name} has weights that are not finite; copy or download the model again")
    tokens = sample_tokens(model)
    other = tokens.clone()
    other[:, -1] = tokens[:, 0]  # another last token than the first one of the row is
    try:
        before, after = (logits_of(model, ids)[:, :-1] for ids in (tokens, other))
    except Exception as error:  # whatever a stranger's forward pass raises
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise PrefactorError(f"{where}: it does not run on tokens alone ({said}); name a model of text") from error
    if not before.isfinite().all():
        raise PrefactorError(f"{where}: its predictions are not finite; copy or download the model again")
    if (before - after).abs().max() > 1e-3 * before.abs().max():
        raise PrefactorError(
            f"{where}: {type(model).__name__} reads tokens that come later, so it is no causal language model; name "
            "one that continues text"
        )


@torch.no_grad()
def check_saved(
    model: Any, folder: Path, trust_remote_code: bool = False, dtype: torch.dtype | str = torch.float32
) -> None:
    """Read the checkpoint in ``folder`` back and check that it makes of text, bit for bit, what ``model`` makes.

    ``trust_remote_code`` and ``dtype`` are those that ``model`` was read with.

    Raises:
        PrefactorError: it does not, with the first weight that differs.
    """
    device = next(model.parameters()).device
    where = f"{folder}: what was just saved does not read back"
    again = read_pretrained(folder, where, trust_remote_code=trust_remote_code, dtype=dtype, local=True).to(device)
    if is_split(model):
        split_experts(again)  # the same sums in the same order
    tokens = sample_tokens(model)
    training = model.training
    model.eval()
    same = torch.equal(logits_of(model, tokens), logits_of(again, tokens))
    model.train(training)
    if not same:
        kept = dict(again.named_parameters())
        differ = [name for name, value in model.named_parameters() if name not in kept or not value.equal(kept[name])]
        weight = f"{differ[0]} differs" if differ else "its weights are the same, what is computed from them is not"
        raise PrefactorError(f"{where} as the same model ({weight}): do not use it; this model cannot be kept")

"""What was written for other tools is what was meant: read by them, it makes of text what the edited model makes."""

import shutil
import warnings
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from prefactor.errors import PrefactorError
from prefactor.files.artifacts import MANIFEST
from prefactor.model.change import Change, applied
from prefactor.model.target import logits_of
from prefactor.model.verified import sample_tokens

TOLERANCE = 1e-3  # of the largest logit: the adapter adds B A x where the edited model has multiplied by W + B A
WEIGHTS = (".safetensors", ".index.json")


@torch.no_grad()
def check_adapter(folder: Path, target: Any, change: Change) -> None:
    """Put the adapter in ``folder`` on ``target`` by stock ``peft`` and off again; it has to be ``change``.

    Raises:
        PrefactorError: it is another one.
    """
    tokens = sample_tokens(target)
    with applied(target, change):
        wanted = logits_of(target, tokens)
    trained = [parameter for parameter in target.parameters() if parameter.requires_grad]  # which peft will freeze
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of peft about names of transformers
        wrapped: Any = PeftModel.from_pretrained(target, str(folder))
    try:
        found = logits_of(wrapped.eval(), tokens)
    finally:
        wrapped.unload()  # the target's own modules are back in their places
        vars(target).pop("peft_config", None)
        for parameter in trained:
            parameter.requires_grad_(True)
    off = (found - wanted).abs().max().item()
    if not off <= TOLERANCE * max(1.0, wanted.abs().max().item()):
        raise PrefactorError(
            f"{folder}: read by peft, the adapter makes another model than the edit (logits differ by {off:.3g}): "
            "do not use it; export the edit merged into the checkpoint (--merged)"
        )


def copy_beside_weights(checkpoint: Path, folder: Path) -> None:
    """Copy what ``folder`` lacks of ``checkpoint``: the tokenizer's files, a chat template, code."""
    for path in sorted(checkpoint.rglob("*")):
        goal = folder / path.relative_to(checkpoint)
        if path.is_file() and path.name != MANIFEST and not path.name.endswith(WEIGHTS) and not goal.exists():
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, goal)

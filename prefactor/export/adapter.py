"""An edit for other tools: a standard PEFT adapter for the stock checkpoint, or a checkpoint that has it merged."""

import re
from pathlib import Path
from typing import Any

from peft import LoraConfig
from transformers.pytorch_utils import Conv1D

from prefactor.export.lora import parts_of, refused
from prefactor.export.written import check_adapter, copy_beside_weights
from prefactor.files.artifacts import atomic, write_json
from prefactor.files.tensors import write_tensors
from prefactor.model.change import Change, applied
from prefactor.model.matrices import matrix_of
from prefactor.model.target import trusted
from prefactor.model.verified import check_saved

CARD = "README.md"


def write_adapter(folder: Path, target: Any, change: Change, base: str, card: str, revision: str | None = None) -> None:
    """Write ``adapter_config.json`` and ``adapter_model.safetensors`` for ``W' = W + B A``, and the model card.

    A k-subcomponent edit is a rank-k LoRA whose scale is 1 (``lora_alpha`` = rank). ``base`` is recorded as the model
    that the adapter belongs to, with ``revision`` if it is one of the Hub's.

    Raises:
        PrefactorError: stock ``peft`` makes another model of them than the edit.
    """
    prefix = f"{target.base_model_prefix}." if target.base_model is not target else ""
    parts = parts_of(target, change)
    ranks = {f"{prefix}{part.name}": part.rank for part in parts}
    modules = sorted(f"{prefix}{part.name}" for part in parts if part.parameter is None)
    config = LoraConfig(
        base_model_name_or_path=base, revision=revision, task_type="CAUSAL_LM", inference_mode=True,
        target_modules=targeted(target, modules),
        target_parameters=sorted(f"{prefix}{part.name}" for part in parts if part.parameter is not None) or None,
        r=next(iter(ranks.values())), lora_alpha=next(iter(ranks.values())), rank_pattern=ranks, alpha_pattern=ranks,
        lora_dropout=0.0, bias="none", fan_in_fan_out=any(isinstance(matrix_of(target, n), Conv1D) for n in change),
    )  # fmt: skip
    values = {k: sorted(v) if isinstance(v, set) else v for k, v in config.to_dict().items()}
    tensors = {}
    for part in parts:
        tensors[f"base_model.model.{prefix}{part.key}.lora_A.weight"] = part.A
        tensors[f"base_model.model.{prefix}{part.key}.lora_B.weight"] = part.B
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / "adapter_model.safetensors", tensors, {"format": "pt"})
    write_json(folder / "adapter_config.json", values)
    if names := refused(target, change):
        shown = ", ".join(f"`{name}`" for name in names)
        card += f"\nPEFT loads no adapter for {shown}: use the merged checkpoint (`prefactor export --merged`).\n"
    else:
        check_adapter(folder, target, change)
    write_card(folder, card)


def targeted(target: Any, modules: list[str]) -> list[str] | str:
    """``modules`` for PEFT, which takes a name of a list for every module that ends in it: a pattern where one does."""
    every = [name for name, _ in target.named_modules()]
    if any(name.endswith(f".{module}") for module in modules for name in every):
        return "|".join(map(re.escape, modules))
    return modules


def write_merged(folder: Path, target: Any, change: Change, checkpoint: Path, card: str) -> None:
    """Write ``target`` with ``change`` in its weights as a checkpoint, with what ``checkpoint`` has beside weights.

    Raises:
        PrefactorError: what was written does not read back as the edited model.
    """
    with applied(target, change):
        target.save_pretrained(folder)
        copy_beside_weights(checkpoint, folder)
        check_saved(target, folder, trusted(checkpoint))
    write_card(folder, card)


def write_card(folder: Path, card: str) -> None:
    """Write the model card ``card`` to ``folder``."""
    with atomic(folder / CARD) as temporary:
        temporary.write_text(card, encoding="utf-8")

"""The weight matrices of a target: ``nn.Linear``, experts', GPT-2's ``Conv1D``, whose weight lies the other way."""

import re
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from prefactor.errors import PrefactorError
from prefactor.model.experts import ExpertMatrix, split_experts

Matrix = nn.Linear | Conv1D | ExpertMatrix
FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def matrices(model: Any, pattern: str = ".*", key: str = "decompose.modules") -> dict[str, Matrix]:
    """The matrices of the base model (the language model without its head) whose name matches ``pattern``, in order.

    ``key`` is where the pattern stands in params.

    Raises:
        PrefactorError: nothing matches, or a match is quantised or of a kind that is not supported.
    """
    candidates = all_matrices(model)
    matching = {name: module for name, module in candidates.items() if re.fullmatch(pattern, name)}
    if not matching:
        known = ", ".join(candidates) or "none"
        raise PrefactorError(f"{key} = {pattern!r} matches no matrix; this target has: {known}")
    for name, module in matching.items():
        if why := _unsupported(module):
            raise PrefactorError(
                f"the target's {name} ({type(module).__name__}) cannot be decomposed: {why}; load the model "
                f"unquantised, or leave the matrix out with {key}"
            )
    return matching


def all_matrices(model: Any) -> dict[str, Any]:
    """Every matrix of the base model by name, in order, those that are quantised or otherwise not supported too."""
    split_experts(model)
    return {name: module for name, module in model.base_model.named_modules() if _is_linear(module)}


def matrix_of(model: Any, name: str) -> Matrix:
    """The matrix ``name`` of the base model of ``model``.

    Raises:
        PrefactorError: there is none, or it is quantised.
    """
    module = _module(model, name)
    if module is None:  # an expert's, of a model that nobody has split yet; looked for last, since it takes a walk
        split_experts(model)
        module = _module(model, name)
    if module is None or not _is_linear(module) or _unsupported(module):
        raise PrefactorError(f"the edit changes {name}, which is no matrix of this target: use its own target")
    return module


def weight_of(matrix: Matrix) -> Tensor:
    """The weight as (d_out, d_in): a view, so that a change of it in place is one of the module."""
    return matrix.weight.T if isinstance(matrix, Conv1D) else matrix.weight


def shape_of(matrix: Matrix) -> tuple[int, int]:
    """(d_out, d_in)."""
    d_out, d_in = weight_of(matrix).shape
    return d_out, d_in


def _module(model: Any, name: str) -> Any:
    try:
        return model.base_model.get_submodule(name)
    except AttributeError:
        return None


def _is_linear(module: nn.Module) -> bool:
    """Also true of what only calls itself so, as the layers of most quantisers do: they must not be passed over."""
    if isinstance(module, Matrix):
        return True
    kind = type(module).__name__
    named_so = re.search("linear|conv1d", kind, re.IGNORECASE) and not re.search("rotary|embed", kind, re.IGNORECASE)
    return bool(named_so) and not isinstance(module, nn.Conv1d) and not any(module.children())


def _unsupported(module: nn.Module) -> str | None:
    if not isinstance(module, Matrix):
        return "it is no nn.Linear or Conv1D"
    weight = weight_of(module)
    if weight.dtype not in FLOATS:
        return f"its weight is stored as {weight.dtype}"
    if isinstance(module, nn.Linear) and tuple(weight.shape) != (module.out_features, module.in_features):
        return f"its weight is packed to {tuple(weight.shape)}"
    return None

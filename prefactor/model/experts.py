"""The experts of a mixture as the matrices they are: ``transformers`` stores all of a layer's in one parameter.

Such a parameter (expert, ...) stays where it is stored, saved and trained; beside it each expert gets modules whose
weight is its slice, a view, and the layer's forward pass goes through them. What is done to a matrix (hooks, changes in
place) then works on an expert's as on any other.

Every expert's matrices are called on every token, with zeros for the tokens that are not routed to it, so that their
input and output have the shape of every other matrix's; a layer takes (experts / experts a token) times the arithmetic.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS

ONE_BY_ONE = "one_by_one"  # the name of this forward pass among those of transformers


class ExpertMatrix(nn.Module):
    """One expert's slice of a fused parameter: a linear map without weights of its own."""

    def __init__(self, experts: nn.Module, parameter: str, number: int):
        super().__init__()
        self._experts = (experts,)  # in a tuple, as it is no submodule of this one
        self.parameter, self.number = parameter, number

    @property
    def experts(self) -> Any:
        """The module that has the fused parameter."""
        return self._experts[0]

    @property
    def weight(self) -> Tensor:
        """(d_out, d_in), a view."""
        part = getattr(self.experts, self.parameter)[self.number]
        return part.T if self.experts.is_transposed else part

    @property
    def bias(self) -> Tensor | None:
        """(d_out,), a view, or None."""
        return getattr(self.experts, f"{self.parameter}_bias")[self.number] if self.experts.has_bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


def split_experts(model: nn.Module) -> None:
    """Give each expert of ``model`` its matrices, ``<experts>.<number>.<parameter>``; its logits stay what they are.

    Experts that do not go by the interface of ``transformers`` stay as they are, and so do quantised ones. A second
    call does nothing.
    """
    fused: list[Any] = [module for module in model.modules() if _is_fused(module)]
    for module in fused:
        _split(module)
        module.config._experts_implementation = ONE_BY_ONE


def is_split(model: nn.Module) -> bool:
    """Whether experts of ``model`` have matrices of their own."""
    return any(isinstance(module, ExpertMatrix) for module in model.modules())


def fused_name(name: str) -> tuple[str, int]:
    """The full name of the fused parameter, and the number of the expert, of an expert's matrix called ``name``."""
    experts, number, parameter = name.rsplit(".", 2)
    return f"{experts}.{parameter}", int(number)


def _is_fused(module: Any) -> bool:
    """Whether it has what the interface promises (``transformers.integrations.moe.use_experts_implementation``)."""
    if not all(hasattr(module, name) for name in ("is_transposed", "has_bias", "has_gate", "has_post_expert_norm")):
        return False
    stored = [module._parameters.get(name) for name in _parameters(module)]
    return all(p is not None and p.ndim == 3 and p.is_floating_point() and p.element_size() > 1 for p in stored)


def _parameters(experts: Any) -> tuple[str, str]:
    return ("gate_up_proj" if experts.has_gate else "up_proj", "down_proj")


def _split(experts: Any) -> None:
    up, down = _parameters(experts)
    for number in range(len(getattr(experts, down))):
        if str(number) not in experts._modules:
            pair = {name: ExpertMatrix(experts, name, number) for name in (up, down)}
            experts.add_module(str(number), nn.ModuleDict(pair))


def _one_by_one(self: Any, hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor) -> Tensor:
    """The forward pass of a layer's experts: (token, width) to (token, width)."""
    up, down = _parameters(self)
    out = torch.zeros_like(hidden_states)
    for number in range(len(getattr(self, down))):
        chosen = top_k_index == number  # (token, choice)
        routed = chosen.any(-1, keepdim=True)
        expert = self._modules[str(number)]
        inner = expert[up](hidden_states * routed)
        inner = self._apply_gate(inner) if self.has_gate else self.act_fn(inner)
        new = expert[down](inner * routed)  # with a bias or a gate that is not 0 at 0
        if self.has_post_expert_norm:
            new = self.post_expert_norm(new)
        out = out + (new * (top_k_weights * chosen).sum(-1, keepdim=True)).to(out.dtype)
    return out


ALL_EXPERTS_FUNCTIONS.register(ONE_BY_ONE, _one_by_one)

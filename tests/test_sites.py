"""Which matrices can be decomposed: a matrix that is used for anything but ``W x + b`` is left out by name."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.family_configs import build
from prefactor.errors import PrefactorError
from prefactor.model.change import applied, attached
from prefactor.model.matrices import matrices
from prefactor.model.shares import BY_CHOICE, DECOMPOSED, shares
from prefactor.model.sites import sites
from prefactor.model.target import logits_of
from tests.tiny import tiny_blocks, tiny_target

UP = "layers.0.mlp.up_proj"


def _text() -> torch.Tensor:
    return torch.from_numpy(tiny_blocks(6))


class _Scaled(nn.Linear):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(input)


class _Normed(nn.Linear):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(F.normalize(input, dim=-1))


class _Pair(nn.Linear):
    def forward(self, input: torch.Tensor) -> Any:
        return super().forward(input), None


def _mlp(target: Any, up: Callable[[Any, torch.Tensor], torch.Tensor]) -> None:
    """Let the first layer's MLP make what goes up of ``up``."""
    mlp = target.base_model.layers[0].mlp
    mlp.forward = lambda x: mlp.down_proj(F.silu(mlp.gate_proj(x)) * up(mlp, x))


def _swap(target: Any, kind: type[nn.Linear]) -> None:
    old = target.base_model.layers[0].mlp.up_proj
    new = kind(old.in_features, old.out_features, bias=False)
    new.weight = old.weight
    target.base_model.layers[0].mlp.up_proj = new


def _pair(target: Any) -> None:
    _swap(target, _Pair)
    _mlp(target, lambda mlp, x: mlp.up_proj(x)[0])


def _tied(target: Any) -> None:
    layers = target.base_model.layers
    layers[1].mlp.up_proj.weight = layers[0].mlp.up_proj.weight


def _tied_to_embeddings(target: Any) -> None:
    part = target.base_model.embed_tokens.weight.data[:24]  # as many rows as the matrix has: one storage for both
    target.base_model.layers[0].mlp.up_proj.weight = nn.Parameter(part)


MISUSES: dict[str, tuple[Callable[[Any], None], str, int]] = {
    "never called": (lambda t: _mlp(t, lambda mlp, x: torch.ones(24)), "never called", 1),
    "its weight read, its forward not": (
        lambda t: _mlp(t, lambda mlp, x: F.linear(x, mlp.up_proj.weight)), "never called", 1
    ),
    "called twice": (lambda t: _mlp(t, lambda mlp, x: mlp.up_proj(x) + mlp.up_proj(2 * x)), "called 2 times", 1),
    "a token at a time": (
        lambda t: _mlp(t, lambda mlp, x: torch.stack([mlp.up_proj(part) for part in x.unbind(1)], 1)),
        "called 12 times", 1,
    ),
    "by keyword": (lambda t: _mlp(t, lambda mlp, x: mlp.up_proj(input=x)), "something else than one tensor", 1),
    "a tuple": (_pair, "something else than one tensor", 1),
    "the last token alone": (
        lambda t: _mlp(t, lambda mlp, x: mlp.up_proj(x[:, -1:]).expand(-1, x.shape[1], -1)), "each token once", 1
    ),
    "positions first": (
        lambda t: _mlp(t, lambda mlp, x: mlp.up_proj(x.transpose(0, 1)).transpose(0, 1)), "each token once", 1
    ),
    "scaled": (lambda t: _swap(t, _Scaled), "not W x \\+ b", 1),
    "its input normed": (lambda t: _swap(t, _Normed), "not W x \\+ b", 1),
    "called, and its weight read": (
        lambda t: _mlp(t, lambda mlp, x: mlp.up_proj(x) + 0.5 * F.linear(x, mlp.up_proj.weight)),
        "also used elsewhere", 1,
    ),
    "tied to another": (_tied, "also used elsewhere", 2),
    "tied to embeddings": (_tied_to_embeddings, "also used elsewhere", 1),
}  # fmt: skip


@pytest.mark.parametrize("misuse", MISUSES)
def test_a_matrix_of_another_use_is_left_out_by_name(misuse: str) -> None:
    change, reason, count = MISUSES[misuse]
    target = tiny_target()
    change(target)
    found = sites(target, ".*", _text())
    assert UP in found.left_out
    assert len(found.left_out) == count
    assert len(found.matrices) == 14 - count
    with pytest.raises(PrefactorError, match=f"matches no matrix that can be decomposed: of {UP}, .*{reason}"):
        sites(target, "layers.0.*up_proj", _text())


@pytest.mark.parametrize("misuse", ["its weight read, its forward not", "scaled", "tied to another"])
def test_why_it_is_left_out_a_merged_edit_of_it_is_not_the_fitted_one(misuse: str) -> None:
    target = tiny_target()
    MISUSES[misuse][0](target)
    change = {UP: (torch.ones(1, 16), torch.ones(24, 1) / 10)}
    with torch.no_grad(), attached(target, change):
        beside = logits_of(target, _text())
    with torch.no_grad(), applied(target, change):
        assert not torch.allclose(logits_of(target, _text()), beside, atol=1e-2)


def test_all_matrices_of_a_plain_model_are_kept_as_they_are() -> None:
    target = tiny_target(bias=True)
    before = {name: p.clone() for name, p in target.named_parameters()}
    found = sites(target, ".*", _text())
    assert found.matrices == matrices(target)
    assert not found.left_out
    assert all(torch.equal(p, before[name]) for name, p in target.named_parameters())
    assert all(not module._forward_hooks for module in target.modules())


@pytest.mark.parametrize("weight", [0.0, 1e-6, 1e4])
def test_the_size_of_a_matrix_is_no_reason(weight: float) -> None:
    target: Any = tiny_target()
    up = target.model.layers[0].mlp.up_proj
    up.weight.data = up.weight.data / up.weight.data.norm() * weight
    assert not sites(target, ".*", _text()).left_out


def test_experts_that_no_token_of_the_text_is_routed_to_are_kept() -> None:
    target = build("mixtral")
    for layer in target.model.layers:
        layer.mlp.gate.weight.data[0] = 0  # all logits 0 but those of two others, one of which is positive
        layer.mlp.gate.weight.data[1] = -layer.mlp.gate.weight.data[2]
        layer.mlp.gate.weight.data[3] = 0
    assert not sites(target, ".*", _text()).left_out


@pytest.mark.parametrize("family", ["llama", "mixtral", "mamba", "gemma3", "jetmoe", "zamba2"])
@pytest.mark.parametrize("pattern", [".*", ".*q_proj|.*in_proj|.*kv_proj|.*1.*down_proj"])
def test_every_weight_is_counted_once(family: str, pattern: str) -> None:
    target = build(family)
    parts = shares(target, sites(target, pattern, _text()))
    assert sum(part.weights for part in parts) == sum(p.numel() for p in target.parameters())
    assert sum(part.share for part in parts) == pytest.approx(1)
    assert parts[0].what == DECOMPOSED
    assert (BY_CHOICE in {part.what for part in parts}) == (pattern != ".*")

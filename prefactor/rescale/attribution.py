"""What a prefactor does to the loss, to first order: one forward and one backward pass for all subcomponents at once.

``∂CE/∂α_c = Σ_t (∂CE/∂y_t · u_c) (v_c · x_t)`` at α = 1, since ``y`` moves by ``(α - 1) u_c v_c^T x``. An edit goes far
from 1, where this need not hold: it says whom to measure, and stands in for those that are not measured.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from prefactor.machine.exact import exact
from prefactor.model.hooks import hooked
from prefactor.model.target import logits_of, next_token_ce
from prefactor.vpd.components import DecomposedModel

BATCH = 4  # blocks a pass


def attributions(model: DecomposedModel, blocks: Tensor) -> Tensor:
    """``∂CE/∂α`` in nats a token of each subcomponent on each of ``blocks`` (n, position), float64 (n, C)."""
    parts = []
    for part in blocks.split(BATCH):
        inputs: dict[int, Tensor] = {}
        moved: dict[int, Tensor] = {}  # zeros that are added to each output: leaves that collect its gradient

        def move(i: int, inputs: dict[int, Tensor] = inputs, moved: dict[int, Tensor] = moved) -> Callable[..., Tensor]:
            def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
                inputs[i] = args[0].detach()
                moved[i] = torch.zeros_like(output, requires_grad=True)
                return output + moved[i]

            return hook

        with torch.enable_grad(), hooked(model.modules_by_site, move), model.prefix.given(model.states(part)):
            losses = next_token_ce(logits_of(model.target, part)[:, :-1], part).mean(1)
            gradients = torch.autograd.grad(losses.sum(), [moved[i] for i in range(len(model.sites))])
        with torch.no_grad():
            found = []
            for i, (U, V, gradient) in enumerate(zip(model.U, model.V, gradients, strict=True)):
                x, by_y = (t.view(*part.shape, -1) for t in (inputs[i], gradient))
                found.append(exact((by_y @ U.T) * (x @ V.T)).sum(1))
            parts.append(torch.cat(found, dim=-1).cpu())
    return torch.cat(parts)

"""Components of each matrix from its own inputs and outputs: a rival to VPD that never looks at what comes behind.

Of a matrix's subcomponents only the ``top`` act at a token, those with the largest activation ``‖u_c‖ |v_c · x|``, and
``U`` and ``V`` are fitted such that these reproduce the matrix's output ``W x``: a top-k dictionary between a matrix's
own input and output. The importance net is trained after it, with the components frozen.
"""

import math

import numpy as np
import torch
from torch import Tensor

from prefactor.config.decompose import Local
from prefactor.errors import PrefactorError
from prefactor.files.cost import Cost
from prefactor.machine.flops import flops_of
from prefactor.machine.progress import track
from prefactor.machine.runtime import generator
from prefactor.model.matrices import weight_of
from prefactor.vpd.batches import given
from prefactor.vpd.components import DecomposedModel, Subcomponents


def fit_locally(model: DecomposedModel, blocks: np.ndarray, config: Local, seed: int, cost: Cost) -> float:
    """Fit ``U`` and ``V`` of every matrix in place; Adam, cosine to a tenth. Batches depend on (seed, step) alone.

    Args:
        blocks: (n, position) tokens to draw batches from.

    Returns:
        The share of the outputs' squares that is not reproduced at the end, a mean over matrices and the last tenth.

    Raises:
        PrefactorError: the share is not finite.
    """
    device = model.U[0].device
    parameters = [*model.U, *model.V]
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimiser = torch.optim.Adam(parameters, lr=config.learning_rate)

    def lost(tokens: Tensor) -> Tensor:
        inputs = model.inputs(tokens)
        pairs = zip(model.sites, model.parts, model.input_of, strict=True)
        shares = [unexplained(part, weight_of(s.module), inputs[i].flatten(0, 1), config.top) for s, part, i in pairs]
        return torch.stack(shares).mean()

    flops = flops_of(lambda: lost(given(blocks[: config.batch], device)).backward())
    optimiser.zero_grad(set_to_none=True)
    shares: list[float] = []
    for step in track(range(config.steps), config.steps, "fit components", lambda: f"lost {shares[-1]:.4f}"):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * (0.55 + 0.45 * math.cos(math.pi * step / config.steps))
        rows = torch.randint(len(blocks), (config.batch,), generator=generator(seed, step, -4)).numpy()
        share = lost(given(blocks[rows], device))
        share.backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        cost.add(config.batch * blocks.shape[1], flops)
        shares.append(share.item())
        if not math.isfinite(shares[-1]):
            raise PrefactorError(
                f"decompose: the local loss is {shares[-1]} at step {step}: lower decompose.local.learning_rate"
            )
    last = shares[-max(1, len(shares) // 10) :]
    return sum(last) / len(last)


def unexplained(part: Subcomponents, weight: Tensor, x: Tensor, top: int) -> Tensor:
    """The share of ``‖W x‖²`` that the ``top`` subcomponents of each token leave, for ``x`` (token, d_in)."""
    y = x @ weight.T
    met = x @ part.V.T  # (token, C)
    size = (met * part.U.norm(dim=1)).abs().detach()
    acts = torch.zeros_like(met).scatter_(1, size.topk(min(top, met.shape[1]), dim=1).indices, 1.0)
    return (y - (met * acts) @ part.U).square().sum() / y.square().sum()

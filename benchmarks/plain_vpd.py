"""VPD in plain eager PyTorch, the way one writes it first, for the engine to be measured against.

The paper's algorithm as it is stated: per-position sources of the adversary with inner ascents, the stochastic and the
adversarial pass one after the other, every matrix on its own, Δ formed once a step, optimisers as they come. It shares
the target, the shape of the importance net and the initial values with the engine, and none of its training code.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from prefactor.config.training import TrainingConfig
from prefactor.model.matrices import weight_of
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet


class LowerLeaky(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(z)
        return torch.clamp(z, 0, 1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # type: ignore[override]
        (z,) = ctx.saved_tensors
        leak = torch.where(grad < 0, 0.01 * grad, torch.zeros_like(grad))
        return torch.where(z <= 0, leak, torch.where(z >= 1, torch.zeros_like(grad), grad))


def masked_logits(
    model: DecomposedModel, tokens: Tensor, masks: list[Tensor], rhos: list[Tensor], routes: list[Tensor] | None,
    deltas: list[Tensor],
) -> Tensor:  # fmt: skip
    def hook(i: int) -> Callable[..., Tensor]:
        def replace(module: Any, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
            x = args[0]
            new = (masks[i] * (x @ model.V[i].T)) @ model.U[i] + rhos[i][..., None] * (x @ deltas[i].T)
            if module.bias is not None:
                new = new + module.bias
            return new if routes is None else torch.where(routes[i][..., None], new, output)

        return replace

    handles = [site.module.register_forward_hook(hook(i)) for i, site in enumerate(model.sites)]
    try:
        return model.target(input_ids=tokens, use_cache=False).logits
    finally:
        for handle in handles:
            handle.remove()


def kl(target_logits: Tensor, logits: Tensor) -> Tensor:
    return F.kl_div(
        F.log_softmax(logits, -1).flatten(0, 1), F.log_softmax(target_logits, -1).flatten(0, 1), log_target=True,
        reduction="batchmean",
    )  # fmt: skip


def train_plain(
    model: DecomposedModel, net: ImportanceNet, blocks: np.ndarray, config: TrainingConfig, clip: float,
    after_step: Callable[[int], None] = lambda step: None,
) -> None:  # fmt: skip
    """Train components and net in place. Same losses, schedules and coefficients as ``prefactor.vpd.train``."""
    device = next(net.parameters()).device
    c, counts = config.coefficients, [site.count for site in model.sites]
    components = [*model.U, *model.V]
    for parameter in components:
        parameter.requires_grad_(True)
    optimiser = torch.optim.AdamW([*components, *net.parameters()], lr=config.learning_rate, weight_decay=0.0)
    rng = torch.Generator(device).manual_seed(config.seed)
    shape = (config.batch, blocks.shape[1])
    sources = [torch.rand(*shape, count, generator=rng, device=device).requires_grad_(True) for count in counts]
    sources += [torch.rand(shape, generator=rng, device=device).requires_grad_(True) for _ in counts]
    climb = config.adversary
    adversary = torch.optim.Adam(sources, lr=climb.learning_rate, betas=climb.betas, maximize=True)
    weights = sum(weight_of(site.module).numel() for site in model.sites)

    for step in range(config.steps):
        progress = step / config.steps
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * (0.55 + 0.45 * math.cos(math.pi * progress))
        rows = torch.randint(len(blocks), (config.batch,), generator=rng, device=device).cpu().numpy()
        tokens = torch.from_numpy(blocks[rows]).long().to(device)
        wanted, inputs = model.observe(tokens)
        z = net(inputs)
        g = LowerLeaky.apply(z).split(counts, -1)
        deltas = [weight_of(s.module) - U.T @ V for s, U, V in zip(model.sites, model.U, model.V, strict=True)]

        def adversarial_kl(g: Any, deltas: list[Tensor], tokens: Tensor = tokens, wanted: Tensor = wanted) -> Tensor:
            masks = [gi + (1 - gi) * r for gi, r in zip(g, sources, strict=False)]
            return kl(wanted, masked_logits(model, tokens, masks, sources[len(counts) :], None, deltas))

        for _ in range(config.adversary.ascents):
            adversary.zero_grad()
            fixed = [gi.detach() for gi in g]
            for source, grad in zip(
                sources, torch.autograd.grad(adversarial_kl(fixed, [d.detach() for d in deltas]), sources), strict=True
            ):
                source.grad = grad
            adversary.step()
            with torch.no_grad():
                for source in sources:
                    source.clamp_(0, 1)

        masks = [gi + (1 - gi) * torch.rand(gi.shape, generator=rng, device=device) for gi in g]
        rhos = [torch.rand(shape, generator=rng, device=device) for _ in counts]
        ranks = torch.rand(*shape, len(counts), generator=rng, device=device).argsort(-1)
        k = torch.randint(1, len(counts) + 1, (*shape, 1), generator=rng, device=device)
        stochastic = kl(wanted, masked_logits(model, tokens, masks, rhos, list((ranks < k).unbind(-1)), deltas))
        adversary.zero_grad()
        adversarial = adversarial_kl(g, deltas)

        upper = torch.where(z > 1, 1 + 0.01 * (z - 1), torch.clamp(z, min=0))
        sharpness = config.penalty.sharpness(progress)
        penalty = (upper + 1e-8) ** sharpness if config.penalty.kind == "lp" else upper**2 / (upper**2 + sharpness**2)
        mean, total = penalty.mean((0, 1)), penalty.sum((0, 1))
        loss = c.stochastic * stochastic + c.adversarial * adversarial + c.minimality * mean.sum()
        loss = loss + c.frequency * (mean * torch.log2(1 + total)).sum()
        loss = loss + c.faithfulness * sum(d.square().sum() for d in deltas) / weights
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(components, clip)
        optimiser.step()
        adversary.step()
        with torch.no_grad():
            for source in sources:
                source.clamp_(0, 1)
        after_step(step + 1)

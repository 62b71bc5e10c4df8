"""VPD once more, in float64 and as plainly as its formulas are written, to hold the engine against. For tests only.

Δ is formed, matrices are looped over, the two passes are two passes, and a clamp's gradient is the rule applied to a
gradient. Nothing of the engine is used but the target's modules and the net's weights.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

LEAK = 0.01


@dataclass
class Matrix:
    """One decomposed matrix W (d_out, d_in): U (C, d_out), V (C, d_in)."""

    module: Any  # nn.Linear
    U: Tensor
    V: Tensor

    @property
    def delta(self) -> Tensor:
        return self.module.weight - sum(torch.outer(u, v) for u, v in zip(self.U, self.V, strict=True))


def logits(target: Any, tokens: Tensor) -> Tensor:
    return target(input_ids=tokens, use_cache=False).logits


def masked_logits(
    target: Any, matrices: list[Matrix], tokens: Tensor, m: list[Tensor], rho: list[Tensor], route: list[Tensor]
) -> Tensor:
    """Each matrix's output is ``U^T (m ⊙ V x) + ρ Δ x + bias`` where it is routed, else the original's.

    A matrix's ``m`` is (batch, position, C), its ``rho`` and ``route`` are (batch, position).
    """
    originals = [matrix.module.forward for matrix in matrices]

    def replacement(i: int) -> Callable[[Tensor], Tensor]:
        matrix, delta = matrices[i], matrices[i].delta

        def forward(x: Tensor) -> Tensor:
            pairs = zip(m[i].unbind(-1), matrix.U, matrix.V, strict=True)
            new = sum((mask * (x @ v))[..., None] * u for mask, u, v in pairs)
            new = new + rho[i][..., None] * torch.einsum("oi,bpi->bpo", delta, x)
            if matrix.module.bias is not None:
                new = new + matrix.module.bias
            return torch.where(route[i][..., None], new, originals[i](x))

        return forward

    try:
        for i, matrix in enumerate(matrices):
            matrix.module.forward = replacement(i)  # type: ignore[method-assign]
        return logits(target, tokens)
    finally:
        for matrix, original in zip(matrices, originals, strict=True):
            matrix.module.forward = original  # type: ignore[method-assign]


def kl(target_logits: Tensor, other_logits: Tensor) -> Tensor:
    """KL(target ‖ other) at each position, averaged."""
    p, q = torch.softmax(target_logits, -1), torch.softmax(other_logits, -1)
    return (p * (p / q).log()).sum(-1).mean()


def lower_leaky_gradient(z: float, gradient: float) -> float:
    """What of ``gradient``, that of a loss by the mask's clamp, reaches the logit z."""
    if 0 < z < 1:
        return gradient
    if z <= 0:
        return LEAK * gradient if gradient < 0 else 0.0  # descent along a negative gradient increases z
    return 0.0


def upper_leaky(z: Tensor) -> Tensor:
    return torch.where(z <= 0, torch.zeros_like(z), torch.where(z >= 1, 1 + LEAK * (z - 1), z))


def annealed(start: float, end: float, until: float, step: int, steps: int) -> float:
    return start + (end - start) * min(1.0, step / steps / until)


def penalty(kind: str, g: Tensor, sharpness: float) -> Tensor:
    return (g + 1e-8) ** sharpness if kind == "lp" else g**2 / (g**2 + sharpness**2)


def minimalities(per_token: Tensor) -> tuple[Tensor, Tensor]:
    """Σ_c mean_c, and Σ_c mean_c log2(1 + sum_c), over batch and positions."""
    minimal, frequent = torch.zeros(()).double(), torch.zeros(()).double()
    for c in range(per_token.shape[-1]):
        values = per_token[..., c]
        minimal = minimal + values.mean()
        frequent = frequent + values.mean() * torch.log(1 + values.sum()) / math.log(2)
    return minimal, frequent


def faithfulness(matrices: list[Matrix]) -> Tensor:
    weights = sum(matrix.module.weight.numel() for matrix in matrices)
    return sum(((matrix.delta**2).sum() for matrix in matrices), torch.zeros(()).double()) / weights


def importance_logits(net: Any, inputs: list[Tensor]) -> Tensor:
    """The importance net's logits (batch, position, C) from the distinct inputs of the matrices."""

    def rms(x: Tensor, weight: Tensor | None = None, eps: float = torch.finfo(torch.float64).eps) -> Tensor:
        y = x / (x.square().mean(-1, keepdim=True) + eps).sqrt()
        return y if weight is None else y * weight

    def linear(layer: Any, x: Tensor) -> Tensor:
        y = torch.einsum("oi,bpi->bpo", layer.weight, x)
        return y if layer.bias is None else y + layer.bias

    x = linear(net.project, torch.cat([rms(x) for x in inputs], -1))
    width = x.shape[-1]
    each = width // net.heads
    for block in net.blocks:
        q, k, v = linear(block.qkv, rms(x, block.attend_norm.weight)).split(width, -1)
        attended = torch.zeros_like(x)
        for head in range(net.heads):
            part = slice(head * each, (head + 1) * each)
            scores = rope(q[..., part]) @ rope(k[..., part]).transpose(1, 2) / math.sqrt(each)
            attended[..., part] = torch.softmax(scores, -1) @ v[..., part]
        x = x + linear(block.out, attended)
        hidden = linear(block.up, rms(x, block.mlp_norm.weight))
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
        x = x + linear(block.down, hidden)
    return linear(net.head, rms(x, net.norm.weight))


def rope(x: Tensor) -> Tensor:
    """Rotate the pairs (i, i + width/2) of (batch, position, width) by position · 10000^(-2i/width)."""
    out, width = x.clone(), x.shape[-1]
    for position in range(x.shape[1]):
        for i in range(width // 2):
            angle = position * 10_000.0 ** (-2 * i / width)
            a, b = x[:, position, i], x[:, position, i + width // 2]
            out[:, position, i] = a * math.cos(angle) - b * math.sin(angle)
            out[:, position, i + width // 2] = a * math.sin(angle) + b * math.cos(angle)
    return out


@dataclass
class Source:
    """One group of sources and their Adam moments."""

    value: Tensor
    first: Tensor = field(init=False)
    second: Tensor = field(init=False)
    steps: int = 0

    def __post_init__(self) -> None:
        self.first, self.second = torch.zeros_like(self.value), torch.zeros_like(self.value)

    def ascend(self, gradient: Tensor, rate: float, betas: tuple[float, float]) -> None:
        self.steps += 1
        self.first = betas[0] * self.first + (1 - betas[0]) * gradient
        self.second = betas[1] * self.second + (1 - betas[1]) * gradient**2
        first, second = self.first / (1 - betas[0] ** self.steps), self.second / (1 - betas[1] ** self.steps)
        self.value = (self.value + rate * first / (second.sqrt() + 1e-12)).clamp(0, 1)


@dataclass
class Randomness:
    """What a step draws: r (batch, position, C), rho and route (batch, position, M)."""

    r: Tensor
    rho: Tensor
    route: Tensor


def step(
    target: Any, matrices: list[Matrix], net: Any, inputs_of: Callable[[Tensor], list[Tensor]], tokens: Tensor,
    r_bad: Source, rho_bad: Source, drawn: Randomness, config: Any, at: int,
) -> dict[str, Tensor]:  # fmt: skip
    """One step's terms; gradients are left on U, V and the net, and the sources have climbed."""
    c, counts = config.coefficients, [len(matrix.U) for matrix in matrices]
    with torch.no_grad():
        wanted, inputs = logits(target, tokens), inputs_of(tokens)
    z = importance_logits(net, inputs)
    g = z.detach().clamp(0, 1).requires_grad_(True)  # the clamp's own rule is applied below

    def divergence(r: Tensor, rho: Tensor, route: Tensor, importance: Tensor) -> Tensor:
        m = (importance + (1 - importance) * r).split(counts, -1)
        rhos, routes = rho.unbind(-1), route.unbind(-1)
        return kl(wanted, masked_logits(target, matrices, tokens, list(m), list(rhos), list(routes)))

    everywhere = torch.ones_like(drawn.route)
    for last in [False] * config.adversary.ascents + [True]:
        r = r_bad.value.clone().requires_grad_(True)
        rho = rho_bad.value.clone().requires_grad_(True)
        adversarial = divergence(r, rho, everywhere, g)
        gradients = torch.autograd.grad(adversarial, [r, rho], retain_graph=last)
        for source, gradient in zip((r_bad, rho_bad), gradients, strict=True):
            source.ascend(gradient, config.adversary.learning_rate, config.adversary.betas)
    stochastic = divergence(drawn.r, drawn.rho, drawn.route, g)
    p = config.penalty
    per_token = penalty(p.kind, upper_leaky(z), annealed(p.start, p.end, p.until, at, config.steps))
    minimal, frequent = minimalities(per_token)
    delta = faithfulness(matrices)
    reconstruction = c.stochastic * stochastic + c.adversarial * adversarial
    (by_g,) = torch.autograd.grad(reconstruction, g, retain_graph=True)
    pairs = zip(z.flatten().tolist(), by_g.flatten().tolist(), strict=True)
    by_z = torch.tensor([lower_leaky_gradient(*pair) for pair in pairs], dtype=z.dtype)
    z.backward(by_z.view_as(z), retain_graph=True)
    (reconstruction + c.minimality * minimal + c.frequency * frequent + c.faithfulness * delta).backward()
    return {
        "stochastic": stochastic, "adversarial": adversarial, "minimality": minimal, "frequency": frequent,
        "faithfulness": delta, "l0": (z > 0).sum() / z[..., 0].numel(),
    }  # fmt: skip


def other_step(
    target: Any, matrices: list[Matrix], net: Any, inputs_of: Callable[[Tensor], list[Tensor]], tokens: Tensor,
    r: Tensor, objective: Any, config: Any, at: int,
) -> dict[str, Tensor]:  # fmt: skip
    """The pass over the other stream of a targeted decomposition; its gradients are added to those on U, V and the net.

    Δ is never masked, every matrix is routed, and r (batch, position, C) masks the components.
    """
    counts = [len(matrix.U) for matrix in matrices]
    with torch.no_grad():
        wanted, inputs = logits(target, tokens), inputs_of(tokens)
    z = importance_logits(net, inputs)
    g = z.detach().clamp(0, 1).requires_grad_(True)  # the clamp's own rule is applied below
    m = list((g + (1 - g) * r).split(counts, -1))
    one = [torch.ones(tokens.shape, dtype=z.dtype) for _ in matrices]
    stochastic = kl(wanted, masked_logits(target, matrices, tokens, m, one, [each.bool() for each in one]))
    p = config.penalty
    minimal, _ = minimalities(penalty(p.kind, upper_leaky(z), annealed(p.start, p.end, p.until, at, config.steps)))
    (by_g,) = torch.autograd.grad(objective.stochastic * stochastic, g, retain_graph=True)
    pairs = zip(z.flatten().tolist(), by_g.flatten().tolist(), strict=True)
    by_z = torch.tensor([lower_leaky_gradient(*pair) for pair in pairs], dtype=z.dtype)
    z.backward(by_z.view_as(z), retain_graph=True)
    (objective.stochastic * stochastic + objective.minimality * minimal).backward()
    return {
        "other_stochastic": stochastic, "other_minimality": minimal, "other_l0": (z > 0).sum() / z[..., 0].numel(),
    }  # fmt: skip

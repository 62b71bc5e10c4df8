"""The net that predicts, from the target's activations, which subcomponents each token needs."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prefactor.machine.exact import exact_device


class _LowerLeaky(torch.autograd.Function):
    """clamp(z, 0, 1); below 0 a hundredth of the gradient passes, and only where it asks for an increase."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(z)
        return z.clamp(0, 1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # type: ignore[override]
        (z,) = ctx.saved_tensors
        inside = torch.ops.aten.hardtanh_backward(grad, z, 0.0, 1.0)  # one sweep: grad where 0 < z < 1, else 0
        below = grad.clamp(max=0).masked_fill_(z > 0, 0.0)
        return inside.add_(below, alpha=0.01)


def lower_leaky(z: Tensor) -> Tensor:
    """Causal importance ``g`` in [0, 1] for the masks, from logits of any shape."""
    return _LowerLeaky.apply(z)  # type: ignore[no-any-return]


def upper_leaky(z: Tensor) -> Tensor:
    """Causal importance for the penalties: slope 1 in [0, 1], 0.01 above 1, none below 0."""
    return torch.add(F.hardtanh(z, 0.0, 1.0), F.relu(z - 1), alpha=0.01)


class ImportanceNet(nn.Module):
    """RMS-normalised inputs of all matrices -> bidirectional transformer -> a logit a subcomponent.

    Args:
        input_widths: d_in of each distinct input.
        subcomponents: C.
        width, blocks, heads: of the transformer.
    """

    def __init__(self, input_widths: list[int], subcomponents: int, width: int, blocks: int, heads: int):
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.project = nn.Linear(sum(input_widths), width)
        self.blocks = nn.ModuleList([_Block(width, heads) for _ in range(blocks)])
        self.norm = nn.RMSNorm(width)
        self.head = nn.Linear(width, subcomponents)

    def forward(self, inputs: list[Tensor]) -> Tensor:
        """Logits (batch, position, C) from the distinct inputs, each (batch, position, d_in)."""
        x = self.project(torch.cat([F.rms_norm(x, x.shape[-1:]) for x in inputs], dim=-1))
        rotation = _rotation(x.shape[1], self.head_width, x)
        for block in self.blocks:
            x = block(x, rotation)
        return self.head(self.norm(x))

    @torch.no_grad()
    def initialise(self, rng: torch.Generator) -> "ImportanceNet":
        """Draw every weight from ``rng``; the head starts at 0.5, where every subcomponent is half needed."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                module.weight.copy_(torch.randn(module.weight.shape, generator=rng) * module.in_features**-0.5)
                if module.bias is not None:
                    module.bias.zero_()
        self.head.weight.mul_(0.1)
        self.head.bias.fill_(0.5)
        return self


class _Block(nn.Module):
    """Pre-norm attention over all positions, both ways, then a GELU MLP."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.attend_norm, self.mlp_norm = nn.RMSNorm(width), nn.RMSNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        batch, positions, width = x.shape
        qkv = self.qkv(self.attend_norm(x)).view(batch, positions, 3, self.heads, self.head_width)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(_rotate(q, rotation), _rotate(k, rotation), v)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, positions, width))
        return x + self.down(F.gelu(self.up(self.mlp_norm(x))))


def _rotation(positions: int, head_width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines (position, head_width / 2) of RoPE with base 10,000; exact angles, then ``like``'s type."""
    device = exact_device(like.device)
    frequency = 10_000.0 ** (-torch.arange(0, head_width, 2, device=device, dtype=torch.float64) / head_width)
    angle = torch.arange(positions, device=device)[:, None] * frequency
    return angle.cos().to(like), angle.sin().to(like)


def _rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    cos, sin = rotation
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)

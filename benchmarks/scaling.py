"""What does a decomposition cost at other sizes? ``python -m benchmarks.scaling``

Plans floating-point operations, parameters and the large tensors of a step from shapes alone, holds the plan against
what torch counts and the process allocates on small targets, and prints the tables of ``docs/scaling.md``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.engine import peak_memory
from prefactor.config.decompose import DecomposeConfig
from prefactor.config.training import PRESETS, AdversaryConfig, Penalty, TrainingConfig
from prefactor.files.cost import Cost
from prefactor.model.matrices import matrices, shape_of
from prefactor.vpd.start import start_decomposition
from prefactor.vpd.train import train

F32 = 4  # bytes
SUSTAINED = 2e14  # FLOPs a second of one device: an assumption, a fifth of what an H100 is specified at in bf16


@dataclass(frozen=True)
class Plan:
    """A target's decomposed matrices (d_out, d_in, C), its vocabulary and width, the importance net, and a step."""

    matrices: Sequence[tuple[int, int, int]]
    width: int
    vocabulary: int
    net_width: int
    net_blocks: int
    rows: int
    positions: int
    pooled: bool = True

    @property
    def tokens(self) -> int:
        return self.rows * self.positions

    @property
    def subcomponents(self) -> int:
        return sum(C for _, _, C in self.matrices)

    @property
    def component_parameters(self) -> int:
        return sum(C * (d_out + d_in) for d_out, d_in, C in self.matrices)

    @property
    def net_parameters(self) -> int:
        # Inputs: q, k and v share theirs, and so do gate and up, hence about d_in of four matrices of seven.
        inputs = sum(d_in for _, d_in, _ in self.matrices) * 4 // 7
        return inputs * self.net_width + 12 * self.net_width**2 * self.net_blocks + self.net_width * self.subcomponents

    @property
    def weights(self) -> int:
        return sum(d_out * d_in for d_out, d_in, _ in self.matrices)

    def flops(self) -> float:
        """Of one step without inner ascents.

        A token goes through the target and the net (forward and backward), and twice, once a half, through the masked
        model: the matrices themselves (forward, and backward to their input) and the components (forward, and backward
        to input and parameters). ``U^T V`` for the faithfulness is formed once a step, whatever the batch.
        """
        frozen = self.weights + self.width * self.vocabulary
        a_token = 2 * frozen + 6 * self.net_parameters + 2 * (4 * frozen + 6 * self.component_parameters)
        once = 6 * sum(C * d_out * d_in for d_out, d_in, C in self.matrices)
        return float(a_token * self.tokens + once)

    def memory(self) -> dict[str, float]:
        """GiB by what it is for, float32 throughout."""
        masks = self.tokens * self.subcomponents * F32
        trained = (self.component_parameters + self.net_parameters) * F32
        slots = self.rows if self.pooled else self.tokens
        found = {
            "target": (self.weights + 2 * self.width * self.vocabulary) * F32,
            "parameters, gradients, Adam": 4 * trained,
            "adversary": 3 * slots * self.subcomponents * F32,
            # Fourteen can be named (logit, importance, source, penalty and gradients; mask, activation and products of
            # both halves); that the backward pass holds eleven more at its peak is measured, see the check.
            "masks and what autograd keeps of them": 25 * masks,
            "logits": 2 * 4 * self.tokens * self.vocabulary * F32,
        }
        return {name: size / 2**30 for name, size in found.items()}


def llama(layers: int, width: int, mlp: int, key_width: int, per_rank: float) -> list[tuple[int, int, int]]:
    """The seven matrices of each layer, with ``per_rank`` times their rank of subcomponents."""
    shapes = [
        (width, width),
        (key_width, width),
        (key_width, width),
        (width, width),
        (mlp, width),
        (mlp, width),
        (width, mlp),
    ]
    return [(o, i, round(per_rank * min(o, i))) for o, i in shapes] * layers


def checked(layers: int, width: int, mlp: int, rows: int, positions: int) -> list[str]:
    """A row of the check: a small target's step as planned, and as torch counts and allocates it."""
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=2048, hidden_size=width, intermediate_size=mlp, num_hidden_layers=layers, num_attention_heads=4,
        max_position_embeddings=positions,
    )  # fmt: skip
    target: Any = LlamaForCausalLM(shape).eval()
    training = TrainingConfig(
        steps=3, batch=rows, learning_rate=1e-3, seed=0, coefficients=PRESETS["vpd"],
        penalty=Penalty(kind="smooth-l0", start=1.0, end=0.02),
        adversary=AdversaryConfig(scope="pooled", ascents=0, learning_rate=0.01),
    )  # fmt: skip
    config = DecomposeConfig.model_validate(
        {"net": {"width": 128, "blocks": 2, "heads": 4}, "clip": 0.01, "training": training.model_dump()}
    )
    blocks = np.random.default_rng(0).integers(0, 2048, (8, positions)).astype(np.int32)
    cost = Cost()

    def run() -> None:
        model, net = start_decomposition(target, config, matrices(target), torch.device("cpu"))
        train(model, net, blocks, training, cost, clip=0.01, what="count")

    run()  # so that what libraries allocate once is not counted
    cost.flops = 0.0
    allocated = peak_memory(run, torch.device("cpu"))
    sites = [(*shape_of(m), 2 * min(shape_of(m))) for m in matrices(target).values()]
    plan = Plan(sites, width, 2048, 128, 2, rows, positions)
    flops, memory = cost.flops / training.steps, plan.memory()
    planned = 1024 * (sum(memory.values()) - memory["target"])
    figures = [
        f"{plan.flops() / 1e9:.2f}",
        f"{plan.flops() / flops:.2f}",
        f"{planned:.0f}",
        f"{planned / allocated:.2f}",
    ]
    return [str(layers), str(width), f"{rows} × {positions}", *figures]


def on_devices(name: str, plan: Plan, devices: int) -> list[str]:
    """A row of the plan for so many devices, one block or more on each, data parallel and sharded."""
    rows = max(plan.rows, devices)
    mine = replace(plan, rows=rows // devices).memory()
    state = mine.pop("parameters, gradients, Adam")
    rest = sum(mine.values())
    flops = replace(plan, rows=rows).flops() / devices
    trained = (plan.component_parameters + plan.net_parameters) * F32
    seconds = flops / SUSTAINED
    figures = [f"{rest + state:.0f}", f"{rest + state / devices:.0f}", f"{trained / 2**30:.1f}", f"{seconds:.2f}"]
    return [name, str(devices), str(rows), *figures, f"{1e5 * seconds / 86400:.1f}"]


def main() -> None:
    console = Console()
    check = Table("layers", "width", "blocks × tokens", "GFLOP", "planned / counted", "MiB", "planned / measured")
    for small in ((2, 64, 172, 4, 64), (4, 64, 172, 1, 64), (2, 128, 344, 4, 128), (2, 256, 688, 8, 128)):
        check.add_row(*checked(*small))
    console.print(check)

    plans = {
        "67M (4 × 768), C as the paper": Plan(
            [(768, 768, 512)] * 8 + [(768, 768, 1024)] * 8 + [(3072, 768, 3072), (768, 3072, 3584)] * 4,
            768, 50277, 1024, 4, 16, 512,
        ),
        "1B (16 × 2048), rank": Plan(llama(16, 2048, 8192, 512, 1.0), 2048, 128256, 2048, 4, 16, 512),
        "8B (32 × 4096), rank": Plan(llama(32, 4096, 14336, 1024, 1.0), 4096, 128256, 4096, 4, 16, 512),
    }  # fmt: skip
    parts = list(next(iter(plans.values())).memory())
    table = Table("target", "C", "trained", "TFLOP a step", *parts, title="16 blocks of 512 tokens a step, GiB")
    devices = Table(
        "target", "devices", "blocks", "GiB each", "GiB each, sharded", "GiB of gradients", "s a step", "days"
    )
    for name, plan in plans.items():
        trained = plan.component_parameters + plan.net_parameters
        cells = [f"{plan.subcomponents:,}", f"{trained / 1e6:,.0f}M", f"{plan.flops() / 1e12:.1f}"]
        table.add_row(name, *cells, *(f"{size:.1f}" for size in plan.memory().values()))
        for count in (1, 8, 64):
            devices.add_row(*on_devices(name, plan, count))
    console.print(table)
    console.print(devices)
    console.print(
        f"s a step: at {SUSTAINED / 1e12:.0f} TFLOP a second sustained, without communication; days: 100,000 steps"
    )


if __name__ == "__main__":
    main()

"""How fast is the decomposition engine on a GPU? ``sh benchmarks/gpu.sh [--dry]``

Steps a second of the plain trainer (``plain_vpd.py``) and of the engine in float32, in bfloat16 and compiled, side by
side in one process; how much of a step the device is busy, and which share of that are matrix products; memory at peak.
On random targets, so that nothing has to be fetched: the paper's shape (four layers of width 768, 38,912
subcomponents) and that of Gemma-3-270M with three matrices decomposed and its vocabulary cut, as ``gemma.yaml`` does.
``--dry`` runs the same on the CPU with tiny shapes, to see that it works; it measures nothing.
"""

import argparse
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from benchmarks.common import KEPT, compiled, markdown
from benchmarks.engine import (
    FAST,
    PAPER,
    PAPER_COUNTS,
    PAPER_MODULES,
    Stopwatch,
    engine_steps,
    plain_steps,
    random_target,
)  # fmt: skip
from prefactor.config.decompose import DecomposeConfig, NetConfig
from prefactor.config.training import TrainingConfig
from prefactor.machine.runtime import setup
from prefactor.model.matrices import matrices
from prefactor.vpd.start import start_decomposition

RESULT = KEPT / "gpu.md"
PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm", "aten::_scaled_dot_product", "aten::baddbmm")
TRAINERS = ("plain", "float32", "bfloat16", "bfloat16, compiled")
WARM_UP = 5  # steps that are not counted
PROFILED = 2  # steps


@dataclass(frozen=True)
class Shape:
    """What is decomposed: a random target, which of its matrices, into how many subcomponents, on which blocks."""

    name: str
    target: Any
    modules: str
    subcomponents: Any
    batch: int
    positions: int
    net: NetConfig


def shapes(dry: bool) -> list[Shape]:
    if dry:
        llama, gemma = random_target(2, 32, 64, 16, 48), _gemma(2, 32, 64, 16)
        net = NetConfig(width=16, blocks=1, heads=2)
        return [Shape("768 wide", llama, ".*", 8, 2, 16, net), Shape("Gemma", gemma, r"layers\.1\..*", 8, 2, 16, net)]
    net = NetConfig(width=512, blocks=4, heads=8)
    wide = random_target(4, 768, 50_304, 512, 3072)
    sites = r"layers\.14\.(self_attn\.o_proj|mlp\.(up|down)_proj)"
    return [
        Shape("768 wide", wide, PAPER_MODULES, PAPER_COUNTS, 8, 512, net),
        Shape("Gemma", _gemma(18, 640, 51_313, 512), sites, 512, 8, 512, NetConfig(width=192, blocks=2, heads=4)),
    ]


def _gemma(layers: int, width: int, vocabulary: int, positions: int) -> Any:
    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=width * 16 // 5, num_hidden_layers=layers,
        num_attention_heads=4, num_key_value_heads=1, head_dim=max(8, width * 2 // 5),
        max_position_embeddings=positions,
    )  # fmt: skip
    return Gemma3ForCausalLM(config).eval().requires_grad_(False)


class Profiling(Stopwatch):
    """Starts ``profiler`` after the first step, so that what comes before it is left out."""

    def __init__(self, device: torch.device, profiler: profile) -> None:
        super().__init__(device)
        self.profiler = profiler

    def __call__(self, step: int) -> None:
        super().__call__(step)
        if len(self.seconds) == 1:
            self.profiler.start()


class Started:
    """The untrained decomposition of a shape, made once: every run begins with it."""

    def __init__(self, shape: Shape, device: torch.device) -> None:
        shape.target.to(device)
        config = config_of(shape, "float32", steps=1)
        self.model, self.net = start_decomposition(shape.target, config, matrices(shape.target, config.modules), device)
        self.values = [value.detach().clone() for value in self._parameters()]

    def _parameters(self) -> list[torch.Tensor]:
        return [*self.model.U, *self.model.V, *self.net.parameters()]

    @torch.no_grad()
    def again(self) -> tuple[Any, Any]:
        for parameter, value in zip(self._parameters(), self.values, strict=True):
            parameter.copy_(value)
            parameter.grad = None
        return self.model, self.net


def config_of(shape: Shape, how: str, steps: int) -> DecomposeConfig:
    recipe = PAPER if how == "plain" else FAST
    precision = "bfloat16" if how.startswith("bfloat16") else "float32"
    own = {"batch": shape.batch, "steps": steps, "seed": 0, "precision": precision}
    return DecomposeConfig.model_validate(
        {"modules": shape.modules, "subcomponents": shape.subcomponents, "net": shape.net, "clip": 0.01,
         "training": TrainingConfig.model_validate({**recipe, **own}), "initial": "random"}
    )  # fmt: skip


def measured(shape: Shape, started: Started, how: str, steps: int, device: torch.device) -> dict[str, str]:
    """A row: ``how`` is one of ``TRAINERS``."""
    vocabulary = shape.target.get_input_embeddings().weight.shape[0]
    blocks = np.random.default_rng(0).integers(0, vocabulary, (64, shape.positions)).astype(np.int32)
    train = plain_steps if how == "plain" else engine_steps
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device.type == "cuda" else [])
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with compiled() if how.endswith("compiled") else nullcontext():
        seconds = train(*started.again(), config_of(shape, how, steps), blocks, Stopwatch(device))
        peak = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else 0.0
        profiler = profile(activities=activities)  # what is compiled is compiled by now
        train(*started.again(), config_of(shape, how, 1 + PROFILED), blocks, Profiling(device, profiler))
        profiler.stop()
    # On a GPU kernels are listed too, whose time the operations that launched them have already.
    events = [event for event in profiler.key_averages() if event.device_type.name == "CPU"]
    on_gpu = device.type == "cuda"
    spent = {event.key: event.self_device_time_total if on_gpu else event.self_cpu_time_total for event in events}
    products = sum(time for key, time in spent.items() if key.startswith(PRODUCTS))
    step = median(seconds[WARM_UP:])
    return {
        "target": shape.name,
        "trainer": how,
        "steps a second": f"{1 / step:.2f}",
        "device busy": f"{100 * sum(spent.values()) / 1e6 / PROFILED / step:.0f} %",
        "share of matrix products": f"{100 * products / sum(spent.values()):.0f} %",
        "GiB at peak": f"{peak:.1f}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry", action="store_true", help="tiny shapes on the CPU; measures nothing")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--only", help="targets whose name begins so")
    arguments = parser.parse_args()
    device = setup()
    if arguments.dry:
        device = torch.device("cpu")
    if device.type != "cuda" and not arguments.dry:
        sys.exit("this measures a GPU, and there is none here: --dry tries the code on the CPU")
    steps = WARM_UP + (3 if arguments.dry else arguments.steps)
    rows = []
    for shape in shapes(arguments.dry):
        if not shape.name.startswith(arguments.only or ""):
            continue
        started = Started(shape, device)
        for how in TRAINERS:
            rows.append(measured(shape, started, how, steps, device))
            print(*rows[-1].values(), sep="  ", flush=True)
    lines = markdown(rows)
    if arguments.dry:
        return
    card = f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}, `sh benchmarks/gpu.sh`"
    text = ["# On a GPU", "", f"{card}; the plain trainer does the paper's two inner ascents, the engine none.", ""]
    KEPT.mkdir(parents=True, exist_ok=True)
    RESULT.write_text("\n".join([*text, *lines, ""]), encoding="utf-8")
    print(f"written: {RESULT}")


if __name__ == "__main__":
    main()

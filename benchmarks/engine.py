"""How fast is the decomposition engine? ``python -m benchmarks.engine [PART ...]``, all parts if none is named

Compares ``prefactor.vpd`` with the plain formulation (``plain_vpd.py``) in one process, in ratios:

* same: steps a second and peak memory at the identical algorithm;
* quality64, quality128: seconds until PGD-20 KL and L0 on held-out text are both as low as where the plain one ends;
* shapes: steps a second at width 256 and at the paper's shape (4 layers of width 768, 38,912 subcomponents);
* growth: seconds a step against tokens, subcomponents and layers;
* compiled: steps a second with ``torch.compile`` and without.

Text is the corpus of the last run (``make run`` first). Targets are trained here and kept under ``.runs/bench``.
"""

import contextlib
import ctypes
import gc
import json
import platform
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.common import KEPT, Text, compiled, decomposition, quality
from benchmarks.plain_vpd import train_plain
from prefactor.config.decompose import DecomposeConfig
from prefactor.config.target import TrainTarget
from prefactor.config.training import AdversaryConfig, Coefficients, Penalty
from prefactor.files.cost import Cost
from prefactor.machine.runtime import setup
from prefactor.model.matrices import matrices
from prefactor.model.target import read_target
from prefactor.model.train import train_target
from prefactor.vpd.start import start_decomposition
from prefactor.vpd.train import train
from stages.common import section

COEFFICIENTS = Coefficients(stochastic=0.5, adversarial=0.5, minimality=1e-4, frequency=4e-4, faithfulness=3e5)
# The paper's: two inner ascents by position, |g|^p with p from 2; its batch of blocks and rate as they do best here.
PAPER = {
    "adversary": AdversaryConfig(scope="position", ascents=2, learning_rate=0.01),
    "penalty": Penalty(kind="lp", start=2.0, end=0.4),
    "batch": 4,
    "learning_rate": 6e-3,
    "betas": (0.9, 0.999),
    "coefficients": COEFFICIENTS,
}
# The engine's: no inner ascents, a faster adversary and Adam, smooth L0, smaller batches; to quality it also starts
# from the singular directions (``SINGULAR``). The default of params.yaml starts from random ones, at rate 1e-2.
FAST = {
    "adversary": AdversaryConfig(scope="position", ascents=0, learning_rate=0.04),
    "penalty": Penalty(kind="smooth-l0", start=1.0, end=0.01, until=0.9),
    "batch": 2,
    "learning_rate": 7e-3,
    "betas": (0.9, 0.95),
    "coefficients": COEFFICIENTS,
}
RANDOM = {"initial": "random", "subcomponents": "auto"}
SINGULAR = {"initial": "singular", "subcomponents": "auto"}
# Steps of the engine's runs, in those of the plain one.
LENGTHS = (0.6, 0.7, 0.8, 0.95, 1.2, 1.6, 2.2)
# Subcomponents a matrix of the paper's 67M target: 9,728 a layer.
PAPER_COUNTS = {
    r".*\.[qk]_proj": 512, r".*\.[vo]_proj": 1024, r".*\.up_proj": 3072, r".*\.down_proj": 3584,
}  # fmt: skip
PAPER_MODULES = r".*(self_attn\..*|up_proj|down_proj)"

console = Console()


def trained_target(width: int, text: Text) -> Any:
    """A two-layer target of this width, trained as the default's."""
    folder = KEPT / f"width{width}"
    if not folder.exists():
        config = TrainTarget(
            source="train", layers=2, width=width, heads=4, mlp_width=172 * width // 64, steps=1000, batch=32,
            learning_rate=6e-3,
        )  # fmt: skip
        train_target(config, text.vocabulary, text.train, 0, Cost(), text.device).save_pretrained(folder)
    return read_target(folder, text.device)


def random_target(layers: int, width: int, vocabulary: int, positions: int, mlp: int) -> Any:
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=mlp, num_hidden_layers=layers,
        num_attention_heads=max(4, width // 64), max_position_embeddings=positions,
    )  # fmt: skip
    return LlamaForCausalLM(shape).eval().requires_grad_(False)


class Stopwatch:
    """Seconds of every step, none of them spent on what is done between two.

    On the CPU those of this process (one thread), so that other work on the machine does not count.
    """

    def __init__(self, device: torch.device):
        self.device, self.seconds, self.since = device, list[float](), 0.0

    def start(self) -> None:
        self._wait()
        self.since = self._now()

    def __call__(self, step: int) -> None:
        self._wait()
        self.seconds.append(self._now() - self.since)
        self.since = self._now()

    def _now(self) -> float:
        return time.perf_counter() if self.device.type == "cuda" else time.process_time()

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def run_plain(target: Any, config: DecomposeConfig, blocks: np.ndarray, device: torch.device) -> tuple[Any, Any, list]:
    model, net = start_decomposition(target, config, matrices(target, config.modules), device)
    return model, net, plain_steps(model, net, config, blocks, Stopwatch(device))


def run_engine(target: Any, config: DecomposeConfig, blocks: np.ndarray, device: torch.device) -> tuple[Any, Any, list]:
    model, net = start_decomposition(target, config, matrices(target, config.modules), device)
    return model, net, engine_steps(model, net, config, blocks, Stopwatch(device))


def plain_steps(model: Any, net: Any, config: DecomposeConfig, blocks: np.ndarray, watch: Stopwatch) -> list[float]:
    """Train with the plain trainer; seconds of every step."""
    watch.start()
    train_plain(model, net, blocks, config.training, config.clip, watch)
    return watch.seconds


def engine_steps(model: Any, net: Any, config: DecomposeConfig, blocks: np.ndarray, watch: Stopwatch) -> list[float]:
    """Train with the engine; seconds of every step."""
    watch.start()
    train(model, net, blocks, config.training, Cost(), clip=config.clip, what="engine", after_step=watch)
    return watch.seconds


def peak_memory(run: Callable[[], Any], device: torch.device) -> float:
    """MiB that ``run`` adds at its peak: of the GPU, or of this process where it can be asked (Linux)."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # else the second run would live in what the first has freed
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    except OSError:
        return float("nan")
    before = _status("VmRSS")
    run()
    return (_status("VmHWM") - before) / 2**10


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def bench_same(config: DecomposeConfig, text: Text) -> dict[str, Any]:
    """The same algorithm in both, turn by turn, so that whatever else runs here slows both."""
    target = trained_target(64, text)
    ratios, memory = [], []
    for seed in range(3):
        once = decomposition(config, seed=seed, steps=25, **PAPER)
        plain = median(run_plain(target, once, text.blocks, text.device)[2][5:])
        engine = median(run_engine(target, once, text.blocks, text.device)[2][5:])
        ratios.append(plain / engine)
        few = decomposition(config, seed=seed, steps=5, **PAPER)
        used = [
            peak_memory(partial(_few_steps, run, target, few, text.blocks, text.device, []), text.device)
            for run in (run_plain, run_engine)
        ]
        memory.append(used[1] / used[0])
    report("identical algorithm", ["seed", "steps a second, engine / plain", "peak memory, engine / plain"],
           [[s, f"{r:.2f}", f"{m:.2f}"] for s, (r, m) in enumerate(zip(ratios, memory, strict=True))]
           + [["median", f"{median(ratios):.2f}", f"{median(memory):.2f}"]])  # fmt: skip
    return {"speed": ratios, "memory": memory}


def bench_quality(config: DecomposeConfig, text: Text, width: int, seeds: int, steps: int) -> dict[str, Any]:
    """Engine runs of growing length until one ends at least as good as the plain one, in both figures at once."""
    target = trained_target(width, text)
    rows, ratios = [], []
    for seed in range(seeds):
        plain_config = decomposition(config, seed=seed, steps=steps, **PAPER)
        model, net, seconds = run_plain(target, plain_config, text.blocks, text.device)
        bar, budget = quality(model, net, text.held_out), sum(seconds)
        rows.append([width, seed, "plain", steps, f"{budget:.0f}", *(f"{v:.3g}" for v in bar.values()), ""])
        console.print(*rows[-1])
        for length in (round(ratio * steps) for ratio in LENGTHS):
            short = decomposition(config.model_copy(update=SINGULAR), seed=seed, steps=length, **FAST)
            model, net, seconds = run_engine(target, short, text.blocks, text.device)
            found, spent = quality(model, net, text.held_out), sum(seconds)
            reached = found["pgd20"] <= bar["pgd20"] and found["l0"] <= bar["l0"]
            ratio = f"{spent / budget:.3f}" if reached else "not yet"
            rows.append([width, seed, "engine", length, f"{spent:.0f}", *(f"{v:.3g}" for v in found.values()), ratio])
            console.print(*rows[-1])
            if reached:
                ratios.append(spent / budget)
                break
    columns = ["width", "seed", "", "steps", "seconds", "PGD-20 KL", "L0", "stochastic KL", "of plain"]
    report("time to equal quality", columns, rows)
    if ratios:
        console.print(f"width {width}: median {median(ratios):.3f} of the plain one's time, {len(ratios)} seeds")
    return {"rows": rows, "ratios": ratios}


def bench_shapes(config: DecomposeConfig, device: torch.device) -> dict[str, Any]:
    rows = []
    big = device.type == "cuda"
    paper = (16, 512) if big else (1, 64)
    small = random_target(2, 256, 2048, 128, 688)
    large = random_target(4, 768, 8192, 512, 3072)
    for name, target, changes, (batch, positions) in (
        ("width 256, 2 layers", small, {}, (4, 64)),
        ("width 768, 4 layers", large, {"subcomponents": PAPER_COUNTS, "modules": PAPER_MODULES}, paper),
    ):
        blocks = np.random.default_rng(0).integers(0, 2048, (64, positions)).astype(np.int32)
        shape, found = config.model_copy(update=changes), []
        for run, how in ((run_plain, PAPER), (run_engine, PAPER), (run_engine, FAST)):
            few = decomposition(shape, seed=0, steps=12 if big else 4, **how | {"batch": batch})
            seconds: list[float] = []
            measured = partial(_few_steps, run, target.to(device), few, blocks, device, seconds)
            memory = peak_memory(measured, device)
            found.append((median(seconds[1:]), memory))
        plain, same, fast = found
        ratios = [plain[0] / same[0], same[1] / plain[1], plain[0] / fast[0], fast[1] / plain[1]]
        rows.append([name, batch * positions, f"{plain[0]:.2f}", *(f"{ratio:.2f}" for ratio in ratios)])
    report("shapes", ["target", "tokens a step", "plain, s a step", "engine, same algorithm: speed", "memory",
                      "engine, no ascents: speed", "memory"], rows)  # fmt: skip
    return {"rows": rows}


def _few_steps(
    run: Callable[..., tuple[Any, Any, list]], target: Any, config: DecomposeConfig, blocks: np.ndarray,
    device: torch.device, seconds: list[float],
) -> None:  # fmt: skip
    seconds += run(target, config, blocks, device)[2]


def bench_growth(config: DecomposeConfig, device: torch.device) -> dict[str, Any]:
    """Seconds a step of the engine, one thing doubled at a time."""
    rows = []
    doubled = {"blocks of 64 tokens": (1, 2, 4, 8), "subcomponents": (96, 192, 384), "layers": (1, 2, 4)}
    for what, values in doubled.items():
        for value in values:
            batch = value if what.startswith("blocks") else 2
            count = value if what == "subcomponents" else 192
            target = random_target(value if what == "layers" else 2, 64, 2048, 64, 172).to(device)
            shape = config.model_copy(update={"subcomponents": count})
            blocks = np.random.default_rng(0).integers(0, 2048, (64, 64)).astype(np.int32)
            _, _, seconds = run_engine(
                target, decomposition(shape, seed=0, steps=20, batch=batch, **FAST), blocks, device
            )
            rows.append([what, value, f"{1000 * median(seconds[5:]):.0f}"])
    report("growth", ["what", "value", "ms a step"], rows)
    return {"rows": rows}


def bench_compiled(config: DecomposeConfig, device: torch.device) -> dict[str, Any]:
    """The engine with parts of it compiled, and as it is, turn by turn."""
    rows = []
    for width, mlp, count in ((64, 172, 64), (256, 688, 256)):
        target = random_target(2, width, 16 * width, 64, mlp).to(device)
        blocks = np.random.default_rng(0).integers(0, 16 * width, (64, 64)).astype(np.int32)
        shape = decomposition(config.model_copy(update={"subcomponents": count}), seed=0, steps=25, **FAST)
        ratios = []
        for _ in range(5):
            plain = median(run_engine(target, shape, blocks, device)[2][10:])
            with compiled():
                ratios.append(plain / median(run_engine(target, shape, blocks, device)[2][10:]))
        rows.append([width, f"{median(ratios):.2f}", " ".join(f"{ratio:.2f}" for ratio in sorted(ratios))])
    report("compiled", ["width", "steps a second, compiled / not: median", "of five"], rows)
    return {"rows": rows}


def report(title: str, columns: list[str], rows: list[list[Any]]) -> None:
    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*map(str, row))
    console.print(table)


def main(parts: list[str]) -> None:
    device = setup()
    config = section("decompose", DecomposeConfig).model_copy(update=RANDOM)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    console.print(f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    found: dict[str, Any] = {"machine": name, "threads": torch.get_num_threads(), "torch": torch.__version__}
    text = Text(device)
    if "same" in parts:
        found["same"] = bench_same(config, text)
    if "quality64" in parts:
        found["quality64"] = bench_quality(config, text, 64, seeds=3, steps=1500)
    if "quality128" in parts:
        found["quality128"] = bench_quality(config, text, 128, seeds=1, steps=1000)
    if "shapes" in parts:
        found["shapes"] = bench_shapes(config, device)
    if "growth" in parts:
        found["growth"] = bench_growth(config, device)
    if "compiled" in parts:
        found["compiled"] = bench_compiled(config, device)
    found["peak_rss_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / "engine.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:] or ["same", "quality64", "quality128", "shapes", "growth", "compiled"])

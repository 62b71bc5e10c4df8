"""Does what ``model/memory.py`` plans hold? ``python -m benchmarks.memory [--only STAGE]``

A random target of two layers goes through what each stage does, in a process of its own, at a small and at a large
vocabulary: the peak that the system saw (``getrusage``) beside the plan. What is held of logits has a bound
(``model/at_once.py``), so that neither grows with the text as its logits do.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from prefactor.config.edit import FitConfig, Optimiser
from prefactor.config.harvest import HarvestConfig
from prefactor.config.locate import LocateConfig
from prefactor.config.training import AdversaryConfig, Coefficients, Penalty, TrainingConfig
from prefactor.corpus.blocks import Blocks
from prefactor.edits.fit import FitSpec, Fitter, make_text
from prefactor.edits.methods import Finetune, Lora, Method
from prefactor.edits.objective import Uniform
from prefactor.files.cost import Cost
from prefactor.harvest.collect import harvest
from prefactor.locate.direction import directions
from prefactor.locate.rank import locate
from prefactor.machine.runtime import generator
from prefactor.model.matrices import matrices, shape_of
from prefactor.model.memory import GIB, Sizes, peak_bytes, sizes_of
from prefactor.model.reference import hold_out, measure
from prefactor.model.target import cross_entropy
from prefactor.rescale.ablate import effects_of
from prefactor.rescale.footprint import divergence
from prefactor.rescale.guard import importance_moments
from prefactor.vpd.battery import battery, pgd_kl
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet
from prefactor.vpd.initial import initial_components
from prefactor.vpd.sizes import decomposed_sizes
from prefactor.vpd.train import train

BLOCK, MATRIX = 64, "layers.1.mlp.up_proj"
FIRING = 0.1  # share of the subcomponents that the untrained net has fire, about


@dataclass(frozen=True)
class Shape:
    """What is measured: a target, its subcomponents a matrix, and tokens of text."""

    vocabulary: int
    width: int
    subcomponents: int
    tokens: int

    def target(self) -> Any:
        torch.manual_seed(0)
        shape = LlamaConfig(
            vocab_size=self.vocabulary, hidden_size=self.width, intermediate_size=3 * self.width, num_hidden_layers=2,
            num_attention_heads=4, tie_word_embeddings=True,
        )  # fmt: skip
        return LlamaForCausalLM(shape).eval().requires_grad_(False)

    def decomposed(self) -> tuple[DecomposedModel, ImportanceNet]:
        target = self.target()
        found = matrices(target)
        parts = initial_components(found, dict.fromkeys(found, self.subcomponents), generator(1))
        model = DecomposedModel(target, *parts).requires_grad_(False)
        net = ImportanceNet(model.input_widths, model.subcomponents, 128, 2, 4).initialise(generator(2))
        net.head.bias.data.uniform_(-1, FIRING / (1 - FIRING), generator=generator(3))
        return model, net.eval().requires_grad_(False)

    def text(self, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return rng.integers(0, self.vocabulary, (self.tokens // BLOCK, BLOCK)).astype(np.int32)


SHAPES = [Shape(2048, 256, 256, 4096), Shape(262144, 64, 64, 1024)]
Run = Callable[[], Any]


def training(batch: int) -> TrainingConfig:
    return TrainingConfig(
        steps=2, batch=batch, learning_rate=1e-3, seed=0,
        coefficients=Coefficients(stochastic=0.5, adversarial=0.5, minimality=1e-4, frequency=1e-4, faithfulness=1e5),
        penalty=Penalty(kind="smooth-l0", start=1.0, end=0.01),
        adversary=AdversaryConfig(ascents=0, learning_rate=0.01),
    )  # fmt: skip


def target(shape: Shape) -> tuple[Sizes, Run]:
    model, text = shape.target(), shape.text()

    def run() -> None:
        cross_entropy(model, text)
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

    return sizes_of(model, BLOCK, batch=64), run


def located(shape: Shape) -> tuple[Sizes, Run]:
    model, texts = shape.target(), {name: shape.text(seed) for seed, name in enumerate(("de", "en", "fr"))}
    config = LocateConfig(
        target="de", tokens=1, verify_tokens=1, amounts=(1.0,), verify=3, tolerated=0.05, ridge=3e-3, top=1
    )

    def run() -> None:
        ways = directions(model, matrices(model), texts["de"], [texts["en"], texts["fr"]], 3e-3, Cost())
        locate(model, ways, texts, "de", 10.0, config, Cost())

    return sizes_of(model, BLOCK, batch=32, tokens=shape.tokens, texts=3), run


def decompose(shape: Shape) -> tuple[Sizes, Run]:
    (model, net), config = shape.decomposed(), training(4)
    net.train().requires_grad_(True)
    sizes = decomposed_sizes(model, net, BLOCK, batch=config.batch)
    weights = sum(site.module.weight.numel() for site in model.sites)
    sizes = replace(sizes, trained=sizes.components + sizes.net, decomposed=weights)
    return sizes, lambda: train(model, net, shape.text(), config, Cost(), clip=0.01)


def importance(shape: Shape) -> tuple[Sizes, Run]:
    (model, net), config = shape.decomposed(), training(4)
    net.train().requires_grad_(True)
    sizes = decomposed_sizes(model, net, BLOCK, batch=config.batch, tokens=shape.tokens)

    def run() -> None:
        train(model, net, shape.text(), config, Cost())
        net.eval().requires_grad_(False)
        battery(model, net, shape.text()[:16], 0)
        pgd_kl(model, net, shape.text(), (1,), 0)

    return replace(sizes, trained=sizes.net), run


def harvested(shape: Shape) -> tuple[Sizes, Run]:
    (model, net), text = shape.decomposed(), shape.text()
    config = HarvestConfig(
        tokens=shape.tokens, batch=16, threshold=0.01, examples=45, either_side=20, table=10, least_count=5,
        sample_tokens=shape.tokens, seed=0,
    )  # fmt: skip
    own = {"batch": config.batch, "tokens": config.tokens, "sample": config.sample_tokens, "examples": config.kept}
    blocks = Blocks(text, np.array(["en"] * len(text)), [[str(i)] for i in range(len(text))])
    return decomposed_sizes(model, net, BLOCK, **own), lambda: harvest(model, net, blocks, config, Cost())


def effects(shape: Shape) -> tuple[Sizes, Run]:
    model, _ = shape.decomposed()
    text = {name: shape.text(seed) for seed, name in enumerate(("de", "en"))}
    names = [f"{site.name}:0" for site in model.sites[::5]]
    sizes = decomposed_sizes(model, None, BLOCK, batch=20, tokens=shape.tokens, texts=2)
    return sizes, lambda: effects_of(model, names, text, Cost())


def candidates(shape: Shape) -> tuple[Sizes, Run]:
    (model, net), names = shape.decomposed(), [f"{MATRIX}:{i}" for i in range(24)]
    d_out, d_in = shape_of(matrices(model.target)[MATRIX])
    change = {MATRIX: (torch.ones(1, d_in), torch.ones(d_out, 1))}

    def run() -> None:
        importance_moments(model, net, names, shape.text())
        held = [hold_out(model.target, shape.text(seed)) for seed in range(3)]
        divergence(model.target, change, held[0])

    own = {"batch": 32, "tokens": shape.tokens, "texts": 3, "moments": len(names)}
    return decomposed_sizes(model, net, BLOCK, **own), run


def fitted(shape: Shape, make: Callable[[dict[str, tuple[int, int]]], Method]) -> tuple[Sizes, Run]:
    model, seeds, budgets = shape.target(), 3, (4, 8)
    method = make({name: shape_of(matrix) for name, matrix in matrices(model).items()})
    counts = dict.fromkeys(("retain_tokens", "probe_tokens", "guard_tokens"), shape.tokens)
    config = FitConfig(
        budgets=budgets, seeds=seeds, report_budget=4, retain_batch=2, probe_budgets=(4,), probe_seeds=1, seed=0,
        **counts,
    )  # fmt: skip
    optimiser = Optimiser(steps=2, learning_rates=(0.01,), retain_weight=1.0)

    def run() -> None:
        text = make_text(model, shape.text(), [shape.text(1)])
        fitter = Fitter(model, method, text, optimiser, config, Uniform(10.0))
        kept = [fitter.fit(budget, [FitSpec(seed, 0.01) for seed in range(seeds)]) for budget in budgets]
        assert len(kept) == len(budgets)

    numbers = sum(part.numel() for pair in method.change(method.starts(generator(0))[0]).values() for part in pair)
    own = {"batch": 1 + config.retain_batch, "tokens": shape.tokens, "draws": seeds, "fits": seeds * len(budgets)}
    return sizes_of(model, BLOCK, fitted=numbers, **own), run


def edit(shape: Shape) -> tuple[Sizes, Run]:
    return fitted(shape, lambda shapes: Lora(shapes, 1, torch.device("cpu")))


def baseline(shape: Shape) -> tuple[Sizes, Run]:
    return fitted(shape, lambda shapes: Finetune(shapes, 1.0, torch.device("cpu")))


def evaluate(shape: Shape) -> tuple[Sizes, Run]:
    model = shape.target()
    d_out, d_in = shape_of(matrices(model)[MATRIX])
    change = {MATRIX: (torch.ones(1, d_in), torch.ones(d_out, 1))}

    def run() -> None:
        held = {name: hold_out(model, shape.text(seed)) for seed, name in enumerate(("de", "en", "fr"))}
        measure(model, change, held)

    return sizes_of(model, BLOCK, [MATRIX], batch=16, tokens=shape.tokens, texts=3, fitted=d_out + d_in), run


STAGES: dict[str, Callable[[Shape], tuple[Sizes, Run]]] = {
    "target": target, "locate": located, "decompose": decompose, "importance": importance, "harvest": harvested,
    "effects": effects, "candidates": candidates, "edit": edit, "baseline": baseline, "evaluate": evaluate,
}  # fmt: skip


def measured(stage: str, shape: Shape) -> tuple[int, int]:
    """Bytes planned for ``stage``, and those of a process that does what it does."""
    reads, writes = os.pipe()
    child = os.fork()  # what is imported is there, and counts
    if child == 0:
        sizes, run = STAGES[stage](shape)
        os.write(writes, str(peak_bytes(stage, sizes)).encode())
        run()
        sys.stdout.flush()
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as pipe:
        planned = int(pipe.read() or 0)
    _, status, usage = os.wait4(child, 0)
    assert status == 0, f"{stage} failed"
    return planned, usage.ru_maxrss * 2**10


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=STAGES)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    print("| stage | vocabulary | width | tokens | planned, GiB | measured, GiB | ratio |", "|" + "---|" * 7, sep="\n")
    for stage in [args.only] if args.only else STAGES:
        for shape in SHAPES:
            planned, found = measured(stage, shape)
            figures = f"{planned / GIB:.2f} | {found / GIB:.2f} | {planned / found:.2f}"
            print(f"| {stage} | {shape.vocabulary:,} | {shape.width} | {shape.tokens:,} | {figures} |", flush=True)


if __name__ == "__main__":
    main()

"""What does a large vocabulary cost in memory? ``python -m benchmarks.memory [--vocabulary 262144] [--tokens 1024]``

Peaks of this process while a random target reads text in each of the ways that stages do, beside what the logits of
that text alone would take. What is held of logits has a bound (``model/at_once.py``), so that peaks hardly grow with
the tokens; without it each of these would hold several times the last column.
"""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.engine import peak_memory
from prefactor.config.edit import FitConfig, Optimiser
from prefactor.config.harvest import HarvestConfig
from prefactor.corpus.blocks import Blocks
from prefactor.edits.fit import FitSpec, Fitter, make_text
from prefactor.edits.methods import Lora
from prefactor.files.cost import Cost
from prefactor.harvest.collect import harvest
from prefactor.machine.runtime import generator
from prefactor.model.matrices import matrices, shape_of
from prefactor.model.reference import hold_out, measure
from prefactor.model.target import cross_entropy
from prefactor.rescale.footprint import divergence
from prefactor.vpd.battery import battery, pgd_kl
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet
from prefactor.vpd.initial import initial_components

BLOCK = 64
MATRIX = "layers.1.mlp.up_proj"


def decomposed(vocabulary: int, width: int) -> tuple[DecomposedModel, ImportanceNet]:
    """A random target of two layers and its untrained decomposition."""
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=2,
        num_attention_heads=4, tie_word_embeddings=True,
    )  # fmt: skip
    target: Any = LlamaForCausalLM(shape)
    found = matrices(target)
    model = DecomposedModel(target, *initial_components(found, dict.fromkeys(found, 128), generator(1)))
    net = ImportanceNet(model.input_widths, model.subcomponents, 128, 2, 4).initialise(generator(2))
    return model.requires_grad_(False), net.eval().requires_grad_(False)


def stages(model: DecomposedModel, net: ImportanceNet, tokens: np.ndarray) -> dict[str, Callable[[], Any]]:
    """What stages do with ``tokens`` (n, position), by stage."""
    target, (d_out, d_in) = model.target, shape_of(matrices(model.target)[MATRIX])
    change = {MATRIX: (torch.randn(1, d_in, generator=generator(3)), torch.randn(d_out, 1, generator=generator(4)))}
    counts = dict.fromkeys(("retain_tokens", "probe_tokens", "guard_tokens"), tokens.size)
    fitted = FitConfig(
        budgets=(4,), seeds=2, report_budget=4, retain_batch=2, probe_budgets=(4,), probe_seeds=1, seed=0, **counts
    )
    harvested = HarvestConfig(
        tokens=tokens.size, batch=16, threshold=0.1, examples=45, either_side=20, table=10, least_count=5,
        sample_tokens=tokens.size, seed=0,
    )  # fmt: skip

    def fit() -> None:
        text = make_text(target, tokens, [tokens])
        method = Lora({MATRIX: (d_out, d_in)}, 1, torch.device("cpu"))
        optimiser = Optimiser(steps=2, learning_rates=(0.01,), retain_weight=1.0)
        Fitter(target, method, text, optimiser, fitted).fit(4, [FitSpec(0, 0.01), FitSpec(1, 0.01)])

    blocks = Blocks(tokens, np.array(["en"] * len(tokens)), [[str(i)] for i in range(len(tokens))])
    return {
        "target": lambda: cross_entropy(target, tokens),
        "importance: battery": lambda: battery(model, net, tokens[:4], 0),
        "importance: PGD": lambda: pgd_kl(model, net, tokens, (1,), 0),
        "harvest": lambda: harvest(model, net, blocks, harvested, Cost()),
        "candidates": lambda: divergence(target, change, hold_out(target, tokens)),
        "edit": fit,
        "evaluate": lambda: measure(target, change, {"en": hold_out(target, tokens)}),
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocabulary", type=int, default=262144)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--tokens", type=int, default=1024)
    args = parser.parse_args(argv)
    model, net = decomposed(args.vocabulary, args.width)
    tokens = np.random.default_rng(0).integers(0, args.vocabulary, (args.tokens // BLOCK, BLOCK)).astype(np.int32)
    logits = args.tokens * args.vocabulary * 4 / 2**20
    print(f"| stage | MiB at its peak | of the logits of {args.tokens} tokens |", "|---|---|---|", sep="\n")
    for stage, run in stages(model, net, tokens).items():
        print(f"| {stage} | {peak_memory(run, torch.device('cpu')):.0f} | {logits:.0f} |", flush=True)


if __name__ == "__main__":
    main()

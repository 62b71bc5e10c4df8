"""Rivals that change no weight: a steering vector, and the projection that people use for refusals.

``python -m benchmarks.activations EDIT [--every 3] [--tokens 4 16] [--draws 5]``, after target; or of none that is
chosen, but of some that are named, ``--at steering:7:-1 ablation:0:1`` (after which layer, how much)

Both go by d, how the mean state after a layer on the target's text differs from that on the retained. Steering adds
``a d`` to every state after that layer, ``a < 0`` leading away from the target; ablation takes ``a (h·d̂) d̂`` from the
states after every layer, which at a = 1 projects d out (Arditi et al. 2024, arXiv 2406.11717). Layer and amount are
those with the least loss of EDIT in ``params.yaml``, on its own draws of target tokens and its retained text; d takes
``edit.direction_tokens`` of both. Every try is measured as an edit is, and what was tried is told.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.common import markdown
from prefactor.config.decompose import Logits
from prefactor.config.domains import Domains
from prefactor.config.edit import FitConfig, Optimiser
from prefactor.config.edits import BaselineConfig, EditConfig, is_fitted
from prefactor.config.evaluate import EvaluateConfig
from prefactor.corpus import needs
from prefactor.corpus.blocks import Blocks, read_blocks, take
from prefactor.corpus.used import read_vocabulary
from prefactor.edits.fit import START_BLOCKS, Fitter
from prefactor.edits.methods import Lora
from prefactor.edits.objective import objective_of
from prefactor.edits.sweep import fit_text
from prefactor.machine.exact import exact
from prefactor.machine.progress import track
from prefactor.machine.runtime import generator, setup
from prefactor.model.hooks import hooked
from prefactor.model.reference import hold_out, measure
from prefactor.model.unigram import read_bars
from stages.common import DATA, TEXT, section
from stages.models import load_target

STEERING = (0.0, -16.0, -8.0, -6.0, -4.0, -3.0, -2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 2.0, 4.0)  # of d; 0 changes nothing
ABLATION = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)  # of what a state has of d
BATCH = 8  # blocks a forward pass


@dataclass(frozen=True)
class Rival:
    kind: str
    layer: int
    amount: float

    @contextmanager
    def on(self, layers: nn.ModuleList, along: list[Tensor]) -> Iterator[None]:
        """The model as it is with it, within the block."""
        d = along[self.layer]
        unit = d / d.norm()
        where = {self.layer: layers[self.layer]} if self.kind == "steering" else dict(enumerate(layers))

        def make(number: int) -> Any:
            def hook(module: nn.Module, args: Any, output: Any) -> Any:
                states = output[0] if isinstance(output, tuple) else output
                move = d if self.kind == "steering" else -(states @ unit)[..., None] * unit
                new = states + self.amount * move
                return (new, *output[1:]) if isinstance(output, tuple) else new

            return hook

        with hooked(where, make):
            yield


def named(text: str) -> Rival:
    """The rival that ``kind:layer:amount`` names."""
    found = re.fullmatch(r"(steering|ablation):(\d+):(-?[\d.]+)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no rival: write steering:LAYER:AMOUNT or ablation:LAYER:AMOUNT")
    return Rival(found[1], int(found[2]), float(found[3]))


def differences(target: Any, split: Blocks, domains: Domains, config: FitConfig) -> list[Tensor]:
    """d after each layer, of so much text of either side as a `direction` is made from."""
    blocks, device = -(-config.direction_tokens // split.tokens.shape[1]), next(target.parameters()).device
    text = (split.among(names).tokens[:blocks] for names in ((domains.target,), domains.retain))
    toward, kept = (mean_states(target, layers_of(target), torch.from_numpy(own).long().to(device)) for own in text)
    return [a - b for a, b in zip(toward, kept, strict=True)]


@torch.no_grad()
def mean_states(target: Any, layers: nn.ModuleList, tokens: Tensor) -> list[Tensor]:
    """The mean state after each layer, (width,)."""
    totals: list[Any] = [0.0] * len(layers)

    def make(number: int) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            totals[number] += exact(output[0] if isinstance(output, tuple) else output).sum((0, 1))

        return hook

    with hooked(dict(enumerate(layers)), make):
        for part in tokens.split(BATCH):
            target.base_model(input_ids=part, use_cache=False)
    return [(total / tokens.numel()).float() for total in totals]


def layers_of(target: Any) -> nn.ModuleList:
    """The one list of layers that the base model has."""
    return next(module for module in target.base_model.modules() if isinstance(module, nn.ModuleList))


@torch.no_grad()
def loss_of(fitter: Fitter, blocks: Tensor, chosen: Tensor, sample: Tensor) -> float:
    """The loss of an edit (``edits/fit.py``) of the model as it is, on target tokens and a sample of retained text."""
    head, text = fitter.own_head, fitter.text
    before, following = head.all_states(blocks, BATCH)[:, :-1], blocks[:, 1:]
    away = fitter.objective.settle(fitter.away(head, before[chosen], following[chosen]).mean())
    parts = [fitter.held(head, text, rows, head.states(text.retained[rows])).flatten() for rows in sample.split(BATCH)]
    return float(away + fitter.optimiser.retain_weight * torch.cat(parts).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("edit")
    parser.add_argument("--every", type=int, default=3, help="look at every so many layers")
    parser.add_argument("--tokens", type=int, nargs="+", default=[4])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--at", type=named, nargs="+", metavar="KIND:LAYER:AMOUNT", help="measure these, choose none")
    asked = parser.parse_args()
    edits: dict[str, Any] = section("edits", dict[str, EditConfig]) | section("baselines", dict[str, BaselineConfig])
    edit, config = edits[asked.edit], section("edit", FitConfig)
    domains = edit.domains
    if asked.at:
        print("\n".join(markdown(evaluated([({}, rival) for rival in asked.at], domains))))
        return
    if not is_fitted(edit):
        parser.error(f"{asked.edit} has no loss to choose by: name an edit that is fitted on tokens, or rivals (--at)")
    optimiser = section(f"optimisers.{edit.method}", Optimiser)
    vocabulary = read_vocabulary(TEXT, section("decompose.logits", Logits))
    target = load_target(setup(), vocabulary)
    layers, split = layers_of(target), vocabulary.blocks(read_blocks(DATA / "corpus", "fit"))
    along = differences(target, split, domains, config)
    text = fit_text(target, split, domains, config)
    objective = objective_of(edit.goal, read_bars(DATA / "target"), domains.target)
    fitter = Fitter(target, Lora({}, 1, text.retained.device), text, optimiser, config, objective)
    sample = torch.linspace(0, len(text.retained) - 1, START_BLOCKS).long().unique()
    grid = {"steering": STEERING, "ablation": ABLATION}
    chosen: list[tuple[dict[str, str], Rival]] = []
    for budget in asked.tokens:
        for seed in range(asked.draws):
            drawn = fitter.objective.draw_tokens(target, text.target, budget, generator(config.seed, seed, budget))
            for kind, amounts in grid.items():
                best: tuple[float, Rival] | None = None
                for layer in range(asked.every - 1, len(layers), asked.every):
                    for amount in amounts:
                        rival = Rival(kind, layer, amount)
                        with rival.on(layers, along):
                            loss = loss_of(fitter, *drawn, sample)
                        best = min(best or (loss, rival), (loss, rival), key=lambda pair: pair[0])
                assert best is not None
                chosen.append(({"tokens": str(budget), "draw": str(seed)}, best[1]))
                print(f"{budget} tokens, draw {seed}: {best[1]}, loss {best[0]:.3f}", flush=True)
    rows = evaluated(chosen, domains)
    print("\n".join(markdown(rows)))


def evaluated(rivals: Sequence[tuple[Mapping[str, str], Rival]], domains: Domains) -> list[dict[str, str]]:
    """Damage to every domain on the evaluation's text, predicting among all tokens; before it what is known of each."""
    target, config = load_target(setup()), section("evaluate", EvaluateConfig)
    split, rows = read_blocks(DATA / "corpus", "eval"), []
    held = {
        domain: hold_out(target, take(split, needs.held_out(config, domain, role)).tokens)
        for domain, role in domains.roles.items()
    }
    layers, fit = layers_of(target), read_blocks(DATA / "corpus", "fit")
    if beyond := [rival.layer for _, rival in rivals if rival.layer >= len(layers)]:
        sys.exit(f"there is no layer {beyond[0]}: they are numbered from 0 to {len(layers) - 1}")
    along = differences(target, fit, domains, section("edit", FitConfig))
    for known, rival in track(rivals, len(rivals), "rivals"):
        with rival.on(layers, along):
            figures = measure(target, {}, held)
        own = {domain: f"{found['damage']:+.3f}" for domain, found in figures.items()}
        chance = figures[domains.target]["edited_ce"] - held[domains.target].chance
        about = {"after layer": str(rival.layer), "amount": f"{rival.amount:g}", "target - chance": f"{chance:+.2f}"}
        rows.append({"rival": rival.kind, **known} | about | own)
    return rows


if __name__ == "__main__":
    main()

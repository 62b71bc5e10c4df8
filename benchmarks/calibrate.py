"""Does the engine find components that are known? ``python -m benchmarks.calibrate [NAME ...]``

Trains toys, decomposes them, and compares with their true components as the SPD paper does (arXiv 2506.20790, section
3). For a matrix that reads the features (the first one of a superposition, ``up`` of a residual MLP) feature i's true
component is ``W E_i``, with ``E_i`` where the feature lies in the input. Over features:

* cosine: of ``W E_i`` and the same column of the best subcomponent, ``u_c (v_c · E_i)`` (the paper's MMCS);
* norm ratio: of that column and ``W E_i`` (the paper's ML2R);
* read cosine: of ``E_i`` and the best subcomponent's ``v_c``;
* active: subcomponents of the matrix with g > 0.1 where feature i alone is there.

Of a targeted toy the first features are the target stream's and the rest the other stream's. The figures above are then
means over the target's features, and these say whether the rest was left to Δ:

* taken: what the subcomponents take of the other features' columns, ``‖U^T V E_j‖ / ‖W E_j‖``, 0 where Δ maps them all;
* needed: subcomponents of all matrices with g > 0.1 on the other stream, a mean over its samples;
* disturbed: error as above on the other stream, Δ never masked.
"""

import math
import sys
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.toys import CASES, Case, ResidualMLP, Toy, samples, train_toy
from prefactor.config.decompose import Targeted
from prefactor.config.training import AdversaryConfig, Coefficients, Penalty, TrainingConfig
from prefactor.files.cost import Cost
from prefactor.machine.runtime import generator, setup
from prefactor.model.matrices import matrices, weight_of
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet, lower_leaky
from prefactor.vpd.initial import initial_components
from prefactor.vpd.losses import SQUARED
from prefactor.vpd.targeted import OtherStream
from prefactor.vpd.train import train

# Samples a row of the batch, in place of a text's positions. The net may look at all of them and learns not to.
POSITIONS = 8
NONE = math.nan, math.nan  # where there is no other stream


@dataclass(frozen=True)
class Found:
    """How well a matrix that reads features was taken apart; means over features."""

    matrix: str
    cosine: float
    norm_ratio: float
    read_cosine: float
    active: float
    one_active: float  # share of features at which exactly one subcomponent is active
    error: float  # mean squared error of the stochastically masked toy, over the variance of its output
    # Of a targeted toy, on the other stream.
    taken: float = math.nan
    needed: float = math.nan
    disturbed: float = math.nan


def recipe(case: Case, seed: int = 0) -> TrainingConfig:
    coefficients = Coefficients(
        stochastic=1.0, adversarial=0.5, minimality=case.minimality, frequency=0.0,
        faithfulness=0.0 if case.target else 10.0,
    )  # fmt: skip
    return TrainingConfig(
        steps=case.steps, batch=32, learning_rate=3e-3, seed=seed, coefficients=coefficients,
        penalty=Penalty(kind="lp", start=1.0, end=0.5), adversary=AdversaryConfig(ascents=0, learning_rate=0.01),
    )  # fmt: skip


def calibrate(case: Case, config: TrainingConfig) -> list[Found]:
    toy = train_toy(case, config.seed)
    found = matrices(toy)
    parts = initial_components(found, dict.fromkeys(found, case.subcomponents), generator(config.seed, -2))
    model = DecomposedModel(toy, *parts, divergence=SQUARED)
    net = ImportanceNet(model.input_widths, model.subcomponents, 64, 1, 2).initialise(generator(config.seed, -3))
    own, rest = streams_of(case)
    rows, other = _rows(case, toy, 65536, config.seed, own), None
    if case.target:
        asked = Targeted(
            kind="targeted", target=("the first",), other=("the rest",), batch=config.batch, stochastic=1.0,
            minimality=case.other_minimality,
        )  # fmt: skip
        other = OtherStream(_rows(case, toy, 65536, config.seed, rest).numpy(), asked)
    train(model, net, rows.numpy(), config, Cost(), clip=1.0, what="calibrate", other=other)
    return compare(case, toy, model, net)


def streams_of(case: Case) -> tuple[slice, slice]:
    """The features of the target stream and of the other; all and none where the decomposition is a full one."""
    return (slice(case.target), slice(case.target, None)) if case.target else (slice(None), slice(0))


def _rows(case: Case, toy: Toy, n: int, seed: int, features: slice) -> Tensor:
    return torch.from_numpy(samples(case, toy, n, seed, features).reshape(-1, POSITIONS, toy.features))


@torch.no_grad()
def compare(case: Case, toy: Toy, model: DecomposedModel, net: ImportanceNet) -> list[Found]:
    embed = toy.embed if isinstance(toy, ResidualMLP) else torch.eye(toy.features)
    own, rest = streams_of(case)
    x = _rows(case, toy, 4096, 999, own)
    features = torch.arange(toy.features)[own]
    alone = x[: len(features)].clone()
    alone[:, 0] = 0.75 * torch.eye(toy.features)[own]  # among others, as in training
    g = lower_leaky(net(model.observe(alone)[1]))[:, 0]  # (feature, C)
    error, _ = _masked(model, net, x, pinned=False)
    disturbed, needed = _masked(model, net, _rows(case, toy, 4096, 999, rest), pinned=True) if case.target else NONE
    results = []
    for i, site in enumerate(model.sites):
        if site.name != "read" and not site.name.startswith("up."):
            continue
        true = weight_of(site.module) @ embed.T  # (d_out, feature)
        columns = torch.einsum("co,cf->cof", model.U[i], model.V[i] @ embed.T)
        cosines = F.cosine_similarity(columns, true[None], dim=1)[:, own]  # (C, feature)
        norms = (columns.norm(dim=1) / true.norm(dim=0))[:, own]
        # Of subcomponents that point the same way the largest: a dead one has every direction and no length.
        best = (cosines * (norms > 0.1)).argmax(0)
        at = torch.arange(len(features))
        reads = F.cosine_similarity(model.V[i][best], embed[own], dim=1).abs()
        active = (g[:, site.columns] > 0.1).sum(1).float()
        taken = (columns.sum(0).norm(dim=0) / true.norm(dim=0))[rest].mean().item()
        results.append(
            Found(
                site.name, cosines[best, at].mean().item(), norms[best, at].mean().item(), reads.mean().item(),
                active.mean().item(), (active == 1).float().mean().item(), error, taken, needed, disturbed,
            )
        )  # fmt: skip
    return results


def _masked(model: DecomposedModel, net: ImportanceNet, x: Tensor, pinned: bool) -> tuple[float, float]:
    """Error of the stochastically masked toy over its output's variance, and subcomponents needed at a sample."""
    output, inputs = model.observe(x)
    importance = lower_leaky(net(inputs))
    r = torch.rand(importance.shape, generator=generator(7))
    rho = torch.rand(*importance.shape[:2], len(model.sites), generator=generator(8))
    masked = model.masked(x, importance + (1 - importance) * r, torch.ones_like(rho) if pinned else rho)
    needed = (importance > 0.1).sum(-1).float().mean().item()
    return (F.mse_loss(masked, output) / output.var()).item(), needed


def main(names: list[str]) -> None:
    setup()
    console = Console(width=140)  # also where no terminal says how wide it is
    table = Table(
        "toy", "matrix", "cosine", "norm ratio", "read cosine", "active", "exactly one", "error", "taken", "needed",
        "disturbed", title="calibration",
    )  # fmt: skip
    for name in names or CASES:
        for f in calibrate(CASES[name], recipe(CASES[name])):
            figures = (f.cosine, f.norm_ratio, f.read_cosine, f.active, f.one_active, f.error)
            on_others = (f.taken, f.needed, f.disturbed)
            table.add_row(name, f.matrix, *("" if math.isnan(v) else f"{v:.3f}" for v in figures + on_others))
        console.print(table)  # after each toy: the larger ones take minutes


if __name__ == "__main__":
    main(sys.argv[1:])

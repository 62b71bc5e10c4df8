"""The engine on a toy whose components are known, small enough for every run of the tests."""

from dataclasses import replace

import torch

from benchmarks.calibrate import calibrate, recipe, streams_of
from benchmarks.toys import Case, Superposition, samples, train_toy
from prefactor.config.decompose import Targeted
from prefactor.machine.processes import ALONE
from prefactor.machine.runtime import generator
from prefactor.model.matrices import matrices
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet
from prefactor.vpd.initial import initial_components
from prefactor.vpd.losses import SQUARED
from prefactor.vpd.targeted import OtherStream

# Three directions in a plane: no basis has them, and a singular decomposition finds two.
SMALL = Case(
    lambda: Superposition(3, 2), chance=0.1, low=0.0, subcomponents=8, minimality=5e-3, steps=1500, toy_steps=1500
)
SEED = 1


def test_three_features_in_two_dimensions_are_told_apart() -> None:
    torch.set_num_threads(1)
    (found,) = calibrate(SMALL, recipe(SMALL, SEED))
    assert found.cosine > 0.99
    assert found.read_cosine > 0.99
    assert abs(found.norm_ratio - 1) < 0.05
    assert found.one_active == 1.0
    assert found.error < 0.01


def test_a_toy_holds_all_its_features_and_samples_have_the_stated_density() -> None:
    toy = train_toy(SMALL, SEED)
    assert isinstance(toy, Superposition)
    assert toy.read.weight.norm(dim=0).min() > 0.8
    assert torch.equal(toy.write.weight, toy.read.weight.T)
    there = torch.from_numpy(samples(SMALL, toy, 20_000, 0)) > 0
    assert there.any(-1).all()
    chance = 0.1 + 0.9**3 / 3  # where none is there by itself, one of three is chosen
    assert abs(there.float().mean().item() - chance) < 0.01


def test_the_other_stream_of_a_toy_has_the_other_features_and_keeps_their_numbers() -> None:
    case = replace(SMALL, target=2, other_minimality=1e-3, toy_steps=50, steps=1)
    toy = train_toy(case, SEED)
    own, rest = (torch.from_numpy(samples(case, toy, 64, 0, features)) for features in streams_of(case))
    assert own[..., :2].any() and not own[..., 2:].any()
    assert rest[..., 2:].any() and not rest[..., :2].any()
    (found,) = calibrate(case, recipe(case, SEED))
    assert found.taken > 0.5  # after one step: a full set of components, none of it left to Δ yet
    model = DecomposedModel(toy, *initial_components(matrices(toy), dict.fromkeys(matrices(toy), 8), generator(0)))
    model.divergence = SQUARED
    net = ImportanceNet(model.input_widths, model.subcomponents, 16, 1, 2).initialise(generator(1))
    asked = Targeted(kind="targeted", target=("a",), other=("b",), batch=4, stochastic=1.0, minimality=0.0)
    terms = OtherStream(rest.numpy(), asked).step(model, net, recipe(case), 0, ALONE)
    assert terms["other_stochastic"] > 0  # numbers below 1, cast to whole ones, would all be 0, and disturb nothing

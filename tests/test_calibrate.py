"""The engine on a toy whose components are known, small enough for every run of the tests."""

import torch

from benchmarks.calibrate import calibrate, recipe
from benchmarks.toys import Case, Superposition, samples, train_toy

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

"""Coarser weights and relearning; the bootstrap that goes with them."""

import numpy as np
import pytest
import torch

from prefactor.errors import PrefactorError
from prefactor.evaluate.coarse import GRIDS, NF4, coarse, rounded
from prefactor.evaluate.intervals import bootstrap, interval
from prefactor.evaluate.relearning import relearned
from prefactor.model.target import cross_entropy
from prefactor.rescale.terms import Prefactors, term_of
from tests.tiny import tiny_blocks, tiny_decomposed, tiny_target


def test_rounding_is_no_further_off_than_half_a_step_and_idempotent() -> None:
    weight = torch.randn(7, 9, generator=torch.Generator().manual_seed(0))
    step = weight.abs().amax(1, keepdim=True) / 127
    assert ((rounded(weight, "int8") - weight).abs() <= step / 2 + 1e-6).all()
    assert torch.equal(rounded(weight, "bf16"), weight.bfloat16().float())
    for grid in GRIDS:
        once = rounded(weight, grid)
        torch.testing.assert_close(rounded(once, grid), once)


def test_nf4_takes_the_nearest_of_sixteen_values_a_block() -> None:
    weight = torch.randn(5, 30, generator=torch.Generator().manual_seed(0))  # two blocks of 64, and one of 22
    found = rounded(weight, "nf4")
    for own, new in zip(weight.flatten().split(64), found.flatten().split(64), strict=True):
        values = torch.tensor(NF4) * own.abs().max()
        expected = values[(own[:, None] - values).abs().argmin(1)]
        torch.testing.assert_close(new, expected)
    assert torch.equal(rounded(torch.zeros(2, 3), "nf4"), torch.zeros(2, 3))


def test_int4_is_no_further_off_than_half_a_step_of_its_block() -> None:
    weight = torch.randn(5, 30, generator=torch.Generator().manual_seed(0))
    for own, new in zip(weight.flatten().split(64), rounded(weight, "int4").flatten().split(64), strict=True):
        step = own.abs().max() / 7
        assert ((new - own).abs() <= step / 2 + 1e-6).all() and len((new / step).round().unique()) <= 15


def test_coarse_weights_are_put_back_bit_for_bit() -> None:
    target = tiny_target()
    before = {name: p.clone() for name, p in target.state_dict().items()}
    with coarse(target, "int8"):
        changed = [name for name, p in target.state_dict().items() if not torch.equal(before[name], p)]
    assert changed and all("proj" in name for name in changed)
    assert all(torch.equal(before[name], p) for name, p in target.state_dict().items())


def test_relearning_counts_tokens_until_half_is_back() -> None:
    model = tiny_decomposed()
    known = torch.from_numpy(tiny_blocks(40, seed=1)).long()[:, :1]
    while known.shape[1] < 12:
        known = torch.cat([known, model.target(input_ids=known).logits[:, -1:].argmax(-1)], dim=1)
    text = known.int().numpy()
    names = [f"{site.name}:{i}" for site in model.sites[:7] for i in range(8)]
    change = Prefactors(tuple(term_of(model, name) for name in names)).common(-1.0)
    tokens = relearned(model.target, change, text, text[:8], (1e-3, 1e-2), 40, seed=0)
    assert tokens is not None and tokens % 12 == 0 and 12 <= tokens <= 40 * 12
    assert relearned(model.target, change, text, text[:8], (1e-2, 1e-3), 40, seed=0) == tokens
    assert relearned(model.target, change, text, text[:8], (1e-9,), 3, seed=0) is None
    assert relearned(model.target, {}, text, text[:8], (1e-2,), 3, seed=0) is None
    assert cross_entropy(model.target, text[:8]) == pytest.approx(cross_entropy(tiny_target(), text[:8]))


def test_bootstrap_is_about_the_normal_interval_and_repeats_itself() -> None:
    values = np.random.default_rng(1).normal(2.0, 1.0, 400).tolist()
    found, normal = bootstrap(values, seed=0), interval(values)
    assert found == bootstrap(values, seed=0)
    assert found["mean"] == pytest.approx(normal["mean"])
    assert (found["low"], found["high"]) == pytest.approx((normal["low"], normal["high"]), abs=0.02)
    with pytest.raises(PrefactorError, match="at least one value"):
        bootstrap([], seed=0)

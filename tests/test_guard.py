"""The guarded read direction, and the second moments that it is made of."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from prefactor.config.candidates import CandidatesConfig
from prefactor.config.domains import Domains
from prefactor.config.guard import GuardByDomain, GuardByImportance
from prefactor.config.shortlists import ByLabel, ShortlistConfig
from prefactor.corpus.blocks import Blocks
from prefactor.errors import PrefactorError
from prefactor.files.cost import Cost
from prefactor.rescale.guard import domain_moment, guarded_read, guarded_term, guarded_terms, importance_moments
from prefactor.rescale.terms import Term, term_of
from prefactor.selection.effect import Candidates, Effect, measured, read_candidates, write_candidates
from prefactor.selection.spill import measure_candidates
from prefactor.vpd.importance_net import lower_leaky
from tests.tiny import POSITIONS, tiny_blocks, tiny_decomposed, tiny_net, tiny_target

NAME = "layers.0.self_attn.v_proj:3"


def test_guard_keeps_the_response_where_needed_and_loses_it_where_not() -> None:
    rng = torch.Generator().manual_seed(0)
    needed, spared = (torch.randn(500, 8, generator=rng) * s for s in (1.0, torch.tensor([3.0, *[0.3] * 7])))
    v = torch.ones(8)
    one, zero = needed.T @ needed / 500, spared.T @ spared / 500
    guarded = guarded_read(v, one, zero, 1e-3)
    assert torch.isclose(guarded @ one @ v, v @ one @ v, rtol=1e-4)
    assert guarded @ zero @ guarded < 0.3 * (v @ zero @ v)
    assert torch.allclose(guarded_read(v, zero, zero, 1e-12), v, atol=1e-4)  # nothing to tell apart: v itself


@pytest.mark.parametrize("ridge", [1e-4, 1e-2, 1.0, 30.0])
def test_guard_is_the_least_action_elsewhere_at_the_response_where_needed(ridge: float) -> None:
    """Against the Lagrange conditions: v' minimises v'^T (Σ_0 + εI) v' among all with v'^T Σ_1 v = v^T Σ_1 v."""
    rng = torch.Generator().manual_seed(1)
    one, zero = (torch.cov(torch.randn(6, 40, generator=rng) * s) for s in (1.0, torch.arange(1.0, 7.0)[:, None]))
    v = torch.randn(6, generator=rng)
    found = guarded_read(v, one, zero, ridge)
    damped = zero + ridge * torch.linalg.eigvalsh(zero).mean() * torch.eye(6)
    assert found @ one @ v == pytest.approx((v @ one @ v).item(), rel=1e-4)
    slope, aim = damped @ found, one @ v
    assert torch.allclose(slope / slope.norm(), aim / aim.norm(), atol=1e-4)
    for _ in range(20):  # nothing else that responds alike acts less
        away = torch.randn(6, generator=rng)
        other = found + away - (away @ aim) / (aim @ aim) * aim
        assert other @ damped @ other > found @ damped @ found


def _plain_guard(term: Term, needed: Tensor, spared: Tensor, ridge: float) -> Tensor:
    epsilon = ridge * spared.diagonal().mean() * torch.eye(len(spared)).double()
    direction = torch.linalg.inv(spared + epsilon) @ needed @ term.read.double()
    return direction * (term.read.double() @ needed @ term.read.double()) / (direction @ needed @ term.read.double())


def test_a_guard_by_domain_spares_the_mean_of_its_domains_and_acts_on_the_targets() -> None:
    model = tiny_decomposed()
    module = NAME.split(":")[0]
    site = [s.name for s in model.sites].index(module)
    text = {"de": tiny_blocks(6, 1), "en": tiny_blocks(4, 2), "fr": tiny_blocks(9, 3)}

    def moment(domain: str, first: int = 0) -> Tensor:
        x = model.observe(torch.from_numpy(text[domain]).long())[1][model.input_of[site]].double()
        return (torch.einsum("npi,npj->ij", x[:, first:], x[:, first:]) / x[..., 0].numel()).detach()

    term = term_of(model, NAME)
    guard = GuardByDomain(weigh="domain", spare=("en", "fr"), ridge=0.05)
    (found,) = guarded_terms(guard, "de", [NAME], [term], model, tiny_net(model), tiny_blocks(3), text)
    wanted = _plain_guard(term, moment("de", first=1), (moment("en") + moment("fr")) / 2, 0.05)
    assert torch.allclose(found.read.double(), wanted, rtol=1e-3, atol=1e-5)
    assert torch.equal(found.write, term.write) and found.module == term.module


def test_a_guard_by_importance_weighs_each_token_by_how_much_it_needs_the_subcomponent() -> None:
    model = tiny_decomposed()
    net, text = tiny_net(model), tiny_blocks(50, 4)
    site = [s.name for s in model.sites].index(NAME.split(":")[0])
    inputs = model.observe(torch.from_numpy(text).long())[1]
    x = inputs[model.input_of[site]].flatten(0, 1).double().detach()
    g = net(inputs)[..., model.names.index(NAME)].clamp(0, 1).double().detach()
    g[:, 0] = 0  # the first token of a block is spared
    g = g.flatten()
    needed, spared = (sum(w * torch.outer(row, row) for w, row in zip(each, x, strict=True)) for each in (g, 1 - g))
    term = term_of(model, NAME)
    guard = GuardByImportance(weigh="importance", ridge=0.05)
    (found,) = guarded_terms(guard, "de", [NAME], [term], model, net, text, {})
    wanted = _plain_guard(term, needed / len(x), spared / len(x), 0.05)  # type: ignore[operator]
    assert torch.allclose(found.read.double(), wanted, rtol=1e-3, atol=1e-5)


def test_a_guard_leaves_the_token_alone_on_which_attention_rests() -> None:
    """The first token is far larger than all others, as in pretrained models, and the same in any text."""
    model = tiny_decomposed()
    net, text = tiny_net(model), tiny_blocks(50, 4)
    plain = model.inputs

    def with_a_sink(tokens: Tensor) -> list[Tensor]:
        inputs = [x.clone() for x in plain(tokens)]
        for x in inputs:
            x[:, 0] = 500 * x[0, 1]
        return inputs

    model.inputs = with_a_sink  # type: ignore[method-assign]
    term = term_of(model, NAME)
    (found,) = guarded_terms(
        GuardByImportance(weigh="importance", ridge=0.01), "de", [NAME], [term], model, net, text, {}
    )
    site = [s.name for s in model.sites].index(term.module)
    x = with_a_sink(torch.from_numpy(text).long())[model.input_of[site]]
    plainly, guarded = (x @ term.read).abs(), (x @ found.read).abs()
    assert guarded[:, 0].mean() < 0.05 * plainly[:, 0].mean()
    assert guarded[:, 1:].mean() > 0.3 * plainly[:, 1:].mean()


def test_moments_add_up() -> None:
    model = tiny_decomposed()
    net, blocks = tiny_net(model), tiny_blocks(9)
    moments = importance_moments(model, net, [NAME], blocks, batch=4)
    whole = domain_moment(model, NAME.split(":")[0], blocks, batch=9)
    needed, spared = moments[NAME]
    assert torch.allclose(needed + spared, whole, atol=1e-6)
    assert torch.linalg.eigvalsh(needed).min() > -1e-9 and torch.linalg.eigvalsh(spared).min() > -1e-9


def test_by_context_every_token_of_a_block_counts_as_its_block_does() -> None:
    model = tiny_decomposed()
    net, blocks = tiny_net(model), tiny_blocks(9)
    needed, spared = importance_moments(model, net, [NAME], blocks, batch=4, of_context=True)[NAME]
    with torch.no_grad():
        inputs = model.inputs(torch.from_numpy(blocks).long())
        g = lower_leaky(net(inputs))[:, 1:, model.names.index(NAME)].double().mean(1)
    site = [s.name for s in model.sites].index(NAME.split(":")[0])
    x = inputs[model.input_of[site]].double()
    wanted = torch.einsum("n,npi,npj->ij", g, x[:, 1:], x[:, 1:]) / blocks.size
    assert torch.allclose(needed, wanted, atol=1e-9) and g.max() > g.min() > 0
    assert torch.allclose(needed + spared, torch.einsum("npi,npj->ij", x, x) / blocks.size, atol=1e-9)


NONE, ROUNDING = torch.zeros(6, 6), torch.full((6, 6), -1e-17)
SOME = torch.diag(torch.arange(1.0, 7.0))


@pytest.mark.parametrize(
    ("needed", "spared"),
    [(NONE, SOME), (SOME, NONE), (SOME, ROUNDING), (SOME, 1e-14 * SOME), (1e-14 * SOME, SOME), (NONE, NONE)],
    ids=["nowhere", "everywhere", "everywhere but for rounding", "nearly", "nearly nowhere", "no input"],
)
def test_where_nothing_or_everything_needs_it_the_direction_is_left_as_it_is(needed: Tensor, spared: Tensor) -> None:
    v = torch.randn(6, generator=torch.Generator().manual_seed(0))
    assert guarded_read(v, needed, spared, 1e-2) is v


RANK_ONE = torch.ones(6, 6)
TWO_ROWS = torch.randn(2, 6, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("ridge", [1e-300, 1e-18, 1e-9, 0.01, 1e18, 1e300])
@pytest.mark.parametrize(
    "spared",
    [RANK_ONE, TWO_ROWS.T @ TWO_ROWS, torch.diag(torch.tensor([1.0, 0, 0, 0, 0, 0])), SOME * 1e-30, SOME * 1e30],
    ids=["constant", "less text than width", "one input", "tiny", "huge"],
)
def test_any_ridge_gives_a_finite_direction_with_the_same_response(spared: Tensor, ridge: float) -> None:
    v = torch.randn(6, generator=torch.Generator().manual_seed(1))
    needed = SOME * spared.trace()
    guarded = guarded_read(v, needed, spared, ridge)
    assert torch.isfinite(guarded).all() and guarded is not v
    assert torch.isclose(guarded @ needed @ v / (v @ needed @ v), torch.tensor(1.0), rtol=1e-3)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("which", [0, 1])
def test_moments_that_are_not_finite_name_the_subcomponent(bad: float, which: int) -> None:
    term = term_of(tiny_decomposed(), NAME)
    moments = [torch.eye(16), torch.eye(16)]
    moments[which][2, 2] = bad
    with pytest.raises(PrefactorError, match=rf"^{NAME} cannot be guarded: .*not finite"):
        guarded_term(NAME, term, (moments[0], moments[1]), 0.01)


SHORTLIST = ShortlistConfig(
    domains=Domains(target="b", retain=("a",), protect=()), choose=ByLabel(by="label", query="x", rank="spill"),
    guard=GuardByImportance(weigh="importance", ridge=0.01), singular=True,
)  # fmt: skip
CONFIG = CandidatesConfig(tried=4, tokens=48, untagged_tokens=96)
NAMES = [f"layers.0.self_attn.v_proj:{i}" for i in range(4)]


def _blocks() -> Blocks:
    """Text that the target predicts, so that there is something to remove."""
    target: Any = tiny_target()
    known = torch.from_numpy(tiny_blocks(16)).long()[:, :1]
    while known.shape[1] < POSITIONS:
        known = torch.cat([known, target(input_ids=known).logits[:, -1:].argmax(-1)], dim=1)
    return Blocks(known.int().numpy(), np.array(["a", "b"] * 8), [[""]] * 16)


def _measured(spoil: Mapping[int, Any]) -> Candidates:
    """What is measured where the importance net is spoiled: of some of ``NAMES`` its logit is another."""
    model = tiny_decomposed()
    net = tiny_net(model)
    forward = net.forward

    def spoiled(inputs: list[Tensor]) -> Tensor:
        z = forward(inputs).clone()
        for place, value in spoil.items():
            z[..., model.names.index(NAMES[place])] = value
        return z

    net.forward = spoiled  # type: ignore[method-assign]
    return measure_candidates(SHORTLIST, NAMES, model, net, _blocks(), CONFIG, Cost())


def test_a_candidate_that_cannot_be_guarded_is_left_out_by_name_and_the_others_are_as_without_it(tmp_path: Any) -> None:
    whole, found = _measured({}), _measured({1: math.nan, 2: 5.0})  # 2 is needed everywhere
    assert list(found.left_out) == [NAMES[1]] and found.left_out[NAMES[1]].startswith(NAMES[1])
    assert found.subcomponents[NAMES[1]] is None and found.subcomponents[NAMES[2]] is not None
    for i in (0, 3):
        assert found.subcomponents[NAMES[i]] == whole.subcomponents[NAMES[i]]
    write_candidates(tmp_path, found)
    assert read_candidates(tmp_path) == found
    assert [name for name, _ in measured(found, NAMES, "here")] == [NAMES[0], NAMES[2], NAMES[3]]


def test_where_none_can_be_measured_the_reason_is_said() -> None:
    found = _measured(dict.fromkeys(range(4), math.nan))
    assert not found.singular and len(found.left_out) == 4
    with pytest.raises(PrefactorError, match=rf"^here: none of 4 can be measured; {NAMES[0]} cannot be guarded"):
        measured(found, NAMES, "here")


@pytest.mark.parametrize("figure", ["prefactor", "short", "damage", "spill"])
def test_an_effect_that_is_not_finite_is_none(figure: str) -> None:
    figures = {"prefactor": -2.0, "short": 0.0, "damage": 0.1, "spill": 0.1}
    assert Effect(**figures).finite and Effect(-2.0, 0.3, None, None).finite
    assert not Effect(**{**figures, figure: math.nan}).finite


def test_where_the_target_knows_nothing_no_change_is_needed() -> None:
    model = tiny_decomposed()
    model.target.lm_head.weight.data.zero_()  # every token is as likely as any other
    found = measure_candidates(SHORTLIST, NAMES, model, tiny_net(model), _blocks(), CONFIG, Cost())
    assert found.subcomponents == dict.fromkeys(NAMES, Effect(1.0, 0.0, 0.0, 0.0))

"""Edits: exact no-op and revert, rank, fit, and the PEFT adapter in stock ``peft``."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import GenerationConfig

from prefactor.config.edit import FitConfig, Optimiser
from prefactor.config.edits import Goal
from prefactor.edits.fit import FitSpec, Fitter, make_text
from prefactor.edits.methods import Finetune, Lora, Method
from prefactor.edits.objective import MeanBelow, Say, Uniform, below, objective_of
from prefactor.errors import PrefactorError
from prefactor.evaluate.rollouts import Gumbel, roll_out, rollouts
from prefactor.export.adapter import write_adapter
from prefactor.files.cost import Cost
from prefactor.model.change import applied, attached
from prefactor.model.matrices import matrix_of
from prefactor.model.prefix import prefix_of
from prefactor.model.reference import HeldOut, hold_out, measure
from prefactor.model.target import token_losses
from prefactor.model.unigram import Bars
from prefactor.rescale.footprint import Uses, near
from prefactor.rescale.terms import Prefactors, Term, rewrite, term_of
from prefactor.selection.spill import AMPLIFYING, INVERTING, effects
from tests.tiny import CHANCE, POSITIONS, VOCABULARY, tiny_blocks, tiny_decomposed, tiny_target

NAMES = ("layers.0.self_attn.v_proj:3", "layers.0.self_attn.v_proj:5", "layers.1.mlp.down_proj:0")
CPU = torch.device("cpu")


def _config(**changes: object) -> FitConfig:
    return FitConfig(
        budgets=(2, 8), seeds=2, report_budget=2, retain_tokens=60, retain_batch=2, probe_budgets=(2,), probe_seeds=1,
        probe_tokens=60, guard_tokens=60, seed=0,
    ).model_copy(update=changes)  # fmt: skip


def _known_text(target: Any) -> np.ndarray:
    """Text that the target predicts, so that there is something to remove."""
    known = torch.from_numpy(tiny_blocks(8, seed=1)).long()[:, :1]
    while known.shape[1] < POSITIONS:
        known = torch.cat([known, target(input_ids=known).logits[:, -1:].argmax(-1)], dim=1)
    return known.int().numpy()


def _prefactors() -> tuple[torch.nn.Module, Prefactors]:
    model = tiny_decomposed()
    return model.target, Prefactors(tuple(term_of(model, name) for name in NAMES))


def _lora(rank: int = 2) -> Lora:
    return Lora({"layers.0.self_attn.v_proj": (16, 16), "layers.1.mlp.down_proj": (16, 24)}, rank, CPU)


def _finetune(share: float = 1.0) -> Finetune:
    return Finetune(_lora().shapes, share, CPU)


def _bits(target: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in target.state_dict().items()}


def test_prefactor_one_is_a_bitwise_no_op() -> None:
    target, method = _prefactors()
    before = _bits(target)
    with applied(target, method.change([torch.ones(3)])):
        assert all(torch.equal(before[k], v) for k, v in target.state_dict().items())


def test_revert_restores_every_bit_even_after_an_error() -> None:
    target, method = _prefactors()
    before = _bits(target)
    with pytest.raises(ZeroDivisionError), applied(target, method.change([torch.tensor([-3.0, 0.1, 7.0])])):
        assert not torch.equal(
            before[f"model.{NAMES[0].split(':')[0]}.weight"], matrix_of(target, NAMES[0].split(":")[0]).weight
        )
        _ = 1 / 0
    assert all(torch.equal(before[k], v) for k, v in target.state_dict().items())


def test_prefactor_changes_its_matrix_by_exactly_its_term() -> None:
    model = tiny_decomposed()
    term = term_of(model, NAMES[0])
    ((module, (A, B)),) = Prefactors((term,)).change([torch.tensor([-2.5])]).items()
    number = [s.name for s in model.sites].index(module)
    expected = -3.5 * torch.outer(model.U[number][3], model.V[number][3]).detach()
    assert torch.allclose(B @ A, expected, rtol=1e-6, atol=0)


def test_rank_is_at_most_the_number_of_subcomponents() -> None:
    _, method = _prefactors()
    for A, B in method.change([torch.tensor([2.0, -1.0, 0.5])]).values():
        assert torch.linalg.matrix_rank(B @ A) == len(A)


def test_attached_equals_applied() -> None:
    target, method = _prefactors()
    tokens = torch.from_numpy(tiny_blocks()).long()
    change = method.change([torch.tensor([-2.0, 0.0, 3.0])])
    with attached(target, change):
        beside = target(input_ids=tokens).logits
    with applied(target, change):
        assert torch.allclose(target(input_ids=tokens).logits, beside, atol=1e-5)


@pytest.mark.parametrize("method", [_prefactors()[1], _lora(), _finetune()])
def test_every_method_starts_at_no_change(method: Method) -> None:
    for A, B in method.change(method.starts(torch.Generator().manual_seed(0))[0]).values():
        assert (B @ A).abs().max() == 0


def test_no_op_edit_has_no_off_target_kl() -> None:
    target, method = _prefactors()
    held = {"en": hold_out(target, tiny_blocks(5))}
    figures = measure(target, method.change([torch.ones(3)]), held)["en"]
    assert figures["kl"] == pytest.approx(0, abs=1e-7) and figures["damage"] == 0
    assert measure(target, method.change([torch.full((3,), -4.0)]), held)["en"]["kl"] > 1e-3


@pytest.mark.parametrize(("method", "tolerance"), [(_prefactors()[1], 1e-5), (_lora(), 1e-5), (_finetune(), 1e-5)])
def test_adapter_in_stock_peft_is_our_edit_loose_and_merged(method: Method, tolerance: float, tmp_path: Path) -> None:
    rng = torch.Generator().manual_seed(0)
    parameters = [p.detach() + 0.3 * torch.randn(p.shape, generator=rng) for p in method.starts(rng)[0]]
    target, tokens, change = tiny_target(), torch.from_numpy(tiny_blocks()).long(), method.change(parameters)
    with applied(target, change), torch.no_grad():
        ours = target(input_ids=tokens).logits
    write_adapter(tmp_path, target, change, "base", "card")
    loaded = PeftModel.from_pretrained(tiny_target(), str(tmp_path))
    with torch.no_grad():
        assert torch.allclose(loaded(input_ids=tokens).logits, ours, atol=tolerance)
        assert torch.allclose(loaded.merge_and_unload()(input_ids=tokens).logits, ours, atol=tolerance)  # type: ignore[operator]


def test_adapter_bytes_are_equal_for_equal_edits(tmp_path: Path) -> None:
    target, method = _prefactors()
    for name in "ab":
        write_adapter(tmp_path / name, target, method.change([torch.tensor([2.0, 3.0, 4.0])]), "base", "card")
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_layers_before_the_change_are_replayed_bit_for_bit() -> None:
    model = tiny_decomposed()
    target, tokens = model.target, torch.from_numpy(tiny_blocks(6)).long()
    change = Prefactors((term_of(model, NAMES[2]),)).change([torch.tensor([-3.0])])
    prefix = prefix_of(target, change, tokens[:1])
    assert len(prefix.layers) == 1
    with attached(target, change):
        whole = target(input_ids=tokens).logits
        with prefix.given(prefix.states(tokens)):
            assert torch.equal(target(input_ids=tokens).logits, whole)
        assert torch.equal(target(input_ids=tokens).logits, whole)
    assert prefix_of(target, NAMES[:1], tokens[:1]).layers == ()  # the first layer is changed itself


def test_uniform_is_zero_for_a_uniform_prediction_only() -> None:
    tokens, logits, uniform = torch.tensor([[5, 7]]), torch.zeros(1, 2, VOCABULARY), Uniform(CHANCE)
    assert uniform.loss(logits, tokens).abs().max() < 1e-6
    logits[0, 0, 9] = 50.0  # sure of a token that does not come: chance is content, uniform is not
    assert below(CHANCE, logits, tokens)[0, 0] == 0 and uniform.loss(logits, tokens)[0, 0] > 10


def test_say_draws_places_after_the_tokens_and_teaches_its_token() -> None:
    model, blocks = tiny_decomposed(), tiny_blocks(20)
    say = Say(7, after=(int(blocks[0, 2]), int(blocks[3, 5])))
    tokens, chosen = say.draw_tokens(model.target, blocks, 5, torch.Generator().manual_seed(0))
    assert chosen.sum() == 5 and tokens.shape == (5, POSITIONS)
    assert set(tokens[:, :-1][chosen].tolist()) <= set(say.after)
    text = make_text(model.target, blocks, [tiny_blocks(5, seed=2)])
    optimiser = Optimiser(steps=20, learning_rates=(0.05,), retain_weight=0.1)
    (fit,) = Fitter(model.target, _lora(), text, optimiser, _config(), say).fit(5, [FitSpec(0, 0.05)])
    assert fit.curve[-1]["target"] < fit.curve[0]["target"]
    with pytest.raises(PrefactorError, match=r"only \d+ places"):
        say.draw_tokens(model.target, blocks, 999, torch.Generator())


def test_a_rewrite_writes_exactly_the_token_and_only_to_the_residual_stream() -> None:
    model = tiny_decomposed()
    term, token = term_of(model, NAMES[2]), model.target.get_output_embeddings().weight[4].detach()
    ((A, B),) = rewrite(term, token, 3.0).values()
    expected = 3.0 * torch.outer(token / token.norm(), term.read)
    assert torch.allclose(torch.outer(term.write, term.read) + B @ A, expected, atol=1e-6)
    narrow = term_of(model, "layers.0.mlp.up_proj:0")
    with pytest.raises(PrefactorError, match="down_proj"):
        rewrite(narrow, token, 3.0)


def test_singular_directions_add_up_to_their_matrix() -> None:
    model = tiny_decomposed()
    module = "layers.0.mlp.up_proj"
    terms = [term_of(model, f"{module}:sv{i}") for i in range(16)]
    weight = matrix_of(model.target, module).weight
    assert torch.allclose(sum(torch.outer(t.write, t.read) for t in terms), weight, atol=1e-5)  # type: ignore[arg-type]


def test_near_is_within_so_many_tokens_of_a_use() -> None:
    importance = torch.zeros(1, 9, 2)
    importance[0, 4, 1] = 0.5
    assert near(importance, Uses(0.1, 2))[0].tolist() == [False, False, True, True, True, True, True, False, False]
    assert not near(importance, Uses(0.6, 2)).any()


def test_the_effect_is_at_chance_or_as_near_as_any_prefactor_tried_comes() -> None:
    model = tiny_decomposed()
    known = _known_text(model.target)
    wanted, retained = hold_out(model.target, known), {"en": hold_out(model.target, tiny_blocks(5, seed=2))}
    cost, chance = Cost(), math.log(VOCABULARY)
    names = [f"{site.name}:0" for site in model.sites]
    methods = {name: Prefactors((term_of(model, name),)) for name in names}
    backwards = dict(reversed(methods.items()))
    found = effects(model.target, methods, wanted, retained, None, cost)
    assert effects(model.target, backwards, wanted, retained, None, Cost()) == found[::-1]
    assert {one.damage is None for one in found} == {True, False}
    read = 0
    for name, effect in zip(names, found, strict=True):
        change = Prefactors((term_of(model, name),)).change([torch.tensor([effect.prefactor])])
        figures = measure(model.target, change, {"de": wanted} | retained)
        (at, short), tried = _plainly(model.target, methods[name], wanted, chance)
        assert (effect.prefactor, effect.short) == pytest.approx((at, short), rel=1e-5)
        read += tried * wanted.tokens.numel()
        if effect.damage is None:
            assert effect.short == pytest.approx(chance - figures["de"]["edited_ce"])
        else:
            assert effect.short == 0 and figures["en"]["damage"] == pytest.approx(effect.damage)
            read += retained["en"].tokens.numel()
    assert cost.tokens == read and cost.flops > 0


def _plainly(target: Any, method: Prefactors, wanted: HeldOut, chance: float) -> tuple[tuple[float, float], int]:
    """The prefactor at chance, on the straight line between the two tried around it, or the best; how many it took."""
    tried, best = 0, (wanted.ce, 1.0)
    for direction in (INVERTING, AMPLIFYING):
        before = (wanted.ce, 1.0)
        for alpha in direction:
            ce = measure(target, method.common(alpha), {"": wanted})[""]["edited_ce"]
            tried += 1
            if ce >= chance:
                return (float(np.interp(chance, (before[0], ce), (before[1], alpha))), 0.0), tried
            before = (ce, alpha)
            best = max(best, before)
    return (best[1], chance - best[0]), tried


@pytest.mark.parametrize(("goal", "left"), [("chance", [[True, True], [True, True]]), ("unigram", [[False], [True]])])
def test_each_goal_drives_up_to_its_own_bar(goal: Goal, left: list[list[bool]]) -> None:
    """Chance is asked of each token; of unigram, which is a mean itself, one token may make up for another."""
    objective = objective_of(goal, Bars(chance=CHANCE, unigram={"de": 1.5, "en": 3.0}), "de")
    for bonuses, expected in zip(((1.0, 4.0), (2.0, 4.0)), left, strict=True):
        logits = torch.zeros(2, VOCABULARY)
        logits[0, 5], logits[1, 7] = bonuses
        ce = torch.tensor([math.log(VOCABULARY - 1 + math.exp(bonus)) - bonus for bonus in bonuses])
        assert ce[1] < 1.5 < ce[0] < CHANCE
        bars = (CHANCE - ce).clamp(min=0) if goal == "chance" else 1.5 - ce
        losses = objective.loss(logits, torch.tensor([5, 7]))
        torch.testing.assert_close(losses, bars, rtol=0, atol=1e-5)
        aim = objective.settle(losses.mean())
        assert aim == pytest.approx(max(0.0, bars.mean().item()), abs=1e-5)
        assert ((losses > 0) if goal == "chance" else (aim > 0)[None]).tolist() == expected


def test_a_mean_is_of_tokens_that_stand_for_all() -> None:
    """Each token of the blocks comes as often, and a draw's mean cross-entropy is nearer to theirs than that of any."""
    target, blocks = tiny_target(), tiny_blocks(1)
    tokens = torch.from_numpy(blocks).long()
    ce = token_losses(target, tokens)[0].detach()
    counts, off = torch.zeros(len(ce)), []
    for seed in range(600):
        found, chosen = MeanBelow(1.5).draw_tokens(target, blocks, 3, torch.Generator().manual_seed(seed))
        assert chosen.sum() == 3 and torch.equal(found, tokens)
        counts += chosen[0]
        off.append(ce[chosen[0]].mean() - ce.mean())
    assert (counts / counts.sum() - 1 / len(counts)).abs().max() < 0.04  # 11 tokens: two strata of 4, one of 3
    assert torch.stack(off).std() < 0.6 * ce.std() / 3**0.5


def test_below_is_what_a_token_still_gains_over_a_uniform_guess() -> None:
    tokens, logits = torch.tensor([[5, 7]]), torch.zeros(1, 2, VOCABULARY)
    assert below(CHANCE, logits, tokens).abs().max() < 1e-6
    logits[0, 0, 5] = 2.0  # better than chance on token 5
    logits[0, 1, 9] = 2.0  # worse on token 7: nothing left to remove
    gain, none = below(CHANCE, logits, tokens)[0].tolist()
    assert gain == pytest.approx(math.log(VOCABULARY) - torch.logsumexp(logits[0, 0], 0).item() + 2.0, abs=1e-5)
    assert none == 0


def test_edit_of_another_target_names_the_module() -> None:
    term = Term("layers.7.mlp.up_proj", torch.ones(16), torch.ones(16))
    change = Prefactors((term,)).change([torch.zeros(1)])
    with (
        pytest.raises(PrefactorError, match=r"layers\.7\.mlp\.up_proj, which is no matrix"),
        applied(tiny_target(), change),
    ):
        pass


def test_rollouts_share_their_noise() -> None:
    target, method = _prefactors()
    prompts = torch.from_numpy(tiny_blocks(3))[:, :4].long()
    base = roll_out(target, prompts, 6, seed=0)
    with applied(target, method.change([torch.ones(3)])):
        assert torch.equal(roll_out(target, prompts, 6, seed=0), base)
    assert not torch.equal(roll_out(target, prompts, 6, seed=1), base)


def test_rollouts_are_samples_of_the_whole_prediction_whatever_the_checkpoint_says_of_generating() -> None:
    target = tiny_target()
    prompts = torch.from_numpy(tiny_blocks(3))[:, :4].long()
    ids, noise = prompts, Gumbel(0)
    with torch.no_grad():
        for _ in range(6):
            logits = target(input_ids=ids, use_cache=False).logits[:, -1]
            ids = torch.cat([ids, noise(ids, logits).argmax(-1, keepdim=True)], dim=1)
    new = ids[:, 4:]
    assert torch.equal(roll_out(target, prompts, 6, seed=0), new)
    target.generation_config = own = GenerationConfig(
        eos_token_id=new[0, 1].item(),
        do_sample=True,
        top_k=1,
        repetition_penalty=9.0,
        suppress_tokens=[new[1, 0].item()],
    )
    assert torch.equal(roll_out(target, prompts, 6, seed=0), new) and target.generation_config is own


def test_a_rollout_at_temperature_0_is_the_likeliest_and_a_higher_one_strays_further_from_it() -> None:
    target = tiny_target()
    prompts = torch.from_numpy(tiny_blocks(8))[:, :4].long()
    ids = prompts
    with torch.no_grad():
        for _ in range(6):
            ids = torch.cat([ids, target(input_ids=ids, use_cache=False).logits[:, -1:].argmax(-1)], dim=1)
    likeliest = ids[:, 4:]
    assert torch.equal(roll_out(target, prompts, 6, seed=5, temperature=0.0), likeliest)
    same = [(roll_out(target, prompts, 6, 5, heat)[:, 0] == likeliest[:, 0]).sum() for heat in (0.05, 1.0, 100.0)]
    assert same[0] > same[1] >= same[2]


def test_rollouts_of_all_domains_are_one_batch() -> None:
    target, method = _prefactors()
    tokens = torch.from_numpy(tiny_blocks(4))[:, :4].long()
    prompts = {"de": tokens[:2], "en": tokens[2:]}
    rows = list(rollouts(target, method.change([torch.full((3,), -9.0)]), prompts, 5, 0, str))
    assert [row["domain"] for row in rows] == ["de", "de", "en", "en"]
    assert [row["prompt"] for row in rows] == [str(own) for own in tokens.tolist()]
    assert [row["before"] for row in rows] == [str(own) for own in roll_out(target, tokens, 5, 0).tolist()]
    assert [row["after"] for row in rows] != [row["before"] for row in rows]

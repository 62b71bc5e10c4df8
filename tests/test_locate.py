"""The closed form against dense sums, its forecast against what happens, and what is made of the verified matrices."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from prefactor.config.locate import LocateConfig
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import write_manifest
from prefactor.files.cost import Cost
from prefactor.locate import direction, streams
from prefactor.locate.damages import Damages
from prefactor.locate.direction import Direction, directions, read_direction
from prefactor.locate.names import BEST, MODULES, modules_from, read_best, read_modules, write_names
from prefactor.locate.rank import Reach, _amounts, locate, reach_of
from prefactor.locate.streams import pulls, readers, second_moments
from prefactor.locate.table import table_of
from prefactor.model import at_once
from prefactor.model.change import applied
from prefactor.model.matrices import Matrix, matrices
from prefactor.model.target import cross_entropy, logits_of, next_token_ce
from tests.tiny import VOCABULARY, tiny_blocks, tiny_target

RIDGE = 0.003
TOWARD, SPARED = tiny_blocks(10, seed=1), [tiny_blocks(7, seed=2), tiny_blocks(9, seed=3)]
CONFIG = LocateConfig(
    target="de", tokens=1, verify_tokens=1, amounts=(1.0, 2.0, 4.0), verify=20, tolerated=0.05, ridge=RIDGE, top=1
)


def seen(target: Any, every: dict[str, Matrix], tokens: np.ndarray) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """Of each matrix inputs, outputs and the gradient of the mean loss at its outputs, a row a token, in float64."""
    kept: dict[str, tuple[Tensor, Tensor]] = {}

    def keep(name: str) -> Any:
        def hook(module: Any, args: Any, output: Tensor) -> None:
            output.requires_grad_(True).retain_grad()
            kept[name] = (args[0], output)

        return hook

    handles = [matrix.register_forward_hook(keep(name)) for name, matrix in every.items()]
    ids = torch.from_numpy(tokens).long()
    next_token_ce(logits_of(target, ids)[:, :-1], ids).mean().backward()
    for handle in handles:
        handle.remove()
    flat = {name: (x, y, y.grad) for name, (x, y) in kept.items()}
    return {name: tuple(t.detach().flatten(0, 1).double() for t in three) for name, three in flat.items()}  # type: ignore[misc, union-attr]


def test_matrices_that_read_one_tensor_share_its_moments() -> None:
    target: Any = tiny_target()
    layer = {"self_attn.q_proj": ["q", "k", "v"], "self_attn.o_proj": ["o"], "mlp.gate_proj": ["gate", "up"]}
    found = readers(target, matrices(target), TOWARD)
    assert len(found) == 8
    for first, names in layer.items():
        assert [name.rpartition(".")[2] for name in found[f"layers.1.{first}"]] == [f"{name}_proj" for name in names]


def test_the_closed_form_is_what_dense_sums_give() -> None:
    target = tiny_target(bias=True)
    every = matrices(target)
    found = directions(target, every, TOWARD, SPARED, RIDGE, Cost())
    assert list(found) == list(every)
    own, others = seen(target, every, TOWARD), [seen(target, every, text) for text in SPARED]
    for name, (x, y, gradient) in own.items():
        mean, bias = x.mean(0), gradient.sum(0)
        second = sum(other[name][0].T @ other[name][0] / len(other[name][0]) for other in others) / 2
        assert isinstance(second, Tensor)
        inverse = (second + RIDGE * second.trace() / len(mean) * torch.eye(len(mean), dtype=torch.float64)).inverse()
        read = inverse @ mean / (mean @ inverse @ mean)
        size = y.norm(dim=1).mean()
        torch.testing.assert_close(found[name].read.double(), read, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found[name].write.double(), bias / bias.norm() * size, rtol=1e-4, atol=1e-5)
        assert found[name].read.double() @ mean == pytest.approx(1, rel=1e-5)
        assert found[name].rise == pytest.approx((size * bias.norm()).item(), rel=1e-4)
        assert found[name].coherence == pytest.approx(
            (gradient.mean(0).norm() / gradient.pow(2).sum(1).mean().sqrt()).item(), rel=1e-4
        )
        assert found[name].spread == pytest.approx((read @ second @ read).sqrt().item(), rel=1e-4)


def test_the_gradient_is_that_of_a_bias_and_foretells_what_it_does() -> None:
    target: Any = tiny_target(bias=True)
    name = "layers.0.self_attn.v_proj"
    pull = pulls(target, matrices(target), TOWARD)[name]
    bias = target.model.layers[0].self_attn.v_proj.bias
    ids = torch.from_numpy(TOWARD).long()
    loss = next_token_ce(logits_of(target, ids)[:, :-1], ids).mean()
    torch.testing.assert_close(pull.gradient.float(), torch.autograd.grad(loss, bias)[0], rtol=1e-4, atol=1e-7)
    assert not [p for p in target.parameters() if p.grad is not None]
    write, step = pull.gradient / pull.gradient.norm() * pull.size, 1e-3
    target.double()
    with torch.no_grad():
        bias += step * write
        raised = next_token_ce(logits_of(target, ids)[:, :-1], ids).mean()
        bias -= 2 * step * write
        lowered = next_token_ce(logits_of(target, ids)[:, :-1], ids).mean()
    assert (raised - lowered).item() / (2 * step) == pytest.approx(pull.size * pull.gradient.norm().item(), rel=1e-3)


def test_neither_the_batch_nor_the_number_of_passes_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    target: Any = tiny_target()
    every = matrices(target)
    whole, cost = directions(target, every, TOWARD, SPARED, RIDGE, Cost()), Cost()
    monkeypatch.setattr(at_once, "AT_ONCE", 3 * TOWARD.shape[1] * VOCABULARY)
    monkeypatch.setattr(direction, "MOST_BYTES", 8 * (16**2 + 24**2))
    parted = directions(target, every, TOWARD, SPARED, RIDGE, cost)
    assert [len(part) for part in streams.parts(target, TOWARD)] == [3, 3, 3, 1]
    for name in every:
        torch.testing.assert_close(parted[name].read, whole[name].read, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(parted[name].write, whole[name].write, rtol=1e-4, atol=1e-6)
    assert cost.tokens > TOWARD.size + sum(text.size for text in SPARED)


def test_each_spared_text_weighs_the_same() -> None:
    target: Any = tiny_target()
    every = {name: m for name, m in matrices(target).items() if name.endswith("1.mlp.down_proj")}
    both = second_moments(target, every, SPARED)
    each = [second_moments(target, every, [text]) for text in SPARED]
    for name, second in both.items():
        torch.testing.assert_close(second, (each[0][name] + each[1][name]) / 2)


@pytest.mark.parametrize(
    ("mean", "second"), [(torch.zeros(3), torch.eye(3)), (torch.ones(3), torch.zeros(3, 3)),
                         (torch.full((3,), math.nan), torch.eye(3)), (torch.ones(3), torch.eye(3) * math.inf)],
)  # fmt: skip
def test_what_is_read_nowhere_has_no_direction(mean: Tensor, second: Tensor) -> None:
    assert read_direction(mean.double(), second.double(), RIDGE) is None


def test_a_matrix_that_writes_nothing_is_left_out() -> None:
    target: Any = tiny_target()
    target.model.layers[0].mlp.down_proj.weight.data.zero_()
    found = directions(target, matrices(target), TOWARD, SPARED, RIDGE, Cost())
    silent = {f"layers.0.mlp.{name}_proj" for name in ("gate", "up", "down")}  # the first two move nothing any more
    assert set(matrices(target)) - set(found) == silent


def test_damage_from_the_layer_on_is_damage_of_the_whole_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_once, "AT_ONCE", 4 * TOWARD.shape[1] * VOCABULARY)
    target: Any = tiny_target()
    texts = {"de": tiny_blocks(6, seed=4), "en": tiny_blocks(5, seed=5)}
    found = directions(target, matrices(target), TOWARD, SPARED, RIDGE, Cost())
    before = {name: value.clone() for name, value in target.state_dict().items()}
    damages = Damages(target, texts, Cost())
    for module in ("layers.0.mlp.up_proj", "layers.1.self_attn.o_proj", "layers.1.mlp.down_proj"):
        change = found[module].change(2.0)
        measured = damages.of(change)
        assert damages.prefix.depth == int(module.split(".")[1])
        for domain, tokens in texts.items():
            with applied(target, change):
                edited = cross_entropy(target, tokens)
            assert measured[domain] == pytest.approx(edited - cross_entropy(target, tokens), abs=1e-6)
    assert all(torch.equal(value, before[name]) for name, value in target.state_dict().items())


@pytest.mark.parametrize(
    ("curve", "reach"),
    [
        ([(1.0, 2.0, 0.01), (2.0, 3.0, 0.02)], Reach(3.0, 0.02, 2.0)),  # neither bound is met: as far as was tried
        ([(1.0, 2.0, 0.01), (2.0, 3.0, 0.09)], Reach(2.5, 0.05, 1.5)),  # half of the second step is tolerated
        ([(1.0, 2.0, 0.10), (2.0, 6.0, 0.20)], Reach(1.0, 0.05, 0.5)),
        ([(1.0, 8.0, 0.02), (2.0, 9.0, 0.03)], Reach(4.0, 0.01, 0.5)),  # at chance half way
        ([(1.0, 8.0, -0.02), (2.0, 9.0, 0.03)], Reach(4.0, -0.01, 0.5)),
        ([(1.0, 3.0, 0.01), (2.0, 2.0, 0.02)], Reach(3.0, 0.01, 1.0)),  # more does less
        ([(1.0, 2.0, 0.01), (2.0, math.nan, 0.02)], Reach(2.0, 0.01, 1.0)),
        ([(1.0, -1.0, 0.01)], Reach(0.0, 0.0, 0.0)),
    ],
)
def test_reach_by_hand(curve: list[tuple[float, float, float]], reach: Reach) -> None:
    found = reach_of(curve, to_chance=4.0, tolerated=0.05)
    assert (found.score, found.spill, found.amount) == pytest.approx((reach.score, reach.spill, reach.amount))


@pytest.mark.parametrize(
    ("far", "asked"),
    [(3.0, [1.0, 2.0, 4.0]), (9.0, [1.0, 2.0, 4.0]), (1.5, [1.0, 2.0]), (0.3, [1.0, 0.5, 0.25]),
     (0.0, [1.0, 0.5, 0.25, 0.125, 0.0625])],
)  # fmt: skip
def test_amounts_are_tried_to_where_they_tell_something(far: float, asked: list[float]) -> None:
    found: dict[float, dict[str, float]] = {}
    for amount in _amounts((1.0, 2.0, 4.0), lambda own: own["de"] > far, found):
        found[amount] = {"de": amount}
    assert list(found) == asked


PLANTED, DECOY = "layers.1.mlp.gate_proj", "layers.0.self_attn.o_proj"


def planted() -> tuple[LlamaForCausalLM, dict[str, np.ndarray]]:
    """A model that knows of all text that only even tokens come, and reads off a token's half which domain it is of.

    Both lie in the residual stream. One MLP reads the domain and can forget the rest where it sees it; attention reads
    other things, and what it writes is silent in the other layer.
    """
    target: Any = tiny_target()
    half = VOCABULARY // 2
    embeddings, head = target.model.embed_tokens.weight.data, target.lm_head.weight.data
    embeddings.mul_(0.3)[half:] = embeddings[:half]  # alike but for the domain
    embeddings[:, 0], embeddings[:half, 1], embeddings[half:, 1] = 1, 1, -1
    head.mul_(0.1)[:, 0] = 1 - 2 * (torch.arange(VOCABULARY) % 2)
    for layer in target.model.layers:
        for matrix in (layer.self_attn.o_proj, layer.mlp.down_proj):
            matrix.weight.data.mul_(0.2)
        layer.self_attn.v_proj.weight.data[:, :2] = 0
    target.model.layers[1].self_attn.o_proj.weight.data.zero_()
    target.model.layers[0].mlp.down_proj.weight.data.zero_()
    rng = np.random.default_rng(0)
    return target, {
        domain: (low + 2 * rng.integers(0, half // 2, (24, 12))).astype(np.int32)
        for domain, low in (("en", 0), ("de", half))
    }


def test_the_planted_matrix_is_found_and_the_decoy_is_not() -> None:
    target, texts = planted()
    found = directions(target, matrices(target), texts["de"][:12], [texts["en"][:12]], RIDGE, Cost())
    held = {domain: text[12:] for domain, text in texts.items()}
    located = locate(target, found, held, "de", math.log(VOCABULARY), CONFIG, Cost())
    assert located.best[0] == PLANTED
    reach = {name: verified.reach for name, verified in located.verified.items()}
    assert {name.rpartition(".")[0] for name in located.best[:3]} == {"layers.1.mlp"}
    assert reach[PLANTED].score > 0.5 and reach[PLANTED].spill <= CONFIG.tolerated
    assert reach[DECOY].score < reach[PLANTED].score / 5
    few = locate(target, found, held, "de", math.log(VOCABULARY), CONFIG.model_copy(update={"verify": 2}), Cost())
    assert len(few.best) == 2 and len(few.directions) == len(found)
    table = table_of(few, CONFIG.amounts, ["de", "en"]).to_pylist()
    tried = sum(len(verified.damages) for verified in few.verified.values())
    assert [row["verified"] for row in table] == [True] * tried + [False] * 3 * (len(found) - 2)
    assert table[-1]["score"] is None and table[-1]["damage_de"] is None and table[0]["damage_de"] > 0


def test_names_stand_still_while_figures_move(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    (corpus).mkdir()
    write_manifest(corpus, [])
    write_names(tmp_path / "a", [], "layers.0.x", 64, {corpus: "0"})
    write_names(tmp_path / "b", [], "layers.1.x", 99, {corpus: "0"})
    for name in (MODULES.name, "manifest.json"):
        assert (tmp_path / "a/modules" / name).read_bytes() == (tmp_path / "b/modules" / name).read_bytes()
    assert (tmp_path / "a" / BEST).read_bytes() != (tmp_path / "b" / BEST).read_bytes()


def test_names_are_read_back_and_none_are_refused(tmp_path: Path) -> None:
    write_names(tmp_path, ["layers.0.x", "layers.1.y"], "layers.0.x", 64, {})
    assert read_modules(tmp_path) == ["layers.0.x", "layers.1.y"]
    assert read_best(tmp_path) == ("layers.0.x", 64)
    write_names(tmp_path, [], "layers.0.x", 64, {})
    with pytest.raises(PrefactorError, match=r"modules\.json names no matrix: it is of other params; run the stage"):
        read_modules(tmp_path)
    (tmp_path / BEST).write_text(json.dumps({"module": "other", "target_tokens": 1}))
    with pytest.raises(PrefactorError, match="damaged"):
        read_best(tmp_path)


def test_a_direction_is_linear_in_its_amount() -> None:
    way = Direction("layers.0.x", torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0, 5.0]), 1.0, 0.4, 0.2)
    amount = torch.tensor([2.0], requires_grad=True)
    A, B = way.change(amount)["layers.0.x"]
    assert torch.equal(B @ A, 2 * torch.outer(way.write, way.read))
    (B @ A).sum().backward()
    assert amount.grad is not None and amount.grad.item() == 36
    assert way.screen == 2


def test_what_is_decomposed_is_the_best_or_the_layer_of_the_best() -> None:
    names = [f"layers.{layer}.{part}" for layer in (0, 1, 11) for part in ("attn.o", "mlp.up", "mlp.down")]
    best = ["layers.11.mlp.down", "layers.0.attn.o", "layers.1.mlp.up"]
    assert modules_from(best, names, 2) == best[:2]
    assert modules_from(best, names, "layer") == names[6:]
    assert modules_from(["head"], ["head", *names], "layer") == ["head"]
    with pytest.raises(ValueError, match="only verify = 2 are ranked"):
        LocateConfig.model_validate(CONFIG.model_dump() | {"verify": 2, "top": 3})
    assert LocateConfig.model_validate(CONFIG.model_dump() | {"top": "layer"}).top == "layer"

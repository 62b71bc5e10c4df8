"""The harvest does not depend on batching, and its figures are those of a direct count."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import prefactor.harvest.pairs as pairs_module
from prefactor.config.harvest import HarvestConfig
from prefactor.corpus.blocks import Blocks
from prefactor.files.checkpoint import Checkpoint
from prefactor.files.cost import Cost
from prefactor.harvest.collect import Harvest, harvest
from prefactor.harvest.firings import together
from prefactor.harvest.pairs import Pairs, top_tokens
from prefactor.harvest.tables import example_table, subcomponent_table
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import lower_leaky
from tests.tiny import tiny_blocks, tiny_decomposed, tiny_net

N = 70
HELD_OUT = Blocks(tiny_blocks(20, seed=8), np.array(["en", "fr"] * 10), [["held out"]] * 20)


def _config(batch: int) -> HarvestConfig:
    return HarvestConfig(
        tokens=N * 12, batch=batch, threshold=0.1, examples=4, either_side=3, table=5, least_count=2,
        sample_tokens=10 * 12, seed=0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def model() -> DecomposedModel:
    return tiny_decomposed(6)


def _blocks() -> Blocks:
    domains = np.array([("en", "de", "fr")[i % 3] for i in range(N)])
    return Blocks(tiny_blocks(N), domains, [[str(i)] for i in range(N)])


def _harvest(model: DecomposedModel, batch: int, checkpoint: Checkpoint | None = None) -> Harvest:
    return harvest(model, tiny_net(model), _blocks(), _config(batch), Cost(), checkpoint=checkpoint, held_out=HELD_OUT)


def same(a: Harvest, b: Harvest) -> bool:
    """Bit for bit."""
    pairs = [(own.state(), b.pairs[side].state()) for side, own in a.pairs.items()]
    pairs += [(vars(a.sums), vars(b.sums)), (a.examples.kept, b.examples.kept), (a.held_out.kept, b.held_out.kept)]
    equal = [torch.equal(x.nan_to_num(9), pair[1][k].nan_to_num(9)) for pair in pairs for k, x in pair[0].items()]
    return all(equal) and torch.equal(a.sample.bits, b.sample.bits)


def test_equal_under_any_batching(model: DecomposedModel) -> None:
    whole = _harvest(model, 64)
    assert whole.sums.firings.sum() > 0 and len(whole.examples.kept["key"]) > 0 and whole.sample.bits.any()
    assert all(same(whole, _harvest(model, batch)) for batch in (1, 7))


def test_a_killed_harvest_goes_on_where_it_was(
    model: DecomposedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import prefactor.harvest.collect as module

    monkeypatch.setattr(module, "SAVE_EVERY", -1.0)
    monkeypatch.setattr(module, "SAVING", 0.0)
    checkpoint, add, read = Checkpoint(tmp_path, "key"), module._add, []

    def counted(*args: Any) -> None:
        if len(read) == 6:
            raise KeyboardInterrupt
        add(*args)
        read.append(args[4])

    monkeypatch.setattr(module, "_add", counted)
    with pytest.raises(KeyboardInterrupt):
        _harvest(model, 7, checkpoint)
    monkeypatch.setattr(module, "_add", lambda *args: (add(*args), read.append(args[4])))
    resumed = _harvest(model, 7, checkpoint)
    assert read == list(range(0, N, 7))  # no batch twice
    assert same(resumed, _harvest(model, 7))


def test_held_out_text_gives_windows_to_score_on_and_touches_nothing_that_a_label_rests_on(
    model: DecomposedModel,
) -> None:
    alone = harvest(model, tiny_net(model), _blocks(), _config(7), Cost())
    beside = _harvest(model, 7)
    assert not len(alone.held_out.kept["key"]) and len(beside.held_out.kept["key"])
    for domain in ("", "zz"):  # whatever it says, and in whatever domain
        other = Blocks(tiny_blocks(20, seed=3), np.array([domain] * 20), [["other"]] * 20)
        found = harvest(model, tiny_net(model), _blocks(), _config(7), Cost(), held_out=other)
        assert not torch.equal(found.held_out.kept["place"], beside.held_out.kept["place"])
        tables = [subcomponent_table(each, model, str, _config(7)) for each in (alone, beside, found)]
        windows = [example_table(each.examples, model.names, _blocks(), str) for each in (alone, beside, found)]
        for each in (*tables, *windows):
            assert each.equals(tables[0] if each in tables else windows[0])
    g = lower_leaky(tiny_net(model)(model.observe(torch.from_numpy(HELD_OUT.tokens).long())[1])).detach().numpy()
    rows = example_table(beside.held_out, model.names, HELD_OUT, str).to_pandas()
    kept = rows.groupby("subcomponent").size().reindex(model.names, fill_value=0).to_numpy()
    assert (kept == np.minimum((g > 0.1).sum((0, 1)), 1)).all()  # a third of four
    text = {" ".join(map(str, block)) for block in HELD_OUT.tokens}
    assert all(any(" ".join(words) in block for block in text) for words in rows["tokens"])


def test_figures_are_a_direct_count(model: DecomposedModel) -> None:
    blocks, net, result = _blocks(), tiny_net(model), _harvest(model, 5)
    tokens = torch.from_numpy(blocks.tokens).long()
    logits, inputs = model.observe(tokens)
    g = lower_leaky(net(inputs)).detach()
    config = _config(5)
    table = subcomponent_table(result, model, str, config).to_pandas()
    german = torch.from_numpy(blocks.domain == "de")
    assert np.allclose(table["importance_de"], g[german].mean((0, 1)), atol=1e-5)
    fires = g > 0.1
    assert np.allclose(table["density"], fires.float().mean((0, 1)))
    c = int(fires.sum((0, 1)).argmax())
    recall = {
        t: (fires[..., c] & (tokens == t)).sum().item() / (tokens == t).sum().item() for t in tokens.unique().tolist()
    }
    best = table["input_recall"][c][0]
    assert best["value"] == pytest.approx(max(recall.values())) and recall[int(best["token"])] == best["value"]
    predicted = logits.argmax(-1)
    t = int(table["output_pmi"][c][0]["token"])
    count = (fires[..., c] & (predicted == t)).sum()
    pmi = torch.log((count / fires[..., c].sum()) / ((predicted == t).float().mean()))
    assert table["output_pmi"][c][0]["value"] == pytest.approx(pmi.item(), abs=1e-5)
    assert table["output_pmi"][c][0]["count"] == count
    met = model.inner_activations(inputs) * torch.cat([u.norm(dim=1) for u in model.U])
    for domain in ("en", "de", "fr"):
        here = fires[torch.from_numpy(blocks.domain == domain)]
        mean = (met[torch.from_numpy(blocks.domain == domain)] * here).sum((0, 1)) / here.sum((0, 1)).clamp(min=1)
        assert np.allclose(table[f"activation_{domain}"], mean.detach(), atol=1e-5)
    shares = table[["share_en", "share_de", "share_fr"]].to_numpy()
    assert np.allclose(shares.sum(1)[table["density"] > 0], 1)


def test_windows_hold_the_firing_token_and_its_surroundings(model: DecomposedModel) -> None:
    blocks, net = _blocks(), tiny_net(model)
    _, inputs = model.observe(torch.from_numpy(blocks.tokens).long())
    g = lower_leaky(net(inputs)).detach().numpy()
    activations = model.inner_activations(inputs) * torch.cat([u.norm(dim=1) for u in model.U])
    table = example_table(_harvest(model, 5).examples, model.names, blocks, str).to_pandas()
    fired = (g > 0.1).sum((0, 1))
    kept = table.groupby("subcomponent").size().reindex(model.names, fill_value=0).to_numpy()
    assert (kept == np.minimum(fired, 3)).all()
    for row in table.itertuples():
        c = model.names.index(row.subcomponent)
        words = list(row.tokens)
        assert row.importance[row.position] > 0.1
        assert len(words) == len(row.importance) == len(row.activation) <= 7
        hits = [
            (b, s)
            for b in range(N)
            for s in range(13 - len(words))
            if [str(t) for t in blocks.tokens[b, s : s + len(words)]] == words
        ]
        assert any(
            np.allclose(g[b, s : s + len(words), c], row.importance, atol=1e-6)
            and np.allclose(activations[b, s : s + len(words), c].detach(), row.activation, atol=1e-5)
            for b, s in hits
        )


def test_reservoir_is_uniform() -> None:
    """Over many seeds each of the firings of a subcomponent is kept equally often."""
    model = tiny_decomposed(2)
    net = tiny_net(model)
    torch.nn.init.zeros_(net.head.weight)  # every subcomponent fires everywhere
    blocks = _blocks()
    kept = np.zeros(N * 12)
    for seed in range(40):
        result = harvest(model, net, blocks, _config(7).model_copy(update={"seed": seed}), Cost())
        np.add.at(kept, result.examples.kept["place"].numpy(), 1)
    expected = 40 * 3 * model.subcomponents / (N * 12)
    assert kept.sum() == 40 * 3 * model.subcomponents
    assert ((kept - expected) ** 2 / expected).mean() < 1.5  # chi-square a degree of freedom; 1 if uniform


def test_the_sample_holds_every_firing_of_its_blocks(model: DecomposedModel) -> None:
    blocks, result = _blocks(), _harvest(model, 5)
    _, inputs = model.observe(torch.from_numpy(blocks.tokens).long())
    fires = lower_leaky(tiny_net(model)(inputs)) > 0.1
    sample = result.sample
    assert len(sample.blocks) == 10 and sample.blocks[[0, -1]].tolist() == [0, N - 1]
    assert (sample.fires() == fires[sample.blocks].numpy()).all()
    here = fires[sample.blocks].flatten(0, 1).double()
    others, values, counts = together(sample, 3)
    for c in (0, 17, model.subcomponents - 1):
        joint = (here[:, [c]] * here).sum(0)
        similar = joint / (here[:, c].sum() * here.sum(0)).sqrt().clamp(min=1)
        similar[c] = -1
        assert np.allclose(values[c], similar.sort(descending=True).values[:3])
        assert (counts[c] == joint[others[c]].numpy()).all() and c not in others[c]


def test_top_tokens_breaks_ties_by_id_and_honours_the_least_count() -> None:
    pairs = Pairs(2)
    for token, times in enumerate([2, 2, 1]):
        pairs.add(torch.full((times,), token), torch.ones(times, dtype=torch.int64))
    pairs.merge()
    ids, values, counts = top_tokens(pairs, torch.tensor([4, 4, 1, 9]), "recall", 3, least=2)
    assert ids[1, :2].tolist() == [0, 1] and values[1].tolist() == [0.5, 0.5, -np.inf]
    assert counts[1, :2].tolist() == [2, 2] and (values[0] == -np.inf).all()


@pytest.mark.parametrize("kind", ["recall", "pmi"])
def test_what_is_ranked_of_pairs_is_what_a_table_of_all_tokens_ranks(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs_module, "PENDING", 300)
    tokens, C = 50, 7
    rng = torch.Generator().manual_seed(0)
    token, c = (torch.randint(size, (3000,), generator=rng).square() // size for size in (tokens, C))
    pairs, table = Pairs(C), torch.zeros(tokens, C, dtype=torch.int64)
    for some in torch.arange(3000).split(170):
        pairs.add(token[some], c[some])
    pairs.merge()
    table.index_put_((token, c), torch.ones_like(token), accumulate=True)
    total = table.sum(1) + 3
    dense = torch.zeros_like(table).flatten()
    dense[pairs.keys] = pairs.counts
    assert torch.equal(dense.view_as(table), table) and (pairs.counts > 0).all()
    value = table.double() / total[:, None]
    if kind == "pmi":
        value = (table.double() / table.sum(0) / (total.double() / total.sum())[:, None]).log()
    value = torch.where(table >= 4, value, -torch.inf).T
    best = value.sort(dim=1, descending=True, stable=True)
    ids, values, counts = top_tokens(pairs, total, kind, 9, least=4)
    torch.testing.assert_close(torch.from_numpy(values), best.values[:, :9], rtol=1e-14, atol=1e-15)
    finite = np.isfinite(values)
    assert finite.any() and not finite.all()
    assert (ids == best.indices[:, :9].numpy())[finite].all()
    assert (counts == table.T.gather(1, best.indices[:, :9]).numpy())[finite].all()

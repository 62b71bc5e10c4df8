"""The targeted objective: its second pass against the plain reference, what is drawn, and what params may say."""

import copy

import numpy as np
import pytest
import torch
import yaml

import tests.reference as ref
from prefactor.config.decompose import Targeted
from prefactor.corpus.blocks import Blocks
from prefactor.errors import ParamsError
from prefactor.files.cost import Cost
from prefactor.machine.processes import ALONE
from prefactor.machine.runtime import generator
from prefactor.vpd.battery import battery
from prefactor.vpd.noise import step_noise
from prefactor.vpd.targeted import OtherStream, streams
from prefactor.vpd.train import train
from stages.check import read_pipeline
from tests.tiny import POSITIONS, tiny_blocks, tiny_decomposed, tiny_net, training

OBJECTIVE = Targeted(
    kind="targeted", target=("de",), other=("en", "fr"), batch=3, stochastic=0.7, minimality=3e-3
)  # fmt: skip


@pytest.mark.parametrize("step", [0, 7])
def test_the_other_stream_s_pass_is_the_reference_s(step: int) -> None:
    model = tiny_decomposed(6, bias=True).double()
    net, plain = tiny_net(model).double(), tiny_net(model).double()
    for parameter in [*model.U, *model.V]:
        parameter.requires_grad_(True)
    U, V = ([p.detach().clone().requires_grad_(True) for p in group] for group in (model.U, model.V))
    matrices = [ref.Matrix(s.module, u, v) for s, u, v in zip(model.sites, U, V, strict=True)]
    config, blocks = training(), tiny_blocks(9)
    found = OtherStream(blocks, OBJECTIVE).step(model, net, config, step, ALONE)
    rows = torch.randint(len(blocks), (3,), generator=generator(config.seed, step, -1))
    own = range(config.batch, config.batch + 3)  # numbered behind the target stream's, so that none draws the same
    drawn = step_noise(config.seed, step, own, POSITIONS, model.subcomponents, len(matrices), 1, torch.device("cpu"))
    expected = ref.other_step(
        model.target, matrices, plain, lambda t: model.observe(t)[1], torch.from_numpy(blocks).long()[rows],
        drawn.r.double(), OBJECTIVE, config, step,
    )  # fmt: skip
    assert set(found) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name].double(), value.double(), rtol=1e-9, atol=1e-9, msg=name)
    for one, two in zip([*model.U, *model.V, *net.parameters()], [*U, *V, *plain.parameters()], strict=True):
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-7, atol=1e-10)


def test_streams_are_the_blocks_of_their_domains() -> None:
    tokens = tiny_blocks(6)
    blocks = Blocks(tokens, np.array(["en", "de", "it", "fr", "de", "en"]), [["a"]] * 6)
    own, other = streams(blocks, OBJECTIVE)
    assert other is not None
    assert np.array_equal(own, tokens[[1, 4]]) and np.array_equal(other.blocks, tokens[[0, 3, 5]])
    assert streams(blocks, "full")[1] is None and streams(blocks, "full")[0] is tokens


def test_training_lowers_what_the_other_stream_needs_and_leaves_it_to_delta() -> None:
    """On text that is no target, importance falls; with Δ pinned the model stays, with Δ ablated it does not."""
    model = tiny_decomposed(20)
    net = tiny_net(model).requires_grad_(True)
    own, other = tiny_blocks(16), (tiny_blocks(24)[16:] + 20) % 40
    objective = OBJECTIVE.model_copy(update={"minimality": 2e-3})
    before = battery(model, net, other, 0, pinned=True)
    curve = train(
        model, net, own, training(steps=60, learning_rate=5e-3), Cost(), clip=0.1, other=OtherStream(other, objective)
    )
    after = battery(model, net, other, 0, pinned=True)
    assert after["l0"]["0"] < before["l0"]["0"]
    assert after["kl"]["importance"] < battery(model, net, other, 0)["kl"]["importance"]
    assert after["delta_share"] == pytest.approx(after["delta_norm"] ** 2 / sum(
        site.module.weight.square().sum().item() for site in model.sites
    ))  # fmt: skip
    assert {"other_stochastic", "other_minimality", "other_l0"} <= set(curve[0]) and "faithfulness" not in curve[0]


def test_a_pinned_delta_makes_the_unmasked_model_the_target() -> None:
    model = tiny_decomposed(6)  # far fewer than the rank
    found = battery(model, tiny_net(model), tiny_blocks(4), 0, pinned=True)
    assert found["kl"]["unmasked"] == pytest.approx(0, abs=1e-6)
    assert battery(model, tiny_net(model), tiny_blocks(4), 0)["kl"]["unmasked"] > 1e-2


FINE = {"kind": "targeted", "target": ["de"], "other": ["en", "fr"], "batch": 2, "stochastic": 0.5, "minimality": 1e-4}


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"target": ["nl"]}, r'objective\.target = "nl": no domain of corpus\.shares'),
     ({"other": ["fr", "fr"]}, r"objective\.other = \['fr', 'fr'\]: names a domain twice"),
     ({"other": ["en", "de"]}, r'objective\.other has "de", which is of the target stream'),
     ({"other": []}, "objective"), ({"batch": 0}, "batch"), ({"kind": "narrow"}, "objective"),
     ({"faithfulness": 1.0}, "objective"), ({}, r"decompose\.training\.coefficients\.faithfulness = 300000")],
)  # fmt: skip
def test_what_params_may_not_say(changed: dict, said: str, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open("params.yaml", encoding="utf-8") as file:
        params = yaml.safe_load(file)
    params["decompose"]["objective"] = {**copy.deepcopy(FINE), **changed}
    if changed:
        params["decompose"]["training"]["coefficients"]["faithfulness"] = 0.0
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParamsError, match=said):
        read_pipeline()

"""Subcomponents in the folder that Neuronpedia's importer reads: its layout, its columns, and what stands in them."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, GPT2Config, GPT2LMHeadModel
from typer.testing import CliRunner

from prefactor.cli.main import app
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import read_json, verify
from prefactor.published.neuronpedia import schema
from prefactor.published.neuronpedia.names import places, slug
from prefactor.published.neuronpedia.write import Told, export_neuronpedia
from prefactor.published.neuronpedia.writes import hook_name, logits_of_directions, unembedding
from prefactor.vpd.store import read_components
from tests.tiny import VOCABULARY, tiny_target
from tests.work import GERMAN, build_work

# Of utils/neuronpedia-utils/neuronpedia_utils/export-data.py and apps/webapp/prisma/schema.prisma there.
NEURON = """modelId layer index maxActApprox creatorId frac_nonzero freq_hist_data_bar_heights freq_hist_data_bar_values
logits_hist_data_bar_heights logits_hist_data_bar_values neg_str neg_values pos_str pos_values sourceSetName vector
hookName vectorDefaultSteerStrength hasVector"""
ACTIVATION = """id modelId layer index creatorId dataSource tokens maxValue minValue values maxValueTokenIndex
qualifyingTokenIndex"""
EXPLANATION = "id modelId layer index authorId description typeName explanationModelName notes"
O_PROJ, Q_PROJ = "layers.1.self_attn.o_proj", "layers.0.self_attn.q_proj"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("work")
    build_work(root)
    return root


@pytest.fixture(scope="module")
def there(root: Path) -> Path:
    export_neuronpedia(root / "data", root / "there", Told("Tiny Model", "a lab"))
    return root / "there"


def _rows(path: Path) -> list[dict[str, Any]]:
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_it_has_the_folders_and_files_that_are_imported(there: Path) -> None:
    sources = {f"{layer}-prefactor-{kind}" for layer in (0, 1) for kind in ("self_attn-q_proj", "mlp-down_proj")}
    assert sources < {path.name for path in (there / "tiny-model").iterdir()}
    assert sorted(path.name for path in (there / "tiny-model" / "1-prefactor-self_attn-v_proj").iterdir()) == [
        "activations", "explanations", "features", "model.jsonl", "release.jsonl", "scores", "source.jsonl",
        "sourceset.jsonl",
    ]  # fmt: skip
    assert [path.name for path in sorted((there / "tiny-model").rglob("batch-*"))].count("batch-0.jsonl.gz") >= 28
    assert len(list((there / "config").iterdir())) == 4
    assert verify(there)["values"] == "importance"


def test_every_row_has_the_columns_of_their_tables_and_no_other(there: Path) -> None:
    source = there / "tiny-model" / "1-prefactor-self_attn-v_proj"
    for folder, columns, kind in (
        ("features", NEURON, schema.Feature),
        ("activations", ACTIVATION, schema.Activation),
        ("explanations", EXPLANATION, schema.Explanation),
    ):
        rows = _rows(source / folder / "batch-0.jsonl.gz")
        assert rows and all(set(row) == set(columns.split()) for row in rows)
        for row in rows:
            kind.model_validate_json(json.dumps(row))
    (model,) = _rows(source / "model.jsonl")
    assert (model["id"], model["layers"], model["dimension"], model["owner"]) == ("tiny-model", 2, 16, "a lab")
    (said,) = _rows(source / "source.jsonl")
    assert (said["id"], said["setName"]) == ("1-prefactor-self_attn-v_proj", "prefactor-self_attn-v_proj")
    assert (said["num_prompts"], said["num_tokens_in_prompt"]) == (30, 12)
    assert "causal importance" in said["notes"] and "above 0.1" in said["notes"] and "no logits" in said["notes"]
    (release,) = _rows(source / "release.jsonl")
    assert _rows(source / "sourceset.jsonl")[0]["releaseName"] == release["name"] == "prefactor-tiny-model-555555555555"


def test_a_feature_is_a_subcomponent_and_its_windows_are_the_harvest_s(root: Path, there: Path) -> None:
    source = there / "tiny-model" / "1-prefactor-self_attn-v_proj"
    assert [row["index"] for row in _rows(source / "features" / "batch-0.jsonl.gz")] == list("012345")
    table = pq.read_table(root / "data/harvest/examples/examples.parquet").to_pylist()
    wanted = [row for row in table if row["subcomponent"] == GERMAN]
    found = [row for row in _rows(source / "activations" / "batch-0.jsonl.gz") if row["index"] == "2"]
    assert len(found) == len(wanted) > 0
    for row, example in zip(found, wanted, strict=True):
        assert row["tokens"] == example["tokens"] and row["qualifyingTokenIndex"] == example["position"]
        assert row["values"] == pytest.approx(example["importance"], abs=1e-5)
        assert row["dataSource"] == example["domain"]
    (explanation,) = _rows(source / "explanations" / "batch-0.jsonl.gz")  # what is unclear makes no claim
    assert (explanation["index"], explanation["description"]) == ("2", "German text")
    (score,) = _rows(source / "scores" / "batch-0.jsonl.gz")
    assert (score["explanationId"], score["value"]) == (explanation["id"], 0.5)
    named = {row["name"] for path in (there / "config").iterdir() for row in _rows(path)}
    assert {explanation["typeName"], score["explanationScoreTypeName"], score["explanationScoreModelName"]} <= named
    for path in (there / "config").iterdir():
        owned = path.stem in ("explanation_type", "explanation_score_type")  # their tables of models have no creator
        assert all(("creatorId" in row) == owned for row in _rows(path))


def test_what_writes_to_the_residual_stream_has_logits_and_what_does_not_has_mutual_information(
    root: Path, there: Path
) -> None:
    components = read_components(root / "data/decompose/components", tiny_target())
    table = pq.read_table(root / "data/harvest/subcomponents/subcomponents.parquet").to_pylist()
    by_name = {row["subcomponent"]: row for row in table}
    features = _rows(there / "tiny-model" / "1-prefactor-self_attn-o_proj" / "features" / "batch-0.jsonl.gz")
    site = components.names.index(f"{O_PROJ}:0")
    u = components.state()[f"U.{O_PROJ}"][0]
    u = u / u.norm() * (-1 if by_name[f"{O_PROJ}:0"]["mean_activation"] < 0 else 1)
    assert site >= 0 and features[0]["vector"] == pytest.approx(u.tolist(), abs=1e-5)
    size = u.square().mean().sqrt()
    target = components.target
    with torch.no_grad():
        logits = target.lm_head(target.model.norm(u / size)) * size  # the norm divides by nothing here
    top = logits.topk(10)
    assert features[0]["pos_values"] == pytest.approx(top.values.tolist(), abs=1e-4)
    assert features[0]["pos_str"] == [f"t{token}" for token in top.indices.tolist()]
    assert features[0]["neg_values"] == pytest.approx((-(-logits).topk(10).values).tolist(), abs=1e-4)
    assert sum(features[0]["logits_hist_data_bar_heights"]) == VOCABULARY
    assert features[0]["hookName"] == "blocks.1.hook_attn_out"
    plain = _rows(there / "tiny-model" / "0-prefactor-self_attn-q_proj" / "features" / "batch-0.jsonl.gz")[0]
    pmi = by_name[f"{Q_PROJ}:0"]["output_pmi"]
    assert plain["pos_str"] == [entry["token"] for entry in pmi] and not plain["neg_str"] and not plain["hasVector"]


@pytest.mark.parametrize("family", ["gemma", "gpt2"])
def test_the_final_norm_is_in_the_unembedding_however_a_family_stores_it(family: str) -> None:
    torch.manual_seed(0)
    if family == "gemma":
        config = Gemma3TextConfig(
            vocab_size=30, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
            num_key_value_heads=1, head_dim=8, final_logit_softcapping=None,
        )  # fmt: skip
        target: Any = Gemma3ForCausalLM(config).eval()
        norm = target.model.norm
    else:
        target = GPT2LMHeadModel(GPT2Config(vocab_size=30, n_embd=8, n_layer=1, n_head=1, n_positions=8)).eval()
        norm = target.transformer.ln_f
        torch.nn.init.normal_(norm.bias)
    torch.nn.init.normal_(norm.weight)
    x = torch.randn(8)
    x = x - x.mean() if family == "gpt2" else x
    x = x / x.square().mean().sqrt()
    unembed = unembedding(target)
    assert unembed is not None
    with torch.no_grad():
        nothing = norm.bias if family == "gpt2" else torch.zeros(8)
        wanted = target.lm_head(norm(x)) - target.lm_head(nothing)
    torch.testing.assert_close(unembed @ (x + 3.0 if family == "gpt2" else x), wanted, atol=1e-4, rtol=1e-4)
    (logits,) = logits_of_directions(x[None], unembed, 20)
    assert all(token < 20 for token, _ in (*logits.raised, *logits.lowered))
    if family == "gpt2":
        assert hook_name(target, "h.0.mlp.c_proj") == "hook_mlp_out" and hook_name(target, "h.0.attn.c_attn") is None


def test_equal_exports_have_equal_bytes_and_activations_are_signed_as_they_fire(root: Path, there: Path) -> None:
    export_neuronpedia(root / "data", root / "again", Told("Tiny Model", "a lab"))
    assert read_json(root / "again" / "manifest.json") == read_json(there / "manifest.json")
    export_neuronpedia(root / "data", root / "signed", Told("Tiny Model", "a lab", values="activation"))
    table = pq.read_table(root / "data/harvest/examples/examples.parquet").to_pylist()
    means = pq.read_table(root / "data/harvest/subcomponents/subcomponents.parquet").to_pylist()
    signs = {row["subcomponent"]: -1 if row["mean_activation"] < 0 else 1 for row in means}
    assert set(signs.values()) == {1, -1}
    wanted = [row for row in table if row["subcomponent"].startswith(f"{O_PROJ}:")]
    found = _rows(root / "signed/tiny-model/1-prefactor-self_attn-o_proj/activations/batch-0.jsonl.gz")
    for row, example in zip(found, wanted, strict=True):
        sign = signs[example["subcomponent"]]
        assert row["values"] == pytest.approx([sign * value for value in example["activation"]], abs=1e-5)
        assert row["values"][row["maxValueTokenIndex"]] == row["maxValue"] == max(row["values"])


def test_names_that_neuronpedia_could_not_hold_are_refused() -> None:
    assert slug("Org/My Model 1.5") == "org-my-model-1-5"
    assert (
        places(["h.3.mlp.experts.1.up__proj"], "x")["h.3.mlp.experts.1.up__proj"].source == "3-x-mlp-experts-1-up_proj"
    )
    with pytest.raises(PrefactorError, match="its name has no layer"):
        places(["score"], "x")
    with pytest.raises(PrefactorError, match="another matrix is 0-x-q"):
        places(["a.0.q", "b.0.q"], "x")


def test_a_zero_byte_in_a_token_is_a_blank_and_a_row_that_does_not_fit_is_none() -> None:
    row: dict[str, Any] = {
        "id": schema.identity("a"), "modelId": "m", "layer": "0-x-q", "index": "0", "creatorId": "c",
        "tokens": ("a\0", "b"), "values": (0.0, 1.0), "maxValue": 1.0, "maxValueTokenIndex": 1, "minValue": 0.0,
        "qualifyingTokenIndex": 1,
    }  # fmt: skip
    assert schema.Activation(**row).tokens == ("a ", "b")
    for wrong in ({"values": (0.0,)}, {"maxValue": 2.0}, {"maxValueTokenIndex": 0}, {"index": "x"}, {"more": 1}):
        with pytest.raises(ValueError):
            schema.Activation.model_validate(row | wrong)


def test_the_command_says_what_it_wrote_and_what_is_wrong(root: Path, tmp_path: Path) -> None:
    def call(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["export-components", *words, "--to", "neuronpedia", "-C", str(root)])
        return done.exit_code, " ".join(done.output.split())

    code, said = call(str(tmp_path / "np"), "--model-id", "Tiny", "--values", "activation")
    assert code == 0 and "14 sources, 84 features" in said and "values are the activation" in said
    assert call(str(tmp_path / "np"))[1].endswith("is there already: name another folder, or remove it")
    assert "name one place" in call()[1]
    assert "leave out --hub" in call(str(tmp_path / "other"), "--licence", "mit")[1]
    assert "has no letter or digit" in call(str(tmp_path / "other"), "--model-id", "!")[1]
    bare = tmp_path / "bare"
    shutil.copytree(root / "data", bare / "data")
    shutil.rmtree(bare / "data/harvest/examples")
    with pytest.raises(PrefactorError, match="published without its text cannot go there"):
        export_neuronpedia(bare / "data", tmp_path / "other", Told("m", "a"))
    assert not (tmp_path / "other").exists()

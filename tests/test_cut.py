"""A vocabulary that is cut to the corpus's tokens: the same model on them, text in their places."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from transformers import Gemma2Config, Gemma2ForCausalLM, GPT2Config, GPT2LMHeadModel, PhiConfig, PhiForCausalLM

from prefactor.corpus.blocks import Blocks
from prefactor.corpus.used import WHOLE, Vocabulary, read_vocabulary, used_tokens, write_used
from prefactor.errors import ParamsError, PrefactorError
from prefactor.model.cut import cut_vocabulary, weights_cut
from prefactor.model.target import logits_of
from stages.check import read_pipeline
from tests.tiny import VOCABULARY, tiny_blocks, tiny_target

IDS = np.array([0, 3, 4, 11, 12, 13, 30, 38])
SMALL: dict[str, Any] = {
    "num_hidden_layers": 2,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_attention_heads": 2,
    "vocab_size": 40,
}


def gemma() -> Gemma2ForCausalLM:
    return Gemma2ForCausalLM(Gemma2Config(**SMALL, num_key_value_heads=1, head_dim=8, final_logit_softcapping=1.0))


def phi() -> PhiForCausalLM:
    model = PhiForCausalLM(PhiConfig(**SMALL))
    torch.nn.init.normal_(model.lm_head.bias)
    return model


def gpt2() -> GPT2LMHeadModel:
    return GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=16, n_head=2, vocab_size=40, n_positions=32))


# Untied; tied, with scaled embeddings and a soft cap; untied with a bias; tied, of another make.
@pytest.mark.parametrize("make", [tiny_target, gemma, phi, gpt2])
def test_on_the_tokens_that_are_left_it_is_the_same_model(make) -> None:
    torch.manual_seed(1)
    model: Any = make().eval().requires_grad_(False)
    tokens = torch.from_numpy(np.random.default_rng(0).choice(len(IDS), (3, 9)))
    whole = logits_of(model, torch.from_numpy(IDS)[tokens])
    tied = model.get_input_embeddings().weight is model.get_output_embeddings().weight
    weights = sum(parameter.numel() for parameter in model.parameters())
    cut_vocabulary(model, IDS)
    assert weights_cut(model) == weights - sum(parameter.numel() for parameter in model.parameters()) > 0
    assert torch.allclose(logits_of(model, tokens), whole[..., torch.from_numpy(IDS)], atol=1e-6)
    assert (model.get_input_embeddings().weight is model.get_output_embeddings().weight) == tied
    assert model.config.get_text_config().vocab_size == len(model.get_input_embeddings().weight) == len(IDS)


def test_a_model_that_depends_on_more_of_the_vocabulary_is_refused() -> None:
    model = tiny_target()
    more = torch.nn.Embedding(VOCABULARY, VOCABULARY)  # of each token another table, by id
    model.register_forward_hook(
        lambda module, args, kwargs, output: output.__setitem__(
            "logits", output["logits"] + more(kwargs["input_ids"])[..., : output["logits"].shape[-1]]
        ),
        with_kwargs=True,
    )
    with pytest.raises(PrefactorError, match=r"decompose\.logits = corpus: the vocabulary of Llama.*; write all"):
        cut_vocabulary(model.requires_grad_(False), IDS)


def test_blocks_and_tokens_are_found_in_their_places_and_back(tmp_path: Path) -> None:
    blocks = Blocks(tiny_blocks(5), np.array(["de"] * 5), [["a"]] * 5)
    other = Blocks(np.array([[39, 1]], np.int32), np.array(["en"]), [["b"]])
    ids = used_tokens([blocks, other])
    assert set(ids.tolist()) == {*blocks.tokens.ravel().tolist(), 39, 1} and list(ids) == sorted(set(ids))
    write_used(tmp_path, ids)
    vocabulary = read_vocabulary(tmp_path, "corpus")
    places = vocabulary.blocks(blocks)
    assert np.array_equal(ids[places.tokens], blocks.tokens) and places.tokens.dtype == np.int32
    assert [vocabulary.token(vocabulary.place(int(token))) for token in ids] == ids.tolist()
    assert vocabulary.decoder(str)(0) == f"[{ids[0]}]"
    assert read_vocabulary(tmp_path, "all") is WHOLE and WHOLE.blocks(blocks) is blocks and WHOLE.place(7) == 7


@pytest.mark.parametrize("token", [2, 39, -1, 10**6])
def test_a_token_that_the_corpus_lacks_is_named(token: int) -> None:
    with pytest.raises(PrefactorError, match=f"token {token} is nowhere in the corpus"):
        Vocabulary(IDS).place(token)


@pytest.mark.parametrize("key", ["logits", "objective", "modules"])
def test_a_key_that_stages_read_alone_must_be_written_out(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    del params["decompose"][key]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParamsError, match=rf"decompose\.{key} is missing"):
        read_pipeline()

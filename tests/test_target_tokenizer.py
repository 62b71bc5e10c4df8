"""A target's own tokenizer: kept as it is, from the corpus to the last export, and at odds with the model never."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer as Backend
from transformers import AutoTokenizer

from prefactor.config.corpus import TargetTokenizer
from prefactor.config.target import LoadTarget
from prefactor.corpus.cut import cut
from prefactor.corpus.document import Document
from prefactor.corpus.target_tokenizer import of_target
from prefactor.corpus.tokenizer import Tokenizer
from prefactor.corpus.tokenizer_file import read_tokenizer, write_tokenizer
from prefactor.edits.unfitted import token_of
from prefactor.errors import PrefactorError
from prefactor.export.adapter import write_merged
from prefactor.model.load import load_target, save_target
from prefactor.model.target import read_target
from tests.foreign import TEXT, foreign_model, foreign_tokenizer, leave

BLOCK = 32


def _of(folder: Path, block: int = BLOCK) -> Tokenizer:
    return of_target(TargetTokenizer(source="target", name=str(folder)), block)


def _kept(folder: Path, root: Path) -> Path:
    """The checkpoint that the stages corpus and target make of the model in ``folder``."""
    tokenizer = _of(folder)
    write_tokenizer(root / "corpus", tokenizer.backend, tokenizer.files)
    model = load_target(LoadTarget(source="load", name=str(folder)), tokenizer.vocabulary, BLOCK)
    save_target(model, root / "corpus", root / "checkpoint")
    return root / "checkpoint"


TOKENIZERS: dict[str, dict[str, Any]] = {
    "all special tokens": {},
    "begins with bos": {"begins": True},
    "eos separates": {"bos_token": None},
    "eos is bos": {"bos_token": "<eos>"},
    "no pad, no unk": {"pad_token": None, "unk_token": None},
    "left padding, a longest text": {"padding_side": "left", "truncation_side": "left", "model_max_length": 48},
    "tokens of its own": {"additional_special_tokens": ["<turn>", "<extra>"]},
    "keeps spaces": {"clean_up_tokenization_spaces": True},
}


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3", "qwen2", "opt"])
@pytest.mark.parametrize("kind", list(TOKENIZERS))
def test_a_loaded_tokenizer_is_the_same_in_the_checkpoint_and_in_exports(
    kind: str, family: str, tmp_path: Path
) -> None:
    folder = leave(tmp_path / "model", foreign_model(family), foreign_tokenizer(**TOKENIZERS[kind]))
    checkpoint = _kept(folder, tmp_path)
    target = read_target(checkpoint)
    name = next(n for n, m in target.base_model.named_modules() if type(m).__name__ in ("Linear", "Conv1D"))
    d_out, d_in = target.base_model.get_submodule(name).weight.shape
    change = {
        name: (torch.ones(1, d_out if family == "gpt2" else d_in), torch.ones(d_in if family == "gpt2" else d_out, 1))
    }
    write_merged(tmp_path / "merged", target, change, checkpoint, "card")
    before = AutoTokenizer.from_pretrained(folder)
    for place in (checkpoint, tmp_path / "merged"):
        after = AutoTokenizer.from_pretrained(place)
        for key in (
            "bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id", "special_tokens_map", "chat_template",
            "padding_side", "truncation_side", "model_max_length", "all_special_ids",
        ):  # fmt: skip
            assert getattr(after, key) == getattr(before, key), key
        assert after.get_vocab() == before.get_vocab()
        chat = [{"role": "user", "content": "Das Haus <<tool>>"}]
        assert after.apply_chat_template(chat, tokenize=False) == before.apply_chat_template(chat, tokenize=False)
        for text in [*TEXT, "!a<eos>b<<tool>> c<turn>", " 😀\n\n"]:
            ids = before(text)["input_ids"]
            assert after(text)["input_ids"] == ids
            assert after.decode(ids) == before.decode(ids)
        for name in _of(folder).files or {}:
            assert (place / name).read_bytes() == (tmp_path / "corpus" / "tokenizer" / name).read_bytes()
    backend = read_tokenizer(tmp_path / "corpus")
    assert (
        backend.encode(TEXT[0], add_special_tokens=False).ids == before(TEXT[0], add_special_tokens=False)["input_ids"]
    )
    assert backend.decode([0], skip_special_tokens=False) == "!", "id 0 is a token as any other"


@pytest.mark.parametrize(
    "special", [{"bos_token": "<bos>"}, {"bos_token": None}, {"bos_token": None, "eos_token": None}]
)
def test_the_separator_is_the_bos_or_else_the_eos_token(special: dict[str, Any], tmp_path: Path) -> None:
    leave(tmp_path, tokenizer=foreign_tokenizer(**special))
    if special.get("eos_token", "") is None:
        with pytest.raises(PrefactorError, match="neither a bos nor an eos token"):
            _of(tmp_path)
    else:
        assert _of(tmp_path).separator == (3 if special["bos_token"] is None else 2)


@pytest.mark.parametrize("how", ["truncates", "pads"])
def test_a_tokenizer_that_cuts_or_pads_does_neither_here(how: str, tmp_path: Path) -> None:
    leave(tmp_path)
    backend = Backend.from_file(str(tmp_path / "tokenizer.json"))
    backend.enable_truncation(4) if how == "truncates" else backend.enable_padding(length=100)
    backend.save(str(tmp_path / "tokenizer.json"))
    tokenizer = _of(tmp_path)
    write_tokenizer(tmp_path / "corpus", tokenizer.backend, tokenizer.files)
    for ids in (tokenizer.encode(TEXT[:1])[0], read_tokenizer(tmp_path / "corpus").encode(TEXT[0]).ids):
        assert read_tokenizer(tmp_path / "corpus").decode(list(map(int, ids)), skip_special_tokens=False) == TEXT[0]


def _stale_pad(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"<more{i}>" for i in range(9)])
    tokenizer.save_pretrained(folder)


def _adapter(folder: Path) -> None:
    get_peft_model(foreign_model(), LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(str(folder))


def _edit(name: str, **changes: Any) -> Any:
    def spoil(folder: Path) -> None:
        (folder / name).write_text(json.dumps(json.loads((folder / name).read_text()) | changes))

    return spoil


MISFITS = {
    "tokens beyond the embeddings": (_stale_pad, BLOCK, r"ids up to 305, the model only 300 embeddings; take .*resize"),
    "fewer embeddings by its config": (_edit("config.json", vocab_size=200), BLOCK, r"the model only 200 embeddings"),
    "a block too long": (lambda folder: None, 65, r"at most 64 tokens, and corpus.block = 65; set"),
    "a block too long for gpt2": (lambda f: foreign_model("gpt2").save_pretrained(f), 128, "at most 64 tokens"),
    "a block too long for opt": (lambda f: foreign_model("opt").save_pretrained(f), 128, "at most 64 tokens"),
    "an adapter": (_adapter, BLOCK, r"target.model.name = .*holds an adapter"),
    "no model": (lambda folder: (folder / "config.json").unlink(), BLOCK, r"target.model.name = .*no config.json"),
    "no tokenizer": (lambda folder: [p.unlink() for p in folder.glob("*token*")], BLOCK, r"tokenizer: it cannot be"),
    "a damaged tokenizer": (lambda f: (f / "tokenizer.json").write_text("{"), BLOCK, r"tokenizer: it cannot be"),
    "code of its own": (
        _edit("tokenizer_config.json", tokenizer_class="Mine", auto_map={"AutoTokenizer": [None, "mine.Mine"]}), BLOCK,
        r"it brings code of its own\); read that code, and set trust_remote_code",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", list(MISFITS))
def test_a_target_that_cannot_read_the_corpus_is_refused_before_any_text_is_read(what: str, tmp_path: Path) -> None:
    spoil, block, said = MISFITS[what]
    leave(tmp_path)
    spoil(tmp_path)
    with pytest.raises(PrefactorError, match=said) as raised:
        _of(tmp_path, block)
    assert re.match(r"params.yaml: (target.model|corpus.tokenizer).name = ", str(raised.value))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("family", ["bloom", "gemma3"])
def test_no_positions_and_a_sliding_window_bound_no_block(family: str, tmp_path: Path) -> None:
    leave(tmp_path, foreign_model(family))
    assert _of(tmp_path, 64).positions == (None if family == "bloom" else 64)


@pytest.mark.parametrize("block", [8, 9, 13, 32, 200])
@pytest.mark.parametrize("begins", [(), (2,), (4, 2), (2, 2)])
def test_blocks_begin_as_the_tokenizer_begins_a_text_and_lose_nothing(
    tmp_path: Path, begins: tuple[int, ...], block: int
) -> None:
    leave(tmp_path)
    plain = _of(tmp_path, 64)
    tokenizer = Tokenizer(plain.backend, plain.separator, begins)
    found = [Document(f"d{i}", "en", text * (i + 1)) for i, text in enumerate(TEXT)]
    blocks = cut({"en": found}, tokenizer, block, (0,), "fit")
    order = np.argsort(np.random.default_rng((0,)).permutation(len(blocks)))
    stream = [token for d in found for token in [2, *tokenizer.encode([d.text])[0].tolist()]]
    owner = [d.id for d in found for _ in range(1 + len(tokenizer.encode([d.text])[0]))]
    at = 0
    for row, documents in zip(blocks.tokens[order].tolist(), [blocks.documents[i] for i in order], strict=True):
        assert tuple(row[: len(begins)]) == begins
        bare = row if tuple(stream[at : at + len(begins)]) == begins else row[len(begins) :]
        assert bare == stream[at : at + len(bare)]
        assert documents == list(dict.fromkeys(owner[at : at + len(bare)]))
        at += len(bare)
    assert len(stream) - at < block


def test_a_special_token_is_one_that_a_rewrite_can_write(tmp_path: Path) -> None:
    leave(tmp_path)
    assert token_of(_of(tmp_path).backend, "<eos>") == 3

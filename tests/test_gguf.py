"""GGUF files as people have them: read as the model in them, or refused in one line with offender and remedy."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from prefactor.config.corpus import TargetTokenizer
from prefactor.config.target import LoadTarget
from prefactor.corpus.target_tokenizer import of_target
from prefactor.corpus.tokenizer_file import write_tokenizer
from prefactor.errors import PrefactorError
from prefactor.model.load import load_target, save_target
from prefactor.model.target import logits_of, read_target
from tests.foreign import TEXT, VOCABULARY, foreign_model, foreign_tokenizer, leave
from tests.gguf_files import BLOCK, FILE, Q8, TOKENS, llama, load, stored, write_gguf


def _of(folder: Path, file: str | None = FILE) -> Any:
    return of_target(TargetTokenizer(source="target", name=str(folder), file=file), BLOCK)


@torch.no_grad()
def _quantised(model: Any) -> Any:
    """``model`` with the numbers that Q8_0 keeps of its matrices: blocks lie in rows, which no permutation cuts."""
    for parameter in model.parameters():
        if parameter.ndim == 2:
            value = parameter.numpy()
            parameter.copy_(torch.from_numpy(gguf.dequantize(gguf.quantize(value, Q8), Q8).reshape(value.shape)))
    return model


@pytest.mark.parametrize("quantised", [False, True], ids=["f32", "Q8_0"])
@pytest.mark.parametrize("tied", [False, True])
def test_a_gguf_file_becomes_the_standard_checkpoint_of_the_model_in_it(
    tied: bool, quantised: bool, tmp_path: Path
) -> None:
    model = llama(tied)
    write_gguf(tmp_path / FILE, model, quantised=quantised)
    tokenizer = _of(tmp_path)
    write_tokenizer(tmp_path / "corpus", tokenizer.backend, tokenizer.files)
    loaded = load(tmp_path)
    save_target(loaded, tmp_path / "corpus", tmp_path / "checkpoint")
    expected = logits_of(_quantised(model) if quantised else model, TOKENS)
    assert torch.equal(logits_of(loaded, TOKENS), expected)
    kept = read_target(tmp_path / "checkpoint")
    assert torch.equal(logits_of(kept, TOKENS), expected)
    assert {parameter.dtype for parameter in kept.parameters()} == {torch.float32}
    assert not hasattr(kept.config, "quantization_config")


def test_its_tokenizer_reads_text_as_the_one_that_was_put_in_it(tmp_path: Path) -> None:
    before = foreign_tokenizer()
    write_gguf(tmp_path / FILE, tokenizer=before)
    tokenizer = _of(tmp_path)
    for text, ids in zip(TEXT, tokenizer.encode(TEXT), strict=True):
        assert ids.tolist() == before(text)["input_ids"]
    assert (tokenizer.separator, tokenizer.vocabulary) == (before.bos_token_id, VOCABULARY), "no id of the conversion's"
    write_tokenizer(tmp_path / "corpus", tokenizer.backend, tokenizer.files)
    after = AutoTokenizer.from_pretrained(tmp_path / "corpus" / "tokenizer")
    assert after("Das <eos>")["input_ids"] == before("Das <eos>")["input_ids"]
    assert after.chat_template == before.chat_template


def test_nothing_that_lies_around_is_read_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = llama()
    folder = leave(tmp_path / "model", tokenizer=foreign_tokenizer(begins=True, bos_token="<turn>"))
    (folder / "adapter_config.json").write_text("{}")
    write_gguf(folder / FILE, model)
    here = tmp_path / "here"
    here.mkdir()
    write_gguf(here / FILE, llama(initializer_range=0.1))
    monkeypatch.chdir(here)
    assert torch.equal(logits_of(load(Path("../model")), TOKENS), logits_of(model, TOKENS))
    assert (_of(folder).separator, _of(folder).begins) == (2, ())


def test_a_file_on_the_hub_is_fetched_alone_at_its_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, asked = llama(), []

    def cached_file(name: str, file: str, revision: str | None = None) -> str:
        asked.append((name, file, revision))
        if len(asked) > 1:
            raise OSError("no such\nrevision")
        return str(write_gguf(tmp_path / file, model))

    monkeypatch.setattr("transformers.utils.hub.cached_file", cached_file)
    config = LoadTarget(source="load", name="some/model", revision="abc", file=FILE)
    assert torch.equal(logits_of(load_target(config, VOCABULARY, BLOCK), TOKENS), logits_of(model, TOKENS))
    assert asked == [("some/model", FILE, "abc")]
    with pytest.raises(PrefactorError, match=r"'some/model': model.gguf: it cannot be loaded \(no such\); mend its"):
        load_target(config, VOCABULARY, BLOCK)


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[Path], Any]:
    return lambda folder: (folder / FILE).write_bytes(change((folder / FILE).read_bytes()))


def _again(model: Any = None, **how: Any) -> Callable[[Path], Any]:
    return lambda folder: write_gguf(folder / FILE, model and model(), **how)


def _tensors(**changes: np.ndarray | None) -> Callable[[Path], Any]:
    changed = {name.replace("__", "."): value for name, value in changes.items()}

    def spoil(folder: Path) -> None:
        tensors = stored(llama()) | changed
        write_gguf(folder / FILE, tensors={name: value for name, value in tensors.items() if value is not None})

    return spoil


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
SPOILT: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a git-lfs pointer": (_bytes(lambda _: POINTER), r"model.gguf is a git-lfs pointer.*`git lfs pull`"),
    "a link to nothing": (
        lambda f: (f / FILE).unlink() or (f / FILE).symlink_to("../blobs/gone"), "is a link to a file that is gone",
    ),
    "empty": (_bytes(lambda _: b""), r"model.gguf cannot be read \(it is empty\)"),
    "a page of HTML": (_bytes(lambda _: b"<!DOCTYPE html>" * 99), "it does not begin as GGUF files do"),
    "cut short": (_bytes(lambda b: b[:-500]), r"model.gguf is cut short: it has \d+ of \d+ bytes; copy or download"),
    "cut in its header": (_bytes(lambda b: b[:3000]), "model.gguf is cut short in its header"),
    "cut after its first number": (_bytes(lambda b: b[:6]), "model.gguf is cut short in its header"),
    "of another version": (_bytes(lambda b: b[:4] + b"\1" + b[5:]), r"it is of version 1, not 2 or 3"),
    "its bytes the other way round": (_bytes(lambda b: b[:4] + b[4:8][::-1] + b[8:]), "it is of version 50331648"),
    "an adapter": (_again(general_type="adapter"), r"holds no whole model but 'adapter' \(general.type\)"),
    "a part": (_again(split__count=3), "is one of 3 parts; join them"),
    "stretched positions": (_again(llama__rope__scaling__type="yarn"), "model.gguf stretches its positions"),
    "factors of positions": (
        _tensors(rope_freqs__weight=np.ones(4, np.float32)), "model.gguf stretches its positions",
    ),
    "a bias nobody reads": (
        _tensors(blk__1__ffn_up__bias=np.ones(64, np.float32)), r"holds \d+ numbers, the model .* it would be another",
    ),
    "a matrix is missing": (_tensors(blk__1__ffn_up__weight=None), r"lacks 1 .*model.layers.1.mlp.up_proj.weight"),
    "another shape": (
        _tensors(blk__1__ffn_up__weight=np.ones((32, 32), np.float32)), "up_proj.weight is 32×32 in the checkpoint",
    ),
    "one NaN": (
        _tensors(blk__1__ffn_up__weight=np.full((64, 32), np.nan, np.float32)), "has weights that are not finite",
    ),
    "another name": (
        lambda f: (f / FILE).rename(f / "q4.gguf"), r"there is no model.gguf in it, it has q4.gguf; mend file",
    ),
    "no GGUF file": (lambda f: (f / FILE).unlink(), "there is no model.gguf in it, nor any other .gguf file"),
    "no folder": (shutil.rmtree, "there is no such folder"),
}  # fmt: skip


@pytest.mark.parametrize("what", list(SPOILT))
def test_what_is_no_whole_model_is_refused_in_one_line(what: str, tmp_path: Path) -> None:
    spoil, said = SPOILT[what]
    (folder := tmp_path / "model").mkdir()
    write_gguf(folder / FILE)
    spoil(folder)
    with pytest.raises(PrefactorError, match=said) as raised:
        load(folder)
    assert str(raised.value).startswith("params.yaml: target.model.name = ") and "\n" not in str(raised.value)


def test_a_folder_of_gguf_files_says_which_to_name(tmp_path: Path) -> None:
    write_gguf(tmp_path / "q8.gguf")
    for ask in (load, _of):
        with pytest.raises(PrefactorError, match=r"its weights are GGUF; set file beside name, .*, to q8.gguf"):
            ask(tmp_path, None)
    write_gguf(tmp_path / "q4.gguf")
    with pytest.raises(PrefactorError, match=r"to one of q4.gguf, q8.gguf"):
        load(tmp_path, None)
    with pytest.raises(PrefactorError, match=re.escape("it is a file; name its folder, and beside that file: q4.gguf")):
        load(tmp_path / "q4.gguf", None)


def test_a_checkpoint_beside_a_gguf_file_is_read_without_file(tmp_path: Path) -> None:
    write_gguf(leave(tmp_path) / FILE)
    assert torch.equal(logits_of(load(tmp_path, None), TOKENS), logits_of(foreign_model(), TOKENS))


def test_a_block_longer_than_its_positions_is_refused_before_any_text_is_read(tmp_path: Path) -> None:
    write_gguf(tmp_path / FILE)
    with pytest.raises(PrefactorError, match=r"at most 64 tokens, and corpus.block = 65"):
        of_target(TargetTokenizer(source="target", name=str(tmp_path), file=FILE), 65)

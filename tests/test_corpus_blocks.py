from dataclasses import replace

import numpy as np
import pytest

from prefactor.corpus.blocks import BLOCKS, Blocks, read_blocks, take, write_blocks
from prefactor.corpus.cut import cut
from prefactor.corpus.document import Document
from prefactor.corpus.need import Need
from prefactor.corpus.tokenizer import train
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import write_manifest


def blocks(domains: str, size: int = 8) -> Blocks:
    """A block a letter of ``domains``, its tokens counting on."""
    count = len(domains)
    tokens = np.arange(count * size, dtype=np.int32).reshape(count, size)
    return Blocks(tokens, np.array(list(domains), dtype=str), [[f"{i}", f"{i + 1}"] for i in range(count)])


@pytest.mark.parametrize("domains", ["abab", ""])
def test_read_gives_back_what_was_written(tmp_path, domains):
    before = blocks(domains)
    write_blocks(tmp_path, "fit", before)
    after = read_blocks(tmp_path, "fit")
    assert after.tokens.dtype == np.int32 and np.array_equal(after.tokens, before.tokens)
    assert after.domain.tolist() == before.domain.tolist() and after.documents == before.documents


def test_quotes_are_kept_where_they_are_known(tmp_path):
    quoted = np.arange(32).reshape(4, 8) % 5 == 0
    known = replace(blocks("abab"), quoted=quoted)
    write_blocks(tmp_path, "eval", known)
    after = read_blocks(tmp_path, "eval")
    assert after.quoted is not None and after.quoted.dtype == bool and np.array_equal(after.quoted, quoted)
    of_b = after.of("b").quoted
    assert of_b is not None and np.array_equal(of_b, quoted[1::2])
    write_blocks(tmp_path, "fit", blocks("abab"))
    assert read_blocks(tmp_path, "fit").quoted is None


@pytest.mark.parametrize("begins", [(), (0,)])
def test_tokens_of_a_quote_are_marked_wherever_blocks_are_cut(begins):
    text = 'He said: "Das ist gut." And left, as ever.'
    start = text.index("Das")
    told = [Document("a", "en", text, ((start, start + 11),)), Document("b", "en", "No quote at all. " * 3, ())]
    tokenizer = replace(train([text, "No quote at all. "] * 40, 290), begins=begins)
    for block in (4, 7, 64):
        found = cut({"en": told}, tokenizer, block, (0,), "eval")
        assert found.quoted is not None and found.quoted.shape == found.tokens.shape
        if block < 64:
            stream = "".join(tokenizer.backend.decode(row[mark].tolist()) for row, mark in in_order(found))
            assert stream == "Das ist gut"
    unknown = [Document("a", "en", text), Document("b", "en", text, ())]
    assert cut({"en": unknown}, tokenizer, 4, (0,), "eval").quoted is None


def in_order(found):
    """Rows with their marks in the order of the text, which cutting has shuffled: by their place in it."""
    rows = list(zip(found.tokens, found.quoted, strict=True))
    order = np.argsort(np.random.default_rng((0,)).permutation(len(rows)))
    return [rows[i] for i in order]


def test_read_refuses_a_damaged_and_an_unlisted_file(tmp_path):
    write_blocks(tmp_path, "fit", blocks("ab"))
    write_manifest(tmp_path / "fit", [])
    with pytest.raises(PrefactorError, match=r"does not list blocks\.parquet"):
        read_blocks(tmp_path, "fit")
    write_manifest(tmp_path / "fit", [BLOCKS])
    content = bytearray((tmp_path / "fit" / BLOCKS).read_bytes())
    content[20] ^= 1
    (tmp_path / "fit" / BLOCKS).write_bytes(content)
    with pytest.raises(PrefactorError, match="damaged"):
        read_blocks(tmp_path, "fit")


def test_of_keeps_the_order_of_the_file():
    assert blocks("abab").of("b").tokens[:, 0].tolist() == [8, 24]
    assert blocks("abab").domains == ["a", "b"]
    assert len(blocks("abab").of("c")) == 0


def test_take_rounds_up_to_whole_blocks_and_names_the_key_that_asks_too_much():
    assert take(blocks("abab"), Need("harvest.tokens", 9, "harvest")).tokens[:, 0].tolist() == [0, 8]
    assert len(take(blocks("abab"), Need("harvest.tokens", 32, "harvest"))) == 4
    first = Need("harvest.tokens", 9, "harvest")
    behind = Need("harvest.held_out_tokens", 16, "harvest", after=first)
    assert take(blocks("abab"), behind).tokens[:, 0].tolist() == [16, 24]
    with pytest.raises(PrefactorError, match=r"held_out_tokens = 17: .* 5 blocks of 8 are drawn; use at most 16, or"):
        take(blocks("abab"), Need("harvest.held_out_tokens", 17, "harvest", after=first))
    with pytest.raises(
        PrefactorError, match=r"harvest\.tokens = 33: the harvest split has only 32 .*; use at most 32,"
    ):
        take(blocks("abab"), Need("harvest.tokens", 33, "harvest"))

import numpy as np
import pytest

from prefactor.corpus.blocks import BLOCKS, Blocks, read_blocks, take, write_blocks
from prefactor.corpus.need import Need
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

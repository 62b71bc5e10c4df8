"""The tokens that a corpus has, of all that its tokenizer knows; and its text in places among them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prefactor.config.decompose import Logits
from prefactor.corpus.blocks import Blocks
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import part, write_part

USED = "used"  # data/text/used


@dataclass(frozen=True)
class Vocabulary:
    """The tokens that a stage works with: ``ids`` (n,), ascending; None: all, each in its own place."""

    ids: np.ndarray | None = None

    @property
    def size(self) -> int | None:
        """How many tokens it leaves; None: it cuts nothing."""
        return None if self.ids is None else len(self.ids)

    def blocks(self, blocks: Blocks) -> Blocks:
        """``blocks`` with the place of each token for the token."""
        if self.ids is None:
            return blocks
        return replace(blocks, tokens=np.searchsorted(self.ids, blocks.tokens).astype(np.int32))

    def token(self, place: int) -> int:
        """The id of the token at ``place``."""
        return place if self.ids is None else int(self.ids[place])

    def place(self, token: int) -> int:
        """The place of the token with this id.

        Raises:
            PrefactorError: the corpus does not have it.
        """
        if self.ids is None:
            return token
        place = int(np.searchsorted(self.ids, token))
        if place == len(self.ids) or self.ids[place] != token:
            raise PrefactorError(
                f"token {token} is nowhere in the corpus, to whose tokens decompose.logits cuts the model: write all "
                "there, or take another token"
            )
        return place

    def decoder(self, decode: Callable[[list[int]], str]) -> Callable[[int], str]:
        """The text of the token at a place, by what gives the text of ids."""
        return lambda place: decode([self.token(place)])


WHOLE = Vocabulary()


def used_tokens(splits: Iterable[Blocks]) -> np.ndarray:
    """The ids (n,) of the tokens that are anywhere in ``splits``, ascending."""
    return np.unique(np.concatenate([np.empty(0), *(np.unique(blocks.tokens) for blocks in splits)])).astype(np.int32)


def write_used(folder: Path, ids: np.ndarray) -> None:
    """Write into ``folder``, the text stage's, the tokens that the corpus has; none if all are worked with."""
    write_part(folder, USED, pa.table({"token": pa.array(ids, pa.int32())}))


def read_vocabulary(folder: Path, logits: Logits) -> Vocabulary:
    """The tokens that ``decompose.logits`` asks for; ``folder`` is the text stage's.

    Raises:
        PrefactorError: the file that names them is missing or damaged.
    """
    if logits == "all":
        return WHOLE
    return Vocabulary(pq.read_table(part(folder, USED))["token"].to_numpy().copy())

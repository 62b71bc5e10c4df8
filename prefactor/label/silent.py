"""Text on which a subcomponent does not fire: windows of the harvest's sampled blocks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from prefactor.harvest.bits import unpacked
from prefactor.label.evidence import Window


@dataclass(frozen=True)
class Sampled:
    """S blocks of T tokens, and which of C subcomponents fire at each token."""

    domain: list[str]
    tokens: list[tuple[str, ...]]
    fires: np.ndarray  # (S, T, C) bool

    @classmethod
    def read(cls, table: pa.Table, subcomponents: int) -> "Sampled":
        """``table`` is ``harvest/sample.parquet``."""
        tokens = [tuple(row) for row in table["tokens"].to_pylist()]
        bits = np.stack([np.frombuffer(row, dtype=np.uint8) for row in table["fires"].to_pylist()])
        bits = bits.reshape(len(tokens), len(tokens[0]), -1)
        return cls(table["domain"].to_pylist(), tokens, unpacked(bits, subcomponents))

    def silent(self, column: int, lengths: Sequence[int], rng: np.random.Generator) -> list[Window]:
        """Windows of these ``lengths``, as many as there are, each of another block, without a firing of ``column``.

        Their position is 0 and means nothing: no token there is the one.
        """
        windows: list[Window] = []
        for block in rng.permutation(len(self.tokens)):
            if len(windows) == len(lengths):
                break
            tokens, length = self.tokens[block], lengths[len(windows)]
            start = int(rng.integers(max(1, len(tokens) - length + 1)))
            part = tokens[start : start + length]
            if not self.fires[block, start : start + length, column].any():
                nothing = (0.0,) * len(part)
                windows.append(Window(self.domain[block], 0, part, nothing, nothing))
        return windows

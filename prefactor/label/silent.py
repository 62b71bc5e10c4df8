"""Text on which a subcomponent does not fire: windows of the harvest's sampled blocks."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

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
        fires = np.unpackbits(bits, axis=-1, count=subcomponents).astype(bool)
        return cls(table["domain"].to_pylist(), tokens, fires)

    def silent(self, column: int, count: int, length: int, rng: np.random.Generator) -> list[Window]:
        """At most ``count`` windows of ``length`` tokens, each of another block, without a firing of ``column``.

        Their position is any: nothing marks a token there.
        """
        found: list[Window] = []
        for block in rng.permutation(len(self.tokens)):
            if len(found) == count:
                break
            tokens = self.tokens[block]
            start = int(rng.integers(max(1, len(tokens) - length + 1)))
            part = tokens[start : start + length]
            if not self.fires[block, start : start + length, column].any():
                nothing = (0.0,) * len(part)
                found.append(Window(self.domain[block], int(rng.integers(len(part))), part, nothing, nothing))
        return found

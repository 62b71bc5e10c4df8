"""How much text a stage draws: said once, so that the gate before all stages asks for what the stage then takes."""

from dataclasses import dataclass
from typing import Literal

from prefactor.errors import ParamsError

PARAMS = "params.yaml: "


@dataclass(frozen=True)
class Need:
    """Text of one split, of one domain or (``None``) of all in the split's mix, asked for by ``key`` = ``value``."""

    key: str
    value: int
    split: str
    domain: str | None = None
    # What `value` counts: tokens, rounded up to blocks; target tokens, a quarter of a block each; or blocks.
    unit: Literal["tokens", "targets", "blocks"] = "tokens"
    shared_by: int = 1  # domains that the value is divided among, evenly
    behind: "Need | None" = None  # which takes the blocks before these
    where: str = PARAMS  # what the key belongs to; empty for a word of the command line

    @property
    def whose(self) -> str:
        return f"the {self.split} split" + (f" of {self.domain}" if self.domain else "")

    def blocks(self, length: int) -> int:
        """How many blocks of ``length`` tokens that is."""
        return -(-self.value // (self._a_block(length) * self.shared_by))

    def start(self, length: int) -> int:
        """The first block of ``length`` tokens that is taken."""
        return self.behind.blocks(length) if self.behind else 0

    def end(self, length: int) -> int:
        """The block after the last one that is taken: how many there must be."""
        return self.start(length) + self.blocks(length)

    def check(self, available: int, length: int) -> None:
        """Whether ``available`` tokens in blocks of ``length`` suffice.

        Raises:
            ParamsError: they do not; with the most that could be asked for.
        """
        there = available // length
        if self.end(length) <= there:
            return
        most = max(0, there - self.start(length)) * self._a_block(length) * self.shared_by
        remedy = f"use at most {most}, or " if most else ""
        remedy += f"raise corpus.characters or corpus.splits.{self.split}"
        taken = f", of which {self.start(length) * length} are taken" if self.behind else ""
        raise ParamsError(
            f"{self.where}{self.key} = {self.value}: {self.whose} has only {available} tokens{taken}, and "
            f"{self.blocks(length)} blocks of {length} are drawn; {remedy}"
        )

    def _a_block(self, length: int) -> int:
        return {"tokens": length, "targets": length // 4, "blocks": 1}[self.unit]

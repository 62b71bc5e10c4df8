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
    after: "Need | None" = None  # behind what this one draws of the same text: no block serves both
    where: str = PARAMS  # what the key belongs to; empty for a word of the command line

    @property
    def whose(self) -> str:
        return f"the {self.split} split" + (f" of {self.domain}" if self.domain else "")

    def blocks(self, length: int) -> int:
        """How many blocks of ``length`` tokens that is."""
        return -(-self.value // (self._a_block(length) * self.shared_by))

    def first(self, length: int) -> int:
        """The place of its first block among those of its text."""
        return 0 if self.after is None else self.after.end(length)

    def end(self, length: int) -> int:
        """The place behind its last block: how many blocks its text must have."""
        return self.first(length) + self.blocks(length)

    def is_met(self, available: int, length: int) -> bool:
        """Whether ``available`` tokens in blocks of ``length`` suffice."""
        return self.end(length) <= available // length

    def check(self, available: int, length: int) -> None:
        """Check that ``available`` tokens in blocks of ``length`` suffice.

        Raises:
            ParamsError: they do not; with the most that could be asked for.
        """
        if self.is_met(available, length):
            return
        most = max(0, available // length - self.first(length)) * self._a_block(length) * self.shared_by
        remedy = f"use at most {most}, or " if most else ""
        remedy += f"raise corpus.characters or corpus.splits.{self.split}"
        raise ParamsError(
            f"{self.where}{self.key} = {self.value}: {self.whose} has only {available} tokens, and "
            f"{self.end(length)} blocks of {length} are drawn; {remedy}"
        )

    def _a_block(self, length: int) -> int:
        return {"tokens": length, "targets": length // 4, "blocks": 1}[self.unit]

"""Parameters of the locate stage: which domain a change should remove, what it should spare, how it is looked for."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from prefactor.config.base import Config, Pattern
from prefactor.config.names import DomainName

LOCATED = "located"  # of decompose.modules and of a direction's matrix: what this stage has found


class LocateConfig(Config):
    target: DomainName
    spare: Annotated[tuple[DomainName, ...], Field(min_length=1)] | None = None  # left out: every other domain
    modules: Pattern = ".*"  # the matrices that come into question
    tokens: int = Field(gt=0)  # of the train split a domain, that the closed form is made from
    verify_tokens: int = Field(gt=0)  # ... and others, that it is verified on
    amounts: tuple[Annotated[float, Field(gt=0)], ...] = Field(min_length=1)  # 1: as large as what the matrix writes
    verify: int = Field(ge=1)  # how many of the best by the screen are verified
    tolerated: float = Field(gt=0)  # nats a token of damage to another domain, up to which the target's counts
    ridge: float = Field(gt=0)  # epsilon as a share of the mean eigenvalue of the second moment
    # Where decompose.modules is `located`: how many are decomposed, or all of the layer of the best that `modules` has.
    top: Annotated[int, Field(ge=1)] | Literal["layer"]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if list(self.amounts) != sorted(set(self.amounts)):
            raise ValueError(f"amounts = {list(self.amounts)} must rise")
        if self.top != "layer" and self.top > self.verify:
            raise ValueError(f"top = {self.top}: only verify = {self.verify} are ranked; lower it, or raise verify")
        return self

    def spared(self, domains: Sequence[str]) -> tuple[str, ...]:
        """The domains to spare, of all the ``domains`` of a corpus."""
        return self.spare or tuple(domain for domain in domains if domain != self.target)

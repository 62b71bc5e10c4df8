"""Parameters of the decompose stage."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from prefactor.config.base import Config, Pattern
from prefactor.config.training import TrainingConfig

# Of each matrix: twice its rank (auto; where singular directions are taken, its rank); a number; or by regular
# expression, first match.
Subcomponents = Literal["auto"] | Annotated[int, Field(ge=1)] | dict[Pattern, Annotated[int, Field(ge=1)]]


# What every stage from decompose to edit predicts among: all tokens that the target knows, or those that are anywhere
# in the corpus. Evaluation always goes by all.
Logits = Literal["all", "corpus"]


class NetConfig(Config):
    """Shape of the importance net."""

    width: int = Field(ge=8)
    blocks: int = Field(ge=1)
    heads: int = Field(ge=1)


class Targeted(Config):
    """Components for what the text of some domains needs; what all other text needs stays with Δ."""

    kind: Literal["targeted"]
    target: tuple[str, ...] = Field(min_length=1)  # domains of the stream whose mechanism the components carry
    other: tuple[str, ...] = Field(min_length=1)  # domains of the stream that is only not to be disturbed
    batch: int = Field(ge=1)  # blocks of the other stream a step, besides training.batch of the target's
    # Coefficients on the other stream; those of ``training`` are for the target stream.
    stochastic: float = Field(ge=0)
    minimality: float = Field(ge=0)


Objective = Literal["full"] | Targeted


class Local(Config):
    """How components are fitted to their matrix's own output, where ``source`` is local."""

    steps: int = Field(ge=1)
    batch: int = Field(ge=1)  # blocks a step
    learning_rate: float = Field(gt=0)  # cosine to a tenth
    top: int = Field(ge=1)  # subcomponents of a matrix that act at a token


class DecomposeConfig(Config):
    objective: Objective = "full"
    logits: Logits = "all"
    modules: Pattern = ".*"  # regular expression over the names of the base model's matrices; or `located`
    subcomponents: Subcomponents = "auto"
    # svd: the largest singular directions; local: components that reproduce each matrix's own output. Only the net is
    # trained behind these two.
    source: Literal["trained", "svd", "local"] = "trained"
    local: Local | None = None
    initial: Literal["random", "singular"] = "random"  # read directions that training starts from
    net: NetConfig
    clip: float = Field(gt=0)  # norm at which the gradients of U and V are clipped
    training: TrainingConfig

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.source == "local") != (self.local is not None):
            raise ValueError("give local (steps, batch, learning_rate, top) with source: local, and only then")
        return self

    @property
    def singular(self) -> bool:
        """Whether the components are, or start as, singular directions: a matrix has no more of them than its rank."""
        return self.source == "svd" or self.initial == "singular"

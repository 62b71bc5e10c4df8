"""Parameters of the decompose stage."""

from typing import Annotated, Literal

from pydantic import Field

from prefactor.config.base import Config, Pattern
from prefactor.config.training import TrainingConfig

# Of each matrix: twice its rank (auto; where singular directions are taken, its rank); a number; or by regular
# expression, first match.
Subcomponents = Literal["auto"] | Annotated[int, Field(ge=1)] | dict[Pattern, Annotated[int, Field(ge=1)]]


class NetConfig(Config):
    """Shape of the importance net."""

    width: int = Field(ge=8)
    blocks: int = Field(ge=1)
    heads: int = Field(ge=1)


class DecomposeConfig(Config):
    modules: Pattern = ".*"  # regular expression over the names of the base model's matrices; or `located`
    subcomponents: Subcomponents = "auto"
    source: Literal["trained", "svd"] = "trained"  # svd: the largest singular directions, and only the net is trained
    initial: Literal["random", "singular"] = "random"  # read directions that training starts from
    net: NetConfig
    clip: float = Field(gt=0)  # norm at which the gradients of U and V are clipped
    training: TrainingConfig

    @property
    def singular(self) -> bool:
        """Whether the components are, or start as, singular directions: a matrix has no more of them than its rank."""
        return self.source == "svd" or self.initial == "singular"

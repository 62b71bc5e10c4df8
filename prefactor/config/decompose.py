"""Parameters of the decompose stage."""

from pydantic import Field

from prefactor.config.base import Config
from prefactor.config.training import TrainingConfig


class NetConfig(Config):
    """Shape of the importance net."""

    width: int = Field(ge=8)
    blocks: int = Field(ge=1)
    heads: int = Field(ge=1)


class DecomposeConfig(Config):
    modules: str = ".*"  # regular expression over the names of the base model's linear modules
    subcomponents: int | dict[str, int]  # a matrix; or by regular expression, the first that matches counts
    net: NetConfig
    clip: float = Field(gt=0)  # norm at which the gradients of U and V are clipped
    training: TrainingConfig

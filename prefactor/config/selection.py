"""Parameters of the selection stage."""

from pydantic import Field

from prefactor.config.base import Config


class SelectionConfig(Config):
    runners_up: int = Field(ge=0)  # candidates and near misses to write down beside the chosen subcomponents

"""Parameters of the selection stage; which subcomponents an edit takes is said by the edit's own ``choose``."""

from pydantic import Field

from prefactor.config.base import Config


class SelectionConfig(Config):
    runners_up: int = Field(ge=0)  # candidates to write down beside the chosen ones

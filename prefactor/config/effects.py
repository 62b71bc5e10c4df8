"""Parameters of the effects stage: how much text every subcomponent is ablated and inverted on."""

from pydantic import Field

from prefactor.config.base import Config


class EffectsConfig(Config):
    tokens: int = Field(gt=0)  # of the select split, a domain

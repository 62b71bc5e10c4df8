"""Parameters of the effects stage: on how much text, and of how many subcomponents, the effect is measured."""

from typing import Annotated, Literal

from pydantic import Field

from prefactor.config.base import Config


class EffectsConfig(Config):
    tokens: int = Field(gt=0)  # of the select split, a domain
    # How many are ablated and inverted by forward passes of their own: those that stand out by first-order attribution
    # or by whom they are needed for. Of the others the attribution is taken.
    exact: Literal["all"] | Annotated[int, Field(ge=1)] = "all"

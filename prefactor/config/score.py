"""Parameters of the score stage: who judges labels, and on how many windows."""

from typing import Annotated, Literal

from pydantic import Field

from prefactor.config.base import Config, Seed
from prefactor.config.llm import Llm


class DeterministicJudging(Config):
    """Reads the words of a label as claims on domains and tokens, and looks whether they hold: no model, no network."""

    kind: Literal["deterministic"]


class LlmJudging(Config):
    """Asks a model, up to three questions a subcomponent."""

    kind: Literal["llm"]
    subcomponents: int = Field(default=200, ge=1)  # judged, spread evenly over those with a clear label
    endpoint: Llm = Llm()


Judge = Annotated[DeterministicJudging | LlmJudging, Field(discriminator="kind")]


class ScoreConfig(Config):
    judge: Judge
    windows: int = Field(ge=3)  # of each kind in a test, at most: with and without a firing, marked right and wrong
    trials: int = Field(ge=1)  # intruder tests a subcomponent
    seed: Seed

"""Parameters of the label stage: who writes the labels."""

from typing import Annotated, Literal

from pydantic import Field

from prefactor.config.base import Config
from prefactor.config.llm import Llm


class DeterministicLabeller(Config):
    """Writes labels from the harvest's figures alone: no model, no network."""

    kind: Literal["deterministic"]
    clear: float = Field(gt=0, le=1)  # what a claim must score (0 = chance, 1 = perfect) to get into a label


class LlmLabelling(Config):
    """Asks the endpoint that ``PREFACTOR_LLM_URL``, ``_MODEL`` and ``_KEY`` name, a request a subcomponent."""

    kind: Literal["llm"]
    windows: int = Field(default=12, ge=1)  # activating windows shown
    endpoint: Llm = Llm()


class LabelConfig(Config):
    labeller: Annotated[DeterministicLabeller | LlmLabelling, Field(discriminator="kind")]

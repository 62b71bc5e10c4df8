"""Parameters of the label stage: who writes the labels."""

from typing import Literal

from pydantic import Field

from prefactor.config.base import Config


class DeterministicLabeller(Config):
    """Writes labels from the harvest's figures alone: no model, no network."""

    kind: Literal["deterministic"]
    clear: float = Field(gt=0, le=1)  # what a claim must score (0 = chance, 1 = perfect) to get into a label


class LabelConfig(Config):
    labeller: DeterministicLabeller

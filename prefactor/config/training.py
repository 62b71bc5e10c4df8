"""Parameters of VPD training, shared by decompose (components and net) and importance (net alone)."""

from typing import Literal

from pydantic import Field

from prefactor.config.base import Config


class Coefficients(Config):
    """Weights of the five losses."""

    stochastic: float = Field(ge=0)
    adversarial: float = Field(ge=0)
    minimality: float = Field(ge=0)
    frequency: float = Field(ge=0)
    faithfulness: float = Field(ge=0)


class Penalty(Config):
    """The per-token penalty on ``g``: ``|g|^p`` (sharpness p) or ``g²/(g²+γ²)`` (sharpness γ).

    The sharpness goes from ``start`` to ``end``, straight, over the first ``until`` of the steps.
    """

    kind: Literal["lp", "smooth-l0"]
    start: float = Field(gt=0)
    end: float = Field(gt=0)
    until: float = Field(default=1.0, gt=0, le=1)

    def sharpness(self, progress: float) -> float:
        """Its value at ``progress`` in [0, 1] of the steps."""
        return self.start + (self.end - self.start) * min(1.0, progress / self.until)


class AdversaryConfig(Config):
    """Sources by ``position`` (one a batch row, position and subcomponent), or ``pooled``: each row owns ``particles``
    sets of them and uses one, drawn anew each step, at all its positions.
    """

    scope: Literal["position", "pooled"] = "position"
    particles: int = Field(default=1, ge=1)  # of a batch row, where pooled
    ascents: int = Field(ge=0)  # inner ascents a step, besides the one from the training pass
    learning_rate: float = Field(gt=0)
    betas: tuple[float, float] = (0.5, 0.99)


class TrainingConfig(Config):
    steps: int = Field(ge=1)
    batch: int = Field(ge=1)  # blocks a step
    learning_rate: float = Field(gt=0)  # cosine to a tenth
    coefficients: Coefficients
    penalty: Penalty
    adversary: AdversaryConfig
    seed: int

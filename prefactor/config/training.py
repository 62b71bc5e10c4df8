"""Parameters of VPD training, shared by decompose (components and net) and importance (net alone)."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from prefactor.config.base import Betas, Config, Seed


class Coefficients(Config):
    """Weights of the five losses. In params also by name: ``vpd`` or ``spd``, see ``PRESETS``."""

    stochastic: float = Field(ge=0)
    adversarial: float = Field(ge=0)
    minimality: float = Field(ge=0)
    frequency: float = Field(ge=0)
    faithfulness: float = Field(ge=0)


# The VPD paper's at 67M parameters, and the same without the two losses that SPD does not have.
PRESETS = {
    "vpd": Coefficients(stochastic=0.5, adversarial=0.5, minimality=2e-4, frequency=1e-4, faithfulness=1e7),
    "spd": Coefficients(stochastic=0.5, adversarial=0.0, minimality=2e-4, frequency=0.0, faithfulness=1e7),
}


def _preset(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value not in PRESETS:
        raise ValueError(f"no preset of that name; use {' or '.join(PRESETS)}, or write the five coefficients")
    return PRESETS[value]


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
    betas: Betas = (0.5, 0.99)


class TrainingConfig(Config):
    steps: int = Field(ge=1)
    batch: int = Field(ge=1)  # blocks a step
    learning_rate: float = Field(gt=0)  # cosine to a tenth
    betas: Betas = (0.9, 0.999)  # of AdamW
    coefficients: Annotated[Coefficients, BeforeValidator(_preset)]
    penalty: Penalty
    adversary: AdversaryConfig
    # Of the matrix products; components, net, masks, losses and Adam stay in float32. bfloat16 is for GPUs.
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: Seed

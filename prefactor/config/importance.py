"""Parameters of the importance stage: the refit of the net, and the quality battery."""

from pydantic import Field

from prefactor.config.base import Config, Counts, Seed
from prefactor.config.training import TrainingConfig


class BatteryConfig(Config):
    tokens: int = Field(gt=0)  # of the eval split
    pgd_steps: Counts = (20,)  # ladder of sign steps of 0.1; the KL is read at each


class ImportanceConfig(Config):
    training: TrainingConfig
    battery: BatteryConfig
    seed: Seed

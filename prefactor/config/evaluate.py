"""Parameters of the evaluate stage: what every fitted edit is measured on."""

from pydantic import Field

from prefactor.config.base import Config


class EvaluateConfig(Config):
    tokens: int = Field(gt=0)  # a domain, of the eval split, for every fit
    prompts: int = Field(ge=1)  # rollouts a domain, of the headline fit
    prompt_tokens: int = Field(ge=1)
    rollout_tokens: int = Field(ge=1)
    seed: int

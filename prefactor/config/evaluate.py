"""Parameters of the evaluate stage: what every fitted edit is measured on."""

from pydantic import Field

from prefactor.config.base import Config, Seed
from prefactor.config.domains import Role


class RoleTokens(Config):
    """Tokens of a domain by the part it plays in an edit.

    An edit's damage to what it retains is carried by few tokens, so that its mean needs the most text.
    """

    target: int = Field(gt=0)
    retained: int = Field(gt=0)
    protected: int = Field(gt=0)

    def of(self, role: Role) -> int:
        return {"target": self.target, "retained": self.retained, "protected": self.protected}[role]


class EvaluateConfig(Config):
    tokens: RoleTokens  # of the eval split, for every fit
    prompts: int = Field(ge=1)  # rollouts a domain, of the headline fit
    prompt_tokens: int = Field(ge=1)
    rollout_tokens: int = Field(ge=1)
    seed: Seed

"""Parameters of the candidates stage: how many of a shortlist are measured, and on how much text."""

from pydantic import Field

from prefactor.config.base import Config


class CandidatesConfig(Config):
    tried: int = Field(ge=1)  # of a shortlist that ranks by effect or spill the first by importance
    tokens: int = Field(gt=0)  # of the select split a domain: the target, each retained one and each that a guard names
    untagged_tokens: int = Field(gt=0)  # ... of any domain, for guards and for spill

"""Parameters of the harvest stage: how much text is read for the evidence on each subcomponent."""

from pydantic import Field

from prefactor.config.base import Config, Seed


class HarvestConfig(Config):
    tokens: int = Field(gt=0)  # of the harvest split
    batch: int = Field(ge=1)  # blocks at a time; on a CPU the result does not depend on it
    threshold: float = Field(gt=0, lt=1)  # a subcomponent fires where its importance is above
    examples: int = Field(ge=1)  # activating windows kept a subcomponent, those that labels are scored on included
    either_side: int = Field(ge=1)  # tokens of a window before and after the firing one
    table: int = Field(ge=1)  # rows of each token table
    least_count: int = Field(ge=1)  # firings on a token, below which it enters no table
    sample_tokens: int = Field(ge=1)  # tokens at which every firing is kept: what fires together, and text without any
    seed: Seed

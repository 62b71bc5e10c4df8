"""What every parameter section has in common."""

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """Frozen, and a key it does not know is an error: a typo dies at load, not after an hour."""

    model_config = ConfigDict(frozen=True, extra="forbid")

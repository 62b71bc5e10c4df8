"""Parameters of the harvest stage: how much text is read for the evidence on each subcomponent."""

from pydantic import Field

from prefactor.config.base import Config, Seed


class HarvestConfig(Config):
    tokens: int = Field(gt=0)  # of the harvest split, for all that labels rest on
    held_out_tokens: int = Field(default=16384, gt=0)  # ... behind these, for windows to score labels on
    batch: int = Field(ge=1)  # blocks at a time; on a CPU the result does not depend on it
    threshold: float = Field(gt=0, lt=1)  # a subcomponent fires, and is needed, where its importance is above
    examples: int = Field(ge=1)  # activating windows kept a subcomponent; a third of them is held-out text
    either_side: int = Field(ge=1)  # tokens of a window before and after the firing one, and near to it
    table: int = Field(ge=1)  # rows of each token table
    least_count: int = Field(ge=1)  # firings on a token, below which it enters no table
    sample_tokens: int = Field(ge=1)  # tokens at which every firing is kept: what fires together, and text without any
    seed: Seed

    @property
    def scored(self) -> int:
        """Of the windows those that labels are scored on."""
        return self.examples // 3

    @property
    def shown(self) -> int:
        """Of the windows those that a labeller sees."""
        return self.examples - self.scored

    @property
    def kept(self) -> int:
        """Numbers of four bytes in all windows of a subcomponent: importance and activation, and two longer ones."""
        return self.examples * (2 * (2 * self.either_side + 1) + 4)

"""Parameters of one shortlist: which subcomponents come into question for removing a domain, and how they are ranked.

Edits name a shortlist, so that what is measured for it is measured once, however many edits share it.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from prefactor.config.base import Config, Seed
from prefactor.config.domains import Domains
from prefactor.config.guard import Guard

Rank = Literal["importance", "causal", "effect", "spill"]


class ByLabel(Config):
    """Subcomponents that a query matches (``prefactor/query``): comparisons, or only words of the label.

    ``label ~ "german" and domain.de > 0.5``; or ``german -english``, in any order, case ignored, ``-word`` excludes.

    The matches are ranked by importance alone, or by what the effects stage measured of them: ``causal``, the damage of
    inverting to the target less that to the retained domain that it hurts most. Neither reads a model, whatever the
    number of edits. Or the first ``candidates.tried`` of them, by importance, are ranked by what they do to the select
    split where a prefactor of their own (guarded, if the shortlist is) brings the target to chance: ``effect`` by the
    damage to the retained domains, ``spill`` by the divergence on the worst of the untagged text unlike the target.
    """

    by: Literal["label"]
    query: str
    rank: Rank = "importance"


class ByContrast(Config):
    """The largest mean importance on the target domain less that on the retained domains."""

    by: Literal["contrast"]


class ByRandom(Config):
    """Alive subcomponents at random: the control."""

    by: Literal["random"]
    seed: Seed = 0


class ByName(Config):
    by: Literal["name"]
    subcomponents: tuple[str, ...] = Field(min_length=1)  # module:index


Choose = Annotated[ByLabel | ByContrast | ByRandom | ByName, Field(discriminator="by")]


class ShortlistConfig(Config):
    domains: Domains
    choose: Choose
    guard: Guard | None = None  # candidates are measured as an edit with this guard would change them
    singular: bool = False  # measure singular directions of the first candidate's matrix, too: the control

    @model_validator(mode="after")
    def _measured_or_not(self) -> Self:
        if not self.measured and (self.singular or self.guard):
            key = "singular" if self.singular else "guard"
            raise ValueError(f"{key} is for candidates that are measured: choose by label with rank effect or spill")
        return self

    @property
    def measured(self) -> bool:
        """Whether candidates are ranked by what each does to text, which takes a model."""
        return isinstance(self.choose, ByLabel) and self.choose.rank in ("effect", "spill")

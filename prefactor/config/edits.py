"""Parameters of one edit: what to remove, what to spare, which subcomponents, which method."""

from typing import Annotated, Literal

from pydantic import Field

from prefactor.config.base import Config

Role = Literal["target", "retained", "protected"]


class Domains(Config):
    target: str  # to be removed
    retain: tuple[str, ...]  # held in the loss
    protect: tuple[str, ...] = ()  # never in the loss, only measured

    @property
    def roles(self) -> dict[str, Role]:
        """Each domain's part in the edit: the target first, then in order."""
        parts: list[tuple[Role, tuple[str, ...]]]
        parts = [("target", (self.target,)), ("retained", self.retain), ("protected", self.protect)]
        return {domain: role for role, domains in parts for domain in domains}


class ByLabel(Config):
    """Subcomponents whose label matches: words in any order, case ignored, ``-word`` excludes.

    The matches are ranked by importance alone; or the first ``selection.tried`` of them by the effect of their
    prefactor on text of the select split.
    """

    by: Literal["label"]
    query: str
    rank: Literal["importance", "effect"] = "importance"
    top: int = Field(default=1, ge=1)


class ByContrast(Config):
    """The largest mean importance on the target domain less that on the retained domains."""

    by: Literal["contrast"]
    top: int = Field(default=1, ge=1)


class ByRandom(Config):
    """Alive subcomponents at random: the control."""

    by: Literal["random"]
    top: int = Field(default=1, ge=1)
    seed: int = 0


class ByName(Config):
    by: Literal["name"]
    subcomponents: tuple[str, ...] = Field(min_length=1)  # module:index


class Nothing(Config):
    """No subcomponent: the edit acts on every decomposed matrix."""

    by: Literal["nothing"]


Choose = Annotated[ByLabel | ByContrast | ByRandom | ByName | Nothing, Field(discriminator="by")]


class ScalarEdit(Config):
    """Fit the prefactor of each chosen subcomponent."""

    method: Literal["scalar"]
    domains: Domains
    choose: Choose


class GuardByDomain(Config):
    weigh: Literal["domain"]
    spare: tuple[str, ...] = Field(min_length=1)  # domains whose inputs the change must not meet


class GuardByImportance(Config):
    weigh: Literal["importance"]


class GuardedEdit(Config):
    """A scalar whose change reads a direction that meets the spared text as little as possible."""

    method: Literal["guarded"]
    domains: Domains
    choose: Choose
    guard: GuardByDomain | GuardByImportance = Field(discriminator="weigh")
    ridge: float = Field(gt=0)  # epsilon as a share of the mean eigenvalue of the second moment


class LoraEdit(Config):
    """The baseline: a LoRA on every decomposed matrix, or on the chosen subcomponents' matrices."""

    method: Literal["lora"]
    domains: Domains
    choose: Choose
    rank: int = Field(ge=1)


EditConfig = Annotated[ScalarEdit | GuardedEdit | LoraEdit, Field(discriminator="method")]

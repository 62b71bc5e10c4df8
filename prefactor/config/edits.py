"""Parameters of one edit: what to remove, what to spare, which subcomponents, which method."""

from typing import Annotated, Literal, TypeGuard

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
    """Subcomponents that a query matches (``prefactor/query``): comparisons, or only words of the label.

    ``label ~ "german" and domain.de > 0.5``; or ``german -english``, in any order, case ignored, ``-word`` excludes.

    The matches are ranked by importance alone, or by what the effects stage measured of them: ``causal``, the damage of
    inverting to the target less that to the retained domain that it hurts most. Neither reads a model, whatever the
    number of edits. Or the first ``selection.tried`` of them, by importance, are ranked by what they do to the select
    split where the edit's own change (guarded, if it is) brings the target to chance: ``effect`` by the damage to the
    retained domains, ``spill`` by the divergence on the worst of the untagged text that is unlike the target.
    """

    by: Literal["label"]
    query: str
    rank: Literal["importance", "causal", "effect", "spill"] = "importance"
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


class BySingular(Config):
    """The control that needs no decomposition: singular directions of the matrix that the query's choice lies in.

    Of these the ``selection.tried`` with the largest singular values are ranked by effect.
    """

    by: Literal["singular"]
    query: str
    rank: Literal["effect", "spill"] = "effect"
    top: int = Field(default=1, ge=1)


class Nothing(Config):
    """No subcomponent: the edit acts on every decomposed matrix."""

    by: Literal["nothing"]


Choose = Annotated[ByLabel | ByContrast | ByRandom | ByName | BySingular | Nothing, Field(discriminator="by")]

Goal = Literal["chance", "uniform"]  # of a removal: no token better than a uniform guess, or a uniform prediction


class Fitted(Config):
    """Prefactors that the edit's loss finds on n target tokens."""

    by: Literal["fit"]


class Tolerated(Config):
    """No target token: the largest common prefactor, away from 1 through inversion, that unlabelled text tolerates.

    ``kl`` is the mean divergence in nats that is allowed far from where a chosen subcomponent is needed.
    """

    by: Literal["tolerance"]
    kl: float = Field(gt=0)


class Given(Config):
    """Prefactors set by hand, one a chosen subcomponent."""

    by: Literal["hand"]
    values: tuple[float, ...] = Field(min_length=1)


Alpha = Annotated[Fitted | Tolerated | Given, Field(discriminator="by")]
FITTED = Fitted(by="fit")


class ScalarEdit(Config):
    """A prefactor for each chosen subcomponent."""

    method: Literal["scalar"]
    domains: Domains
    choose: Choose
    alpha: Alpha = FITTED
    goal: Goal = "chance"


class GuardByDomain(Config):
    weigh: Literal["domain"]
    spare: tuple[str, ...] = Field(min_length=1)  # domains whose inputs the change must not meet


class GuardByImportance(Config):
    weigh: Literal["importance"]


Guard = Annotated[GuardByDomain | GuardByImportance, Field(discriminator="weigh")]


class GuardedEdit(Config):
    """A scalar whose change reads a direction that meets the spared text as little as possible."""

    method: Literal["guarded"]
    domains: Domains
    choose: Choose
    guard: Guard
    ridge: float = Field(gt=0)  # epsilon as a share of the mean eigenvalue of the second moment
    alpha: Alpha = FITTED
    goal: Goal = "chance"


class RewriteEdit(Config):
    """Replace the write direction ``u_c`` of a chosen subcomponent by ``strength`` times a token's unit unembedding.

    Nothing is fitted. A negative strength steers away from the token.
    """

    method: Literal["rewrite"]
    domains: Domains
    choose: Choose
    toward: str = Field(min_length=1)  # text that is one token
    strength: float


class LoraEdit(Config):
    """The baseline: a LoRA on every decomposed matrix, or on the chosen subcomponents' matrices."""

    method: Literal["lora"]
    domains: Domains
    choose: Choose
    rank: int = Field(ge=1)
    goal: Goal = "chance"


class FinetuneEdit(Config):
    """The baseline: every weight of the decomposed matrices, or a fixed share of them.

    The share is where the loss's first gradient is largest (as FISH masks are chosen, Sung et al. 2021), a fit's own.
    """

    method: Literal["finetune"]
    domains: Domains
    choose: Choose
    share: float = Field(gt=0, le=1)
    goal: Goal = "chance"


EditConfig = Annotated[ScalarEdit | GuardedEdit | RewriteEdit | LoraEdit | FinetuneEdit, Field(discriminator="method")]
PrefactorEdit = ScalarEdit | GuardedEdit


def is_fitted(
    edit: ScalarEdit | GuardedEdit | RewriteEdit | LoraEdit | FinetuneEdit,
) -> TypeGuard[ScalarEdit | GuardedEdit | LoraEdit | FinetuneEdit]:
    """Whether the edit's parameters come from target tokens, so that it has budgets and draws."""
    return not isinstance(edit, RewriteEdit) and (not isinstance(edit, PrefactorEdit) or edit.alpha.by == "fit")

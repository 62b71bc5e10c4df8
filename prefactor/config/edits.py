"""Parameters of one edit: what to remove, what to spare, which subcomponents, which method.

An edit under ``edits`` takes the first ``top`` of a shortlist; a baseline acts on every decomposed matrix, or on one,
and needs neither a shortlist nor a decomposition.
"""

from typing import Annotated, Literal, Self, TypeGuard

from pydantic import Field, model_validator

from prefactor.config.base import Config, Counts, Pattern
from prefactor.config.domains import Domains
from prefactor.config.guard import Guard
from prefactor.config.locate import LOCATED

# Of a removal: no token better than a uniform guess; on average none better than frequencies tell; or a uniform
# prediction.
Goal = Literal["chance", "unigram", "uniform"]


class Fitted(Config):
    """Prefactors that the edit's loss finds on n target tokens."""

    by: Literal["fit"]


class Tolerated(Config):
    """No target token: the largest common prefactor, away from 1 through inversion, that unlabelled text tolerates.

    ``kl`` is the mean divergence in nats that is allowed far from where a chosen subcomponent is needed.
    """

    by: Literal["tolerance"]
    kl: float = Field(gt=0)


class Reached(Config):
    """Fitted on no token: the common prefactor nearest to 1 that surely reaches the goal on the select split.

    It reads ``edit.probe_tokens`` of the target there, and as much of the retained domains, whose mean divergence may
    be at most ``kl`` nats; where the goal cannot be had within that, it goes as near as it can (``rescale/reach.py``).

    With ``gains: each`` the chosen subcomponents have a prefactor each, in proportions that are fitted at the least
    divergence to as much text of the fit split, and to untagged text (``rescale/gains.py``). With ``among`` so many
    are fitted together first; the ``top`` without which most of the target would come back are kept, and fitted again.
    """

    by: Literal["reach"]
    kl: float = Field(gt=0)
    gains: Literal["common", "each"] = "common"
    among: int | None = Field(default=None, ge=2)  # the candidates that there are, if fewer


class Given(Config):
    """Prefactors set by hand, one a chosen subcomponent."""

    by: Literal["hand"]
    values: tuple[float, ...] = Field(min_length=1)


Alpha = Annotated[Fitted | Tolerated | Reached | Given, Field(discriminator="by")]
FITTED = Fitted(by="fit")


class Removal(Config):
    """What every edit and baseline has."""

    domains: Domains
    budgets: Counts | None = None  # in place of edit.budgets: a control needs no frontier


class Chosen(Removal):
    """What every edit of chosen subcomponents has."""

    shortlist: str  # a key of ``shortlists``
    top: int | None = Field(default=None, ge=1)  # how many of its candidates, best first: 1, or all that it names
    directions: Literal["subcomponents", "singular"] = "subcomponents"  # singular: the shortlist's control


class Rescaling(Chosen):
    """A prefactor for each chosen subcomponent."""

    alpha: Alpha = FITTED
    goal: Goal = "chance"

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.alpha.by == "reach" and self.goal == "uniform":
            raise ValueError("alpha by reach is for goals that cross-entropy tells: chance or unigram")
        if self.alpha.by == "reach" and self.alpha.gains == "each" and self.top == 1:
            raise ValueError("alpha.gains: each is for several subcomponents, and top is 1: raise it, or leave it out")
        if self.alpha.by == "reach" and self.alpha.among is not None:
            if self.alpha.gains != "each":
                raise ValueError("alpha.among is for gains: each, which tell what to keep: write that, or leave it out")
            if self.top is None or self.top > self.alpha.among:
                raise ValueError(f"alpha.among = {self.alpha.among}: the `top` to keep must be given, and no more")
        return self


class ScalarEdit(Rescaling):
    """... and nothing else."""

    method: Literal["scalar"]


class GuardedEdit(Rescaling):
    """... whose change reads a direction that meets the spared text as little as possible."""

    method: Literal["guarded"]
    guard: Guard


class RewriteEdit(Chosen):
    """Replace the write direction ``u_c`` of a chosen subcomponent by ``strength`` times a token's unit unembedding.

    Nothing is fitted. A negative strength steers away from the token.
    """

    method: Literal["rewrite"]
    toward: str = Field(min_length=1)  # text that is one token
    strength: float


class LoraBaseline(Removal):
    """A LoRA on every matrix that is decomposed."""

    method: Literal["lora"]
    rank: int = Field(ge=1)
    goal: Goal = "chance"


class LoraEdit(Chosen, LoraBaseline):
    """A LoRA on the matrices of the chosen subcomponents."""


class FinetuneBaseline(Removal):
    """Every weight of the decomposed matrices, or a fixed share of them.

    The share is where the loss's first gradient is largest (as FISH masks are chosen, Sung et al. 2021), a fit's own.
    """

    method: Literal["finetune"]
    share: float = Field(gt=0, le=1)
    goal: Goal = "chance"


class FinetuneEdit(Chosen, FinetuneBaseline):
    """The weights of the chosen subcomponents' matrices, or a share of them."""


class DirectionBaseline(Removal):
    """A rank-1 change of one matrix in closed form (``locate/direction.py``), of which only the amount is fitted.

    It is made from ``edit.direction_tokens`` of the target's text, and ``edit.guard_tokens`` of each spared domain: the
    retained and the protected (``all``), or the retained alone; or, with nobody tagged, from so much of the split's own
    mix, the target's text among it (``untagged``).
    """

    method: Literal["direction"]
    spare: Literal["all", "retained", "untagged"] = "all"
    ridge: float = Field(gt=0)  # epsilon as a share of the mean eigenvalue of the second moment
    matrix: Pattern = LOCATED  # the best that the locate stage has verified; or a name, or a pattern that one has
    goal: Goal = "chance"

    @property
    def spared(self) -> tuple[str, ...] | None:
        """The domains that it must be told of; None where it is told of none."""
        if self.spare == "untagged":
            return None
        return self.domains.retain + (self.domains.protect if self.spare == "all" else ())


EditConfig = Annotated[ScalarEdit | GuardedEdit | RewriteEdit | LoraEdit | FinetuneEdit, Field(discriminator="method")]
BaselineConfig = Annotated[LoraBaseline | FinetuneBaseline | DirectionBaseline, Field(discriminator="method")]
PrefactorEdit = ScalarEdit | GuardedEdit
AnyEdit = ScalarEdit | GuardedEdit | RewriteEdit | LoraBaseline | FinetuneBaseline | DirectionBaseline


def is_fitted(
    edit: AnyEdit,
) -> TypeGuard[ScalarEdit | GuardedEdit | LoraBaseline | FinetuneBaseline | DirectionBaseline]:
    """Whether the edit's parameters come from target tokens, so that it has budgets and draws."""
    return not isinstance(edit, RewriteEdit) and (not isinstance(edit, PrefactorEdit) or edit.alpha.by == "fit")


def is_reached(edit: AnyEdit) -> TypeGuard[PrefactorEdit]:
    """Whether its prefactor is set by how far the goal is on the select split."""
    return isinstance(edit, PrefactorEdit) and edit.alpha.by == "reach"


def chosen_among(edit: AnyEdit) -> int | None:
    """How many candidates are chosen for the edit to keep the best of; None where it keeps what is chosen."""
    return edit.alpha.among if isinstance(edit, PrefactorEdit) and isinstance(edit.alpha, Reached) else None


def has_gains(edit: AnyEdit) -> bool:
    """Has each chosen subcomponent a prefactor of its own, in proportions that are fitted beforehand?"""
    return isinstance(edit, PrefactorEdit) and isinstance(edit.alpha, Reached) and edit.alpha.gains == "each"

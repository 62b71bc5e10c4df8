"""What the report uses of each file that it reads; ``docs/contracts.md`` has the whole of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from prefactor.config.edits import AnyEdit
from prefactor.query.fields import TESTS

SHARED_STAGES = ("corpus", "target", "locate", "decompose", "importance", "harvest", "effects", "label", "score")
LIST_STAGES = ("shortlist", "candidates")  # a folder a shortlist: what all edits of it share
EDIT_STAGES = ("selection", "edit", "evaluate")  # a folder an edit; a baseline has no selection

TableRow = dict[str, Any]


class Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Target(Read):
    parameters: int
    vocabulary: int
    chance: float
    base_ce: dict[str, float]
    unigram_ce: dict[str, float]


class Share(Read):
    """A part of the target's weights: what is decomposed, or why it is not."""

    what: str
    weights: int
    share: float
    names: tuple[str, ...]  # of modules, numbers of layers written *


class Decomposed(Read):
    matrices: int
    weights: tuple[Share, ...]  # what is decomposed first


class Quality(Read):
    """The battery of the importance stage; ``kl`` and ``ce`` by mask mode, ``l0`` by threshold."""

    kl: dict[str, float]
    ce: dict[str, float]
    l0: dict[str, float]
    alive: int
    subcomponents: int
    delta_share: float | None = None  # of the squared norm of all matrices
    other: "Quality | None" = None  # of a targeted decomposition, on its other stream with Δ never ablated


class LabelTest(Read):
    """One test of the labels: its mean and 95 % interval over ``n`` of them, null where there are none."""

    n: int
    chance: float
    shuffled: float | None  # what the labels of others score; null where that was not asked
    mean: float | None = None
    low: float | None = None
    high: float | None = None


class LabelScores(Read):
    alive: int  # subcomponents
    clear: int  # of those, whose label makes a claim
    judged: int  # of those, on which the judge was asked
    judge: str
    surprising: int
    detection: LabelTest
    fuzzing: LabelTest
    intruder: LabelTest
    agreement: LabelTest

    @property
    def tests(self) -> dict[str, LabelTest]:
        return {name: getattr(self, name) for name in TESTS}


class ReportedChoice(Read):
    subcomponent: str
    label: str | None
    score: float | None
    reason: str = ""
    collateral: dict[str, float] | None = None  # nats a token by domain if it is inverted; None where not measured
    warning: str | None = None


class ReportedSelection(Read):
    by: str
    subcomponents: tuple[ReportedChoice, ...]
    candidates: tuple[ReportedChoice, ...] = ()
    near_misses: tuple[ReportedChoice, ...] = ()
    chosen_with: dict[str, int] = {}  # tokens tagged as the target's that the choice read, by stage


class Recipe(Read):
    """A learning rate and a length, and its loss on the select split, at one budget."""

    budget: int
    learning_rate: float
    steps: int
    chosen: bool


class MadeDirection(Read):
    """Of an edit that is a closed-form change of one matrix."""

    module: str
    amount: float
    chosen_with: dict[str, int]  # tokens of the target's that it was found with and made from, by stage


class Edit(Read):
    method: str
    subcomponents: tuple[str, ...]
    prefactors: tuple[float, ...]
    target: str
    retain: tuple[str, ...]
    protect: tuple[str, ...]
    report_budget: int
    tuned_with: int = 0  # tokens of the target that recipes were tried on
    recipes: tuple[Recipe, ...] = ()  # that were tried; none where there was no choice
    direction: MadeDirection | None = None


class Spent(Read):
    """What a stage took: wall seconds, tokens through a model, their operations; requests to an endpoint; memory."""

    seconds: float
    tokens: int
    flops: float
    usd: float = 0.0
    requests: int = 0
    memory: int = 0  # 0 of a run that did not note it
    made_with: dict[str, Any] = Field({}, alias="with")  # system, device, versions; none of a run that did not note it


@dataclass(frozen=True)
class EditResult:
    name: str
    config: AnyEdit
    selection: ReportedSelection
    edit: Edit
    fits: list[TableRow]  # budget, seed, prefactors
    table: list[TableRow]  # a row a (budget, seed, domain): role, base_ce, edited_ce, damage, kl
    rollouts: list[TableRow]
    tokens: list[TableRow]  # KL and cross-entropies at each token of a few blocks; none of an older run
    made_from: dict[str, str]  # what the fits were made from, and its hash

    @property
    def chosen_with(self) -> dict[str, int]:
        """Tokens tagged as the target's, behind the choice of what the edit changes, by stage."""
        return self.selection.chosen_with | (self.edit.direction.chosen_with if self.edit.direction else {})


class Located(Read):
    """What the locate stage has looked for, and a row a matrix and amount, the best matrix first."""

    target: str
    tolerated: float
    rows: list[TableRow] = []


@dataclass(frozen=True)
class Inputs:
    target: Target
    located: Located
    decomposed: Decomposed
    quality: Quality
    curve: dict[str, list[float]]  # decompose: step, l0 and a column a loss term
    spectrum: list[float]  # mean importance of every subcomponent, the largest first
    depth: list[TableRow]  # layer, position, l0; none of an older run
    fires: float  # a subcomponent is needed where its importance is above
    subcomponents: dict[str, TableRow]  # rows of the harvest, by name: the alive, and what edits use
    windows: int  # that a card may have
    examples: dict[str, list[TableRow]]  # their activating windows, by rank
    effects: dict[str, TableRow]  # of every alive subcomponent: what ablating and inverting it does
    labels: dict[str, TableRow]  # of every subcomponent
    label_scores: LabelScores
    scores: dict[str, TableRow]  # of every alive subcomponent: its label's tests, and what would surprise
    edits: dict[str, EditResult]  # in the order of params.yaml
    costs: dict[str, dict[str, Spent]]  # per stage and entry of it: an edit, a shortlist, or ""

    @cached_property
    def cost(self) -> dict[str, Spent]:
        """Per stage, summed over its entries."""
        return {stage: total(entries.values()) for stage, entries in self.costs.items()}


def total(costs: Iterable[Spent]) -> Spent:
    """All of them one after another; memory is the most that one had."""
    each = list(costs)
    return Spent(
        seconds=sum(cost.seconds for cost in each),
        tokens=sum(cost.tokens for cost in each),
        flops=sum(cost.flops for cost in each),
        usd=sum(cost.usd for cost in each),
        requests=sum(cost.requests for cost in each),
        memory=max((cost.memory for cost in each), default=0),
        **{"with": next((cost.made_with for cost in each), {})},
    )

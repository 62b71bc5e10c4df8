"""``data/report/summary.json``: the result for machines. This module is its schema.

Cross-entropies, KL and damage are nats a token. Intervals are 95 %, at the report's budget: over draws of
target tokens, and over blocks of the evaluated text.
"""

from pydantic import BaseModel, ConfigDict

from prefactor.config.report import ReportConfig
from prefactor.errors import PrefactorError
from prefactor.report.frontier import headline_point
from prefactor.report.schemas import EditResult, Inputs, Target
from prefactor.report.verdict import verdict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Interval(_Part):
    mean: float
    draws: int
    low: float | None  # over draws; null of a single one, which has no spread
    high: float | None
    text_low: float | None  # over blocks of the evaluated text, the draws as they are; null of a single block
    text_high: float | None


class TargetSummary(_Part):
    parameters: int
    vocabulary: int
    chance: float  # ln(vocabulary)
    base_ce: dict[str, float]  # per domain, before any edit
    unigram_ce: dict[str, float]  # per domain, of its token frequencies


class DecompositionKL(_Part):
    """KL(target || masked) under four kinds of masks."""

    unmasked: float
    stochastic: float
    importance: float
    pgd20: float


class DecompositionSummary(_Part):
    subcomponents: int
    alive: int
    l0: float  # subcomponents with importance above 0 at a token, mean
    kl: DecompositionKL
    seconds: float  # wall seconds of the decompose stage


class LabelSummary(_Part):
    """Tests of the labels: means over those that a test could be asked of, null where there are none."""

    alive: int  # subcomponents
    clear: int  # of those, whose label makes a claim
    detection: float | None  # balanced accuracy, 0.5 by chance: on which text it fires, by the label
    fuzzing: float | None  # the same, on which token
    intruder: float | None  # share found, 0.2 by chance: the window that is not its own, without the label
    agreement: float | None  # 0.5 by chance: how far it says which domains ablating and inverting harm
    surprising: int  # labels by which a domain is spared that inverting the subcomponent harms


class EditSummary(_Part):
    method: str
    subcomponents: list[str]  # module:index; empty where the edit acts on whole matrices
    prefactors: list[float]  # of the headline fit, one a subcomponent; empty for adapters
    target: str  # the domain to be removed
    target_tokens: int  # tokens of the target domain the edit was fitted on
    chosen_with: int  # tokens tagged as the target's that were read to choose what it changes
    tuned_with: int  # ... and to choose a learning rate and a length
    target_ce_minus_chance: Interval  # 0 or more: as bad as a uniform guess
    target_ce_minus_unigram: Interval  # 0 or more: knows no more than token frequencies
    damage: dict[str, Interval]  # per domain, the target included
    damage_own: dict[str, Interval]  # ... of its own text, without quotes of another domain where these are known


class Holds(_Part):
    """Does the report's edit meet the bars of ``report.bars``? Damage is that to a domain's own text."""

    edit: str
    holds: bool
    missed: list[str]  # what keeps it from holding, in words; empty where it holds
    goal: str  # chance or unigram
    target_ce_minus_goal: float  # to be 0 or more
    retained: float | None  # the largest damage to a retained domain; null where none was named
    most_retained: float  # its bar
    protected: float | None
    most_protected: float


class StageCost(_Part):
    seconds: float
    tokens: int
    flops: float
    usd: float
    requests: int
    memory: int  # bytes at the peak of one process


class Summary(_Part):
    target: TargetSummary
    decomposition: DecompositionSummary
    labels: LabelSummary
    holds: Holds
    edits: dict[str, EditSummary]
    frontier: str  # path of the CSV, from the repository root
    cost: dict[str, StageCost]  # per stage; selection, edit and evaluate summed over edits


def summarise(inputs: Inputs, config: ReportConfig, frontier: str) -> Summary:
    """Put the figures of ``inputs`` together; ``frontier`` is the path to name in it.

    Raises:
        PrefactorError: the quality battery lacks one of the figures.
    """
    quality, where = inputs.quality, "data/importance/metrics.json"
    labels = inputs.label_scores
    for mode in DecompositionKL.model_fields:
        if mode not in quality.kl:
            raise PrefactorError(f"{where} has no kl.{mode}: rerun the importance stage (`dvc repro importance`)")
    if "0" not in quality.l0:
        raise PrefactorError(f"{where} has no l0 at threshold 0: rerun the importance stage (`dvc repro importance`)")
    return Summary(
        target=TargetSummary(**inputs.target.model_dump()),
        decomposition=DecompositionSummary(
            subcomponents=quality.subcomponents,
            alive=quality.alive,
            l0=quality.l0["0"],
            kl=DecompositionKL(**{mode: quality.kl[mode] for mode in DecompositionKL.model_fields}),
            seconds=inputs.cost["decompose"].seconds,
        ),
        labels=LabelSummary(
            alive=labels.alive,
            clear=labels.clear,
            surprising=labels.surprising,
            **{name: test.mean for name, test in labels.tests.items()},
        ),
        holds=_holds(inputs.edits[config.edit], inputs.target, config),
        edits={name: _edit(result, inputs.target) for name, result in inputs.edits.items()},
        frontier=frontier,
        cost={stage: StageCost(**spent.model_dump(exclude={"made_with"})) for stage, spent in inputs.cost.items()},
    )


def _edit(result: EditResult, target: Target) -> EditSummary:
    edit, point = result.edit, headline_point(result, target)
    return EditSummary(
        method=edit.method,
        subcomponents=list(edit.subcomponents),
        prefactors=list(edit.prefactors),
        target=edit.target,
        target_tokens=edit.report_budget,
        chosen_with=sum(result.chosen_with.values()),
        tuned_with=edit.tuned_with,
        target_ce_minus_chance=Interval(**point.target_ce_minus_chance),
        target_ce_minus_unigram=Interval(**point.target_ce_minus_unigram),
        damage={domain: Interval(**value) for domain, value in point.damage.items()},
        damage_own={domain: Interval(**value) for domain, value in point.own.items()},
    )


def _holds(result: EditResult, target: Target, config: ReportConfig) -> Holds:
    found, bars = verdict(result, headline_point(result, target), config.bars), config.bars
    return Holds(
        edit=result.name, holds=found.holds, missed=list(found.missed), goal=found.goal, target_ce_minus_goal=found.gap,
        retained=found.retained, most_retained=bars.retained, protected=found.protected, most_protected=bars.protected,
    )  # fmt: skip

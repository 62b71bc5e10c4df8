"""Does an edit hold? What it is judged by, and what it misses."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from prefactor.config.edits import AnyEdit
from prefactor.config.report import Bars
from prefactor.corpus.languages import language_name
from prefactor.report.frontier import Point
from prefactor.report.schemas import EditResult

BAR = {"chance": "chance", "unigram": "what token frequencies tell"}  # goals in words


@dataclass(frozen=True)
class Verdict:
    """Means over draws at the report's budget, nats a token; damage is that to a domain's own text, without quotes."""

    goal: str  # chance or unigram
    gap: float  # of the target, less the goal
    retained: float | None  # the largest damage to a retained domain; None where none was named
    protected: float | None  # ... to a protected one
    missed: tuple[str, ...]  # what keeps it from holding, in words

    @property
    def holds(self) -> bool:
        return not self.missed

    @property
    def bar(self) -> str:
        return BAR[self.goal]


def verdict(result: EditResult, point: Point, bars: Bars) -> Verdict:
    """``point`` of the headline's edit, measured by ``bars``."""
    gaps = {"chance": point.target_ce_minus_chance["mean"], "unigram": point.target_ce_minus_unigram["mean"]}
    damage = {domain: figure["mean"] for domain, figure in point.own.items()}
    return judge(result.config, gaps, damage, result.edit.protect, bars)


def judge(
    edit: AnyEdit, gaps: Mapping[str, float], damage: Mapping[str, float], protected: Collection[str], bars: Bars
) -> Verdict:
    """An edit measured by ``bars``, whatever the figures come from.

    Args:
        gaps: of the target, less each goal, by its name; nats a token.
        damage: to each domain's own text; nats a token.
        protected: domains that are only measured, unseen ones among them.
    """
    target, goal = edit.domains.target, bars.goal or getattr(edit, "goal", "chance")
    goal = "unigram" if goal == "unigram" else "chance"  # a uniform prediction is at chance
    gap = gaps[goal]
    missed = [f"{language_name(target)} is {-gap:.2f} nats short of {BAR[goal]}"] if gap < 0 else []
    worst: list[float | None] = []
    for domains, most in ((edit.domains.retain, bars.retained), (protected, bars.protected)):
        own = {domain: damage[domain] for domain in domains}
        worst.append(max(own.values(), default=None))
        missed += [
            f"{language_name(domain)} pays {nats:.3f} nats, more than {most:g}"
            for domain, nats in own.items()
            if nats > most
        ]
    return Verdict(goal, gap, worst[0], worst[1], tuple(missed))

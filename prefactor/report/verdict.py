"""Does the headline hold? What a run is judged by, and what it misses."""

from dataclasses import dataclass

from prefactor.config.report import Bars
from prefactor.corpus.languages import language_name
from prefactor.report.frontier import Point
from prefactor.report.inputs import EditResult

BAR = {"chance": "chance", "unigram": "what token frequencies tell"}


@dataclass(frozen=True)
class Verdict:
    """Means over draws at the report's budget; damage is that to text in the domain's own language."""

    goal: str  # chance or unigram
    gap: float  # nats a token of the target, less the goal
    retained: float | None  # the largest damage to a retained domain; None where none was named
    protected: float | None  # ... to a protected one
    missed: tuple[str, ...]  # what keeps it from holding, in words

    @property
    def holds(self) -> bool:
        return not self.missed


def verdict(result: EditResult, point: Point, bars: Bars) -> Verdict:
    """``point`` of the headline's edit, measured by ``bars``."""
    edit, goal = result.edit, bars.goal or getattr(result.config, "goal", "chance")
    goal = "unigram" if goal == "unigram" else "chance"  # a uniform prediction is at chance
    gap = (point.target_ce_minus_unigram if goal == "unigram" else point.target_ce_minus_chance)["mean"]
    missed = [f"{language_name(edit.target)} is {-gap:.2f} nats short of {BAR[goal]}"] if gap < 0 else []
    worst: list[float | None] = []
    for domains, most in ((edit.retain, bars.retained), (edit.protect, bars.protected)):
        damage = {domain: point.own[domain]["mean"] for domain in domains}
        worst.append(max(damage.values(), default=None))
        missed += [
            f"{language_name(d)} pays {nats:.3f} nats, more than {most:g}" for d, nats in damage.items() if nats > most
        ]
    return Verdict(goal, gap, worst[0], worst[1], tuple(missed))

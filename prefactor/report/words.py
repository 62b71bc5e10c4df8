"""The page's words: numbers as a reader wants them, names of domains, and the headline sentence."""

import math
from dataclasses import dataclass

from prefactor.config.edits import (
    DirectionBaseline,
    FinetuneBaseline,
    GuardedEdit,
    LoraBaseline,
    RewriteEdit,
    ScalarEdit,
)
from prefactor.config.guard import GuardByDomain
from prefactor.corpus.languages import language_name
from prefactor.evaluate.intervals import Figure
from prefactor.report.frontier import REACHED, Point
from prefactor.report.schemas import EditResult, Inputs
from prefactor.report.verdict import BAR

SMALL_DAMAGE = 0.10  # nats: damage above this, to any domain but the target, is part of the title


def signed(value: float, digits: int = 2) -> str:
    """``-0.031`` -> ``−0.03``, ``-0.001`` -> ``+0.00``: a true minus sign, and no negative zero."""
    text = f"{value:+.{digits}f}"
    if float(text) == 0:
        text = f"+{0:.{digits}f}"
    return text.replace("-", "−")


def bounds(value: Figure, digits: int = 2) -> str:
    """``+0.01 to +0.05; text ±0.02``: over draws and over blocks of text; ``one draw`` where that has no interval."""
    draws = f"{signed(value['low'], digits)} to {signed(value['high'], digits)}" if value["draws"] > 1 else "one draw"
    if value["text_low"] is None:
        return draws
    return f"{draws}; text ±{(value['text_high'] - value['text_low']) / 2:.{digits}f}"


def in_two(bounds: str) -> str:
    """:func:`bounds` for a narrow column: a line breaks between its parts alone."""
    return "; ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in bounds.split("; "))


def significant(value: float, digits: int = 3) -> str:
    """``0.001234`` -> ``0.00123``, ``1234.5`` -> ``1,234``: about ``digits`` digits; an exponent only below 1e-6."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "–"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}".replace("-", "−")
    if abs(value) < 1e-6:
        return f"{value:.1e}".replace("-", "−")
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{decimals}f}".replace("-", "−")


def duration(seconds: float) -> str:
    """``75.2`` -> ``1 min 15 s``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def magnitude(count: float) -> str:
    """``1.2e13`` -> ``12.0 T``: three significant digits and an SI prefix; none counted is a dash."""
    if count == 0:
        return "–"
    for power, prefix in ((15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if count >= 10**power:
            return f"{significant(count / 10**power)} {prefix}"
    return significant(count)


def gibibytes(size: int) -> str:
    """``5368709120`` -> ``5.00 GiB``; none noted is a dash."""
    return f"{significant(size / 2**30)} GiB" if size else "–"


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def prefactors(values: tuple[float, ...]) -> str:
    """``−9.84``, or the range of several; empty for edits that have none."""
    shown = [f"{value:.2f}".replace("-", "−") for value in (values if len(values) < 2 else (min(values), max(values)))]
    return " to ".join(shown)


def describe(result: EditResult) -> str:
    """What the edit trains, in one phrase."""
    config, count = result.config, len(result.edit.subcomponents)
    where = "all decomposed matrices" if result.selection.by == "nothing" else "the chosen subcomponent’s matrix"
    if isinstance(config, LoraBaseline):
        return _aiming(f"LoRA of rank {config.rank} on {where}", config.goal)
    if isinstance(config, FinetuneBaseline):
        share = "every weight" if config.share == 1 else f"{100 * config.share:g} % of the weights"
        return _aiming(f"{share} of {where}", config.goal)
    if isinstance(config, DirectionBaseline):
        spared = "around " + ", ".join(map(language_name, config.spared)) if config.spared else "with no domain named"
        made = result.edit.direction
        how = f"{made.amount:.2f} times the closed-form change of {made.module}" if made else "a closed-form change"
        return _aiming(f"{how}, {spared}", config.goal)
    if isinstance(config, RewriteEdit):
        return f"the write direction of {plural(count, 'subcomponent')} turned toward “{config.toward}”"
    how = {
        "label": "chosen by label",
        "contrast": "chosen by importance contrast",
        "random": "drawn at random",
        "singular": "of a singular direction of the same matrix",
    }
    numbers = "one prefactor" if count == 1 else f"{count} prefactors"
    phrase = f"{numbers}, {how.get(result.selection.by, 'named by hand')}"
    if isinstance(config, GuardedEdit):
        spared = (
            "around " + ", ".join(map(language_name, config.guard.spare))
            if isinstance(config.guard, GuardByDomain)
            else f"around {'text that does' if config.guard.weigh == 'context' else 'tokens that do'} not need it"
        )
        phrase = f"{phrase}; the change reads {spared}"
    set_by = {
        "fit": "",
        "hand": ", set by hand",
        "tolerance": ", set by what other text tolerates",
        "reach": ", set on held-out text of the target",
    }
    return _aiming(phrase + set_by[config.alpha.by], config.goal)


def _aiming(phrase: str, goal: str) -> str:
    aim = {
        "chance": "",
        "unigram": ", aimed at what token frequencies tell",
        "uniform": ", aimed at a uniform prediction",
    }
    return phrase + aim[goal]


@dataclass(frozen=True)
class Headline:
    title: str
    subject: str  # "One prefactor on", followed by the subcomponent and its label where there is just one
    subcomponent: str | None
    label: str | None
    rest: str


def headline(inputs: Inputs, result: EditResult, point: Point) -> Headline:
    """The result in two sentences, worded by the figures: what was reached, and what it cost."""
    edit, chance = result.edit, inputs.target.chance
    target, before = language_name(edit.target), inputs.target.base_ce[edit.target]
    after, spared = point.target_ce["mean"], (*edit.retain, *edit.protect)
    worst = max(spared, key=lambda domain: point.damage[domain]["mean"], default=None)
    price = point.damage[worst]["mean"] if worst else 0.0
    single = isinstance(result.config, ScalarEdit | GuardedEdit) and len(edit.subcomponents) == 1
    several = isinstance(result.config, ScalarEdit | GuardedEdit) and f"{len(edit.subcomponents)} numbers"
    means = "one number" if single else several or describe(result)
    by_frequency = getattr(result.config, "goal", "chance") == "unigram"
    gap = (point.target_ce_minus_unigram if by_frequency else point.target_ce_minus_chance)["mean"]
    if gap < -REACHED:
        title = f"{target} is not removed: {-gap:.2f} nats short of {BAR['unigram' if by_frequency else 'chance']}"
    else:
        left = " but for token frequencies" if by_frequency and not point.reached else ""
        title = f"{target} is removed{left} with {means}"
        if worst and price > SMALL_DAMAGE:
            title += f"; {language_name(worst)} pays {price:.2f} nats"
    name = edit.subcomponents[0] if single else None
    label = inputs.labels[name]["label"] if name else None
    side = "; ".join(f"{language_name(domain)} {signed(point.damage[domain]['mean'])}" for domain in spared)
    tokens = f"with {plural(point.budget, f'{target} token')}"
    if not point.budget and edit.tuned_with:
        tokens = f"fitted on no {target} token and set on {edit.tuned_with:,}"
    rest = (
        f"takes {target} from {before:.2f} to {after:.2f} nats a token (chance {chance:.2f}) {tokens}. "
        f"Damage: {side} nats."
    )
    subject = "One prefactor on" if single else describe(result)[0].upper() + describe(result)[1:]
    return Headline(title, subject, name, label, rest)

"""The page's words and figures on labels: how far they hold, where they would surprise, and so of one subcomponent."""

from typing import Any

from prefactor.corpus.languages import language_name
from prefactor.label.overrides import PERSON
from prefactor.report import words
from prefactor.report.schemas import Inputs, LabelTest, TableRow

SURPRISES = 12  # labels that would surprise most
# A test's name, and what it asks.
TESTS = {
    "detection": (
        "detection",
        "Of some windows of text half have a firing; the judge says by the label which. Is it about the right text?",
    ),
    "fuzzing": (
        "fuzzing",
        "All windows have a firing, but half of them mark another token; the judge says by the label where the mark "
        "is right. Is it about the right token?",
    ),
    "intruder": (
        "intruder",
        "Of five windows one is not the subcomponent’s; the judge looks for it without the label. Do its windows have "
        "anything in common that a label could say?",
    ),
    "agreement": (
        "causal agreement",
        "The subcomponent is ablated and inverted. Is the damage in the domains where the label predicts it, and not "
        "in the others? Measured, not judged.",
    ),
}
# What a judge is, by how its name starts.
JUDGES = {
    "deterministic": "a program that takes the words of a label as claims on domains and tokens and looks whether they "
    "hold; it is told the domain of a text",
    "llm": "a language model",
}


def labels(inputs: Inputs) -> dict[str, Any]:
    """How many labels are clear, what their tests come to, who judged and wrote them, and which would surprise."""
    scores = inputs.label_scores
    surprising = sorted((row for row in inputs.scores.values() if row["surprise"] > 0), key=lambda r: -r["surprise"])
    by_people = sum((row["labeller"] or "").startswith(PERSON) for row in inputs.labels.values())
    kind = next((what for start, what in JUDGES.items() if scores.judge.startswith(start)), "another judge")
    return {
        "clear_count": f"{scores.clear:,}",  # not "clear", which Jinja takes for the dict's method
        "alive_count": f"{scores.alive:,}",
        "by_people": words.plural(by_people, "label") if by_people else None,
        "judged": "each clear label" if scores.judged == scores.clear else f"{scores.judged:,} of the clear labels",
        "judge": scores.judge,
        "judge_is": kind,
        "tests": [_test(*TESTS[name], test) for name, test in scores.tests.items()],
        "surprising": f"{scores.surprising:,}",
        "surprises": [_surprise(row, inputs) for row in surprising[:SURPRISES]],
    }


def _test(name: str, asks: str, test: LabelTest) -> dict[str, str]:
    spread = test.low is not None and test.high is not None and test.low < test.high
    return {
        "name": name,
        "asks": asks,
        "mean": _share(test.mean),
        "bounds": f"{test.low:.2f} to {test.high:.2f}" if spread else "–",
        "n": f"{test.n:,}",
        "chance": _share(test.chance),
        "shuffled": _share(test.shuffled),
    }


def _surprise(row: TableRow, inputs: Inputs) -> dict[str, str]:
    return {
        "subcomponent": row["subcomponent"],
        "label": _label(inputs, row["subcomponent"]),
        "nats": words.significant(row["surprise"], 2),
        **{kind: ", ".join(map(language_name, row[kind] or [])) for kind in ("predicted", "rising", "surprising")},
    }


def _label(inputs: Inputs, subcomponent: str) -> str:
    return inputs.labels.get(subcomponent, {}).get("label") or "no label"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"

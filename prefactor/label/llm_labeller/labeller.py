"""The labeller that asks a language model: one request a subcomponent, so that no window touches another's label."""

import hashlib
import math
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from string import Template
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, create_model, field_validator

from prefactor.config.label import LlmLabelling
from prefactor.corpus.languages import one_word
from prefactor.label.evidence import TABLES, Evidence, Window
from prefactor.label.labeller import DEAD, MOST_WORDS, UNCLEAR, Label
from prefactor.llm.ask import Asker, Estimate, Failure, Prompt, as_data
from prefactor.llm.endpoint import Endpoint
from prefactor.printable import one_line

TEMPLATE = "label-v1"  # another wording is another file: the name is in the provenance of every label
FILE = Path(__file__).parent / f"{TEMPLATE}.md"
MOST_LABEL, MOST_REASONING = 80, 600  # characters


class LabelAnswer(BaseModel):
    """What is asked for. The limits are not in the schema: endpoints that enforce schemas do not know such keywords."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reasoning: str  # first, so that the label follows from it
    label: str
    domains: list[str]
    clear: bool

    @field_validator("reasoning")
    @classmethod
    def _a_line(cls, text: str) -> str:
        return one_line(" ".join(text.split()), most=MOST_REASONING)

    @field_validator("label")
    @classmethod
    def _some_words(cls, text: str) -> str:
        text = one_line(text.strip(), most=MOST_LABEL)
        if not 1 <= len(text.split()) <= MOST_WORDS:
            raise ValueError(f"write 1 to {MOST_WORDS} words")
        if text.lower() == DEAD:
            raise ValueError("it is not dead: say what it is about")
        return text

    @field_validator("domains")
    @classmethod
    def _once_each(cls, domains: list[str]) -> list[str]:
        if len(set(domains)) < len(domains):
            raise ValueError("name each once")
        return domains


@cache
def answer_of(domains: tuple[str, ...]) -> type[LabelAnswer]:
    """The answer's schema where these are the known domains."""
    known: Any = list[Literal[domains]] if domains else list[str]
    return create_model("LabelAnswer", __base__=LabelAnswer, domains=(known, ...))


class LlmLabeller:
    """See the module's docstring. Answers are kept in ``folder``; labels are not scored here."""

    def __init__(self, config: LlmLabelling, endpoint: Endpoint, folder: Path) -> None:
        self.name = f"llm-{TEMPLATE}/{endpoint.model}"
        self.most_failures = config.endpoint.most_failures
        self.asker = Asker(endpoint, config.endpoint, folder)
        self._windows = config.windows
        system, user = FILE.read_text(encoding="utf-8").removeprefix("# System\n").split("\n# User\n")
        self._system, self._user = system.strip(), Template(user.strip())

    def label_many(self, evidence: Iterable[Evidence]) -> list[Label | Failure]:
        """Asks for all at once, from prompts alone: the evidence itself is let go as it comes."""
        asked = [(self.prompt(record), self._figures(record)) for record in evidence]
        answers = self.asker.ask_all([prompt for prompt, _ in asked], "label")
        labels: list[Label | Failure] = []
        for answer, (_, figures) in zip(answers, asked, strict=True):
            assert isinstance(answer, LabelAnswer | Failure)
            labels.append(_label(answer, figures) if isinstance(answer, LabelAnswer) else answer)
        return labels

    def prompt(self, evidence: Evidence) -> Prompt:
        """The question about one alive subcomponent."""
        shown = as_data(_shown(evidence, self._windows))
        mark = hashlib.sha256(shown.encode()).hexdigest()[:12]  # that no text can quote, since it depends on the text
        user = self._user.substitute(evidence=shown, mark=mark, domains=as_data(evidence.domains))
        return Prompt(self._system, user, answer_of(evidence.domains))

    def _figures(self, evidence: Evidence) -> dict[str, Any]:
        return {
            "density": _round(evidence.density),
            "mean_importance": _round(evidence.mean_importance),
            "importance": {domain: _round(value) for domain, value in evidence.importance.items()},
            "share": {domain: _round(value) for domain, value in evidence.share.items()},
            "examples": min(self._windows, len(evidence.windows)),
        }


def estimate(evidence: Iterable[Evidence], labeller: LlmLabeller) -> Estimate:
    """What labelling would take, without asking anything. Dead subcomponents cost nothing."""
    return labeller.asker.price([labeller.prompt(record) for record in evidence if record.alive])


def _label(answer: LabelAnswer, figures: dict[str, Any]) -> Label:
    figures = {**figures, "clear": answer.clear}
    if answer.clear:
        return Label(answer.label, answer.reasoning, figures, None, tuple(answer.domains) or None)
    guess = answer.label.split()
    if guess[0].lower().rstrip(":") == UNCLEAR:
        guess = guess[1:]
    text = " ".join([f"{UNCLEAR}:", *guess][:MOST_WORDS]) if guess else UNCLEAR
    return Label(text, answer.reasoning, {**figures, "guess": answer.label}, None)


def _shown(evidence: Evidence, windows: int) -> dict[str, Any]:
    return {
        "matrix": evidence.subcomponent.rpartition(":")[0],
        "fires_at_share_of_tokens": _round(evidence.density),
        "firings": round(evidence.firings),
        "mean_importance": _round(evidence.mean_importance),
        "domains": [
            {
                "domain": domain,
                "name": one_word(domain),
                "mean_importance": _round(evidence.importance[domain]),
                "fires_at_share_of_its_tokens": _round(evidence.domain_density[domain]),
                "share_of_firings": _round(evidence.share[domain]),
            }
            for domain in evidence.domains
        ],
        **{
            table: [[entry.token, _round(entry.value), entry.count] for entry in getattr(evidence, table)]
            for table in TABLES
        },
        "windows": [_window(window) for window in evidence.windows[:windows]],
    }


def _window(window: Window) -> dict[str, Any]:
    tokens: Sequence[list[Any]] = [
        [token, _round(importance, 2), _round(activation, 2)]
        for token, importance, activation in zip(window.tokens, window.importance, window.activation, strict=True)
    ]
    tokens[window.position].append("FIRES")
    return {"domain": window.domain, "text": "".join(window.tokens), "tokens": tokens}


def _round(value: float, digits: int = 4) -> float | None:
    """Enough digits to judge by; none for what is no number."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None

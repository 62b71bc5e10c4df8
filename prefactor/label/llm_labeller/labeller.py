"""The labeller that asks a language model: one request a subcomponent, so that no window touches another's label."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prefactor.config.label import LlmLabelling
from prefactor.label.evidence import Evidence
from prefactor.label.labeller import MOST_WORDS, UNCLEAR, Label, Part
from prefactor.label.llm_labeller.answer import FullAnswer, ShortAnswer
from prefactor.label.llm_labeller.figures import rounded
from prefactor.label.llm_labeller.wordings import WORDINGS
from prefactor.llm.ask import Asker, Estimate, Failure, Prompt
from prefactor.llm.endpoint import Endpoint


class LlmLabeller:
    """See the module's docstring. Answers are kept in ``folder``; labels are not scored here."""

    def __init__(self, config: LlmLabelling, endpoint: Endpoint, folder: Path) -> None:
        self._wording, self._windows = WORDINGS[config.prompt], config.windows
        self.name = f"llm-{self._wording.template}/{endpoint.model}"
        self.most_failures = config.endpoint.most_failures
        self.asker = Asker(endpoint, config.endpoint, folder)

    def label_many(self, evidence: Iterable[Evidence]) -> list[Label | Failure]:
        """Asks for all at once, from prompts alone: the evidence itself is let go as it comes."""
        asked = [(self.prompt(record), self._figures(record), self._wording.told(record)) for record in evidence]
        answers = self.asker.ask_all([prompt for prompt, _, _ in asked], "label")
        labels: list[Label | Failure] = []
        for answer, (_, figures, told) in zip(answers, asked, strict=True):
            assert isinstance(answer, FullAnswer | ShortAnswer | Failure)
            labels.append(answer if isinstance(answer, Failure) else _label(answer, figures, told))
        return labels

    def prompt(self, evidence: Evidence) -> Prompt:
        """The question about one alive subcomponent."""
        return self._wording.prompt(evidence, self._windows)

    def _figures(self, evidence: Evidence) -> dict[str, Any]:
        return {
            "density": rounded(evidence.density),
            "mean_importance": rounded(evidence.mean_importance),
            "importance": {domain: rounded(value) for domain, value in evidence.importance.items()},
            "share": {domain: rounded(value) for domain, value in evidence.share.items()},
            "examples": len(evidence.windows[: self._windows or self._wording.windows]),
        }


def estimate(evidence: Iterable[Evidence], labeller: LlmLabeller, part: Part | None = None) -> Estimate:
    """What labelling all, or ``part`` of them, would take. Nothing is asked; dead subcomponents cost nothing."""
    asked = (record for record in evidence if record.alive and (part is None or record.subcomponent in part.names))
    return labeller.asker.price([labeller.prompt(record) for record in asked])


def _label(answer: FullAnswer | ShortAnswer, figures: dict[str, Any], told: str) -> Label:
    figures, reasoning = {**figures, "clear": answer.clear}, answer.reasoning or told
    guess = answer.label.split()
    says_unclear = guess[0].casefold().rstrip(":") == UNCLEAR
    if answer.clear and not says_unclear:
        return Label(answer.label, reasoning, figures, None, tuple(answer.domains) or None)
    text = " ".join([f"{UNCLEAR}:", *guess[says_unclear:]][:MOST_WORDS]).rstrip(":")
    return Label(text, reasoning, {**figures, "guess": answer.label}, None)

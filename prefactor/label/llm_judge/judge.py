"""The judge that asks a language model; a failed answer is no answer, never a wrong one."""

import hashlib
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

from prefactor.config.score import LlmJudging as Config
from prefactor.errors import PrefactorError
from prefactor.label.evidence import Window
from prefactor.label.judge import Answers, Hypothesis
from prefactor.label.trials import Trial
from prefactor.llm.ask import Asker, Failure, Prompt, as_data
from prefactor.llm.endpoint import Endpoint

TEMPLATE = "judge-v1"  # another wording is another file: the name is in the provenance of every score
FILE = Path(__file__).parent / f"{TEMPLATE}.md"


class WindowsAnswer(BaseModel):
    """The numbers of the windows that are meant, from 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    windows: list[int]


@cache
def answer_of(count: int, exactly_one: bool) -> type[WindowsAnswer]:
    """The answer's schema where there are ``count`` windows."""

    class Checked(WindowsAnswer):
        @field_validator("windows")
        @classmethod
        def _of_those(cls, windows: list[int]) -> list[int]:
            if any(not 1 <= number <= count for number in windows):
                raise ValueError(f"windows are numbered 1 to {count}")
            if len(set(windows)) < len(windows):
                raise ValueError("name each once")
            if exactly_one and len(windows) != 1:
                raise ValueError("name exactly one")
            return windows

    Checked.__name__ = "WindowsAnswer"
    return Checked


class LlmJudge:
    """See the module's docstring. Answers are kept in ``folder``."""

    free = False

    def __init__(self, config: Config, endpoint: Endpoint, folder: Path) -> None:
        self.name = f"llm-{TEMPLATE}/{endpoint.model}"
        self.most = config.subcomponents
        self.asker = Asker(endpoint, config.endpoint, folder, "score.judge.endpoint")
        self._most_failures = config.endpoint.most_failures
        parts = re.split(r"^# (\w+)\n", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
        self._parts = {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}

    def detect(self, asked: Sequence[tuple[Hypothesis, Trial]]) -> Answers:
        return self._ask("Detection", [(hypothesis.label, trial) for hypothesis, trial in asked], _plain)

    def fuzz(self, asked: Sequence[tuple[Hypothesis, Trial]]) -> Answers:
        return self._ask("Fuzzing", [(hypothesis.label, trial) for hypothesis, trial in asked], _marked)

    def intrude(self, asked: Sequence[Trial]) -> Answers:
        return self._ask("Intruder", [("", trial) for trial in asked], _marked)

    def prompt(self, test: str, label: str, trial: Trial, show: Callable[[Window], dict[str, Any]]) -> Prompt:
        """The question of one ``test``: Detection, Fuzzing or Intruder."""
        shown = as_data([{"number": i, **show(window)} for i, window in enumerate(trial.windows, start=1)])
        mark = hashlib.sha256(shown.encode()).hexdigest()[:12]  # that no text can quote, since it depends on the text
        user = Template(self._parts[test]).substitute(label=as_data(label), windows=shown, mark=mark)
        return Prompt(self._parts["System"], user, answer_of(len(trial.windows), test == "Intruder"))

    def _ask(self, test: str, asked: Sequence[tuple[str, Trial]], show: Callable[[Window], dict[str, Any]]) -> Answers:
        prompts = [self.prompt(test, label, trial, show) for label, trial in asked]
        answers: Answers = []
        for given, (_, trial) in zip(self.asker.ask_all(prompts, test.lower()), asked, strict=True):
            if isinstance(given, Failure):
                answers.append(given)
            else:
                assert isinstance(given, WindowsAnswer)
                answers.append([number in given.windows for number in range(1, len(trial.windows) + 1)])
        failed = [answer for answer in answers if isinstance(answer, Failure)]
        if len(failed) > self._most_failures * len(answers):
            raise PrefactorError(
                f"{self.name}: {len(failed)} of {len(answers)} answers to {test.lower()} failed, first: "
                f"{failed[0].reason}: mend that, or raise score.judge.endpoint.most_failures"
            )
        return answers


def spread(numbers: Sequence[int], most: int) -> list[int]:
    """At most ``most`` of ``numbers``, spread evenly over them."""
    if len(numbers) <= most:
        return list(numbers)
    return [numbers[place * len(numbers) // most] for place in range(most)]


def _plain(window: Window) -> dict[str, Any]:
    return {"text": "".join(window.tokens)}


def _marked(window: Window) -> dict[str, Any]:
    before, after = window.tokens[: window.position], window.tokens[window.position + 1 :]
    return {"before": "".join(before), "token": window.tokens[window.position], "after": "".join(after)}

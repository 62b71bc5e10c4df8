"""The prompts: each a template beside this file, how it shows the evidence, and what it asks for."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import Template

from prefactor.label.evidence import Evidence
from prefactor.label.llm_labeller import full, short
from prefactor.label.llm_labeller.answer import LabelAnswer
from prefactor.label.llm_labeller.degenerate import Instructions
from prefactor.llm.prompt import Prompt

_HEADING = re.compile(r"^# (?:System|Question|Answer|User)\n", re.MULTILINE)


@dataclass(frozen=True)
class Wording:
    """``template`` is a file here; another wording is another file: its name is in the provenance of every label."""

    template: str
    windows: int  # shown, unless the params say how many
    shown: Callable[[Evidence, int], Mapping[str, str]]
    answer: Callable[[Evidence, Instructions], type[LabelAnswer]]
    told: Callable[[Evidence], str] = lambda evidence: ""  # in place of a reasoning that is not asked for

    @property
    def text(self) -> str:
        return (Path(__file__).parent / f"{self.template}.md").read_text(encoding="utf-8")

    @cached_property
    def instructions(self) -> Instructions:
        system, examples, user = self._parts
        return Instructions.of([system, user], examples)

    def prompt(self, evidence: Evidence, windows: int | None) -> Prompt:
        """The question about one alive subcomponent, after the worked examples."""
        system, examples, user = self._parts
        shown = self.shown(evidence, self.windows if windows is None else windows)
        return Prompt(system, Template(user).substitute(shown), self.answer(evidence, self.instructions), examples)

    @cached_property
    def _parts(self) -> tuple[str, tuple[tuple[str, str], ...], str]:
        """What the system says, the worked examples, and the question as a template."""
        system, *turns, user = (part.strip() for part in _HEADING.split(self.text)[1:])
        return system, tuple(zip(turns[::2], turns[1::2], strict=True)), user


WORDINGS = {
    "full": Wording("label-v1", 12, full.shown, full.answer),
    "short": Wording("label-short-v1", 4, short.shown, short.answer, short.told),
}

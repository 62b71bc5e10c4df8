"""What the labeller's prompts ask for, and what of it can be used.

The limits are not in the schemas: endpoints that enforce schemas do not know such keywords.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, create_model, field_validator, model_validator

from prefactor.corpus.languages import one_word
from prefactor.label.labeller import DEAD, MOST_WORDS
from prefactor.label.llm_labeller.degenerate import Instructions, fault
from prefactor.label.tokens import quoted
from prefactor.printable import one_line
from prefactor.query.words import words_of

MOST_LABEL, MOST_REASONING = 80, 600  # characters
NO_DOMAIN = "no domain"
MOST_KIND = MOST_WORDS - 2  # words, after "German text"


class LabelAnswer(BaseModel):
    """The rules of a label. The keys of the prompts, in the order in which a model writes them, are below."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instructions: ClassVar[Instructions]  # that the answer follows, and is not to repeat

    def check(self, label: str, reasoning: str) -> None:
        """Raises ValueError where ``label`` is none."""
        wrong = fault(label, reasoning, self.instructions)
        if wrong is not None:
            raise ValueError(f"label: {wrong}")


class FullAnswer(LabelAnswer):
    reasoning: str  # first, so that the label follows from it
    label: str
    domains: list[str]
    clear: bool

    @field_validator("label")
    @classmethod
    def _some_words(cls, text: str) -> str:
        text = one_line(text.strip(), most=MOST_LABEL)
        if not 1 <= len(text.split()) <= MOST_WORDS:
            raise ValueError(f"write 1 to {MOST_WORDS} words")
        if text.lower() == DEAD:
            raise ValueError("it is not dead: say what it is about")
        return text

    @model_validator(mode="after")
    def _a_label_at_all(self) -> Self:
        self.check(self.label, self.reasoning)
        return self

    @field_validator("reasoning")
    @classmethod
    def _a_line(cls, text: str) -> str:
        return one_line(" ".join(text.split()), most=MOST_REASONING)

    @field_validator("domains")
    @classmethod
    def _once_each(cls, domains: list[str]) -> list[str]:
        if len(set(domains)) < len(domains):
            raise ValueError("name each once")
        return domains


class ShortAnswer(LabelAnswer):
    """One domain, or none, by its name: of a list, or of tags, a small model makes nothing. Nor does it reason.

    The label is put together here, since a small model that has named the right domain begins a label with another.
    """

    tags: ClassVar[Mapping[str, str]]  # by name
    shown: ClassVar[frozenset[str]]  # the tokens that were listed: such a one is a word, even "h" or "the"

    domain: str
    words: str

    reasoning: ClassVar[str] = ""

    @field_validator("words")
    @classmethod
    def _few(cls, text: str) -> str:
        text = one_line(text.strip(), most=MOST_LABEL // 2)
        if not 1 <= len(text.split()) <= MOST_KIND:
            raise ValueError(f"write 1 to {MOST_KIND} words")
        return text

    @model_validator(mode="after")
    def _a_label_at_all(self) -> Self:
        if self._tokens:
            return self
        self.check(self.words, "")
        said = set(words_of(self.words))
        if any(said.issuperset(words_of(name)) for name in self.tags if name != self.domain):
            raise ValueError("words: they name another domain than `domain`")
        return self

    @property
    def clear(self) -> bool:
        return self.domain != NO_DOMAIN or not self._any

    @property
    def label(self) -> str:
        tokens = " ".join(map(quoted, self._tokens))
        if self.domain == NO_DOMAIN:
            return f"the tokens {tokens}" if tokens else self.words
        if tokens:
            return f"{self.domain} text: {tokens}"
        return f"{self.domain} text" if self._any else f"{self.domain} text: {self.words}"

    @property
    def domains(self) -> list[str]:
        return [] if self.domain == NO_DOMAIN else [self.tags[self.domain]]

    @property
    def _tokens(self) -> list[str]:
        """The words, where all of them are tokens that were shown."""
        named = [part.strip(" \"'") for part in self.words.split(",")]
        return list(dict.fromkeys(named)) if self.shown.issuperset(named) else []

    @property
    def _any(self) -> bool:
        return words_of(self.words)[0] == "any"


@cache
def full_answer(domains: tuple[str, ...], instructions: Instructions) -> type[FullAnswer]:
    """The answer's schema where these are the known domains, to a prompt that says this."""
    known: Any = list[Literal[domains]] if domains else list[str]
    made = create_model("LabelAnswer", __base__=FullAnswer, domains=(known, ...))
    made.instructions = instructions
    return made


def short_answer(domains: tuple[str, ...], instructions: Instructions, shown: Iterable[str]) -> type[ShortAnswer]:
    """As :func:`full_answer`, where these tokens were ``shown``."""
    tags = {one_word(domain): domain for domain in domains}
    known: Any = Literal[(*tags, NO_DOMAIN)]
    made = create_model("LabelAnswer", __base__=ShortAnswer, domain=(known, ...))
    made.instructions, made.tags, made.shown = instructions, tags, frozenset(shown)
    return made

"""Documents of the built-in five-language grammar: the assembler over the grammars of the languages."""

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from prefactor.config.corpus import GeneratedText
from prefactor.errors import ParamsError
from prefactor.generated.base import Language, load_lexicon
from prefactor.generated.english import English
from prefactor.generated.english_chat import EnglishChat
from prefactor.generated.french import French
from prefactor.generated.german import German
from prefactor.generated.italian import Italian
from prefactor.generated.spanish import Spanish
from prefactor.generated.zipf import Zipf

LANGUAGES: dict[str, Callable[[dict[str, Any]], Language]] = {
    "en": English,
    "de": German,
    "fr": French,
    "es": Spanish,
    "it": Italian,
}
SENTENCES = (3, 10)  # fewest and most of a document


class Written(NamedTuple):
    """A text, and where in it (first character, one past the last) another language is quoted."""

    text: str
    quotes: tuple[tuple[int, int], ...] = ()


class GeneratedDocument(NamedTuple):
    """A text, its domain, an id that follows from both, and the quotes of :class:`Written`."""

    id: str
    domain: str
    text: str
    quotes: tuple[tuple[int, int], ...]


def documents(
    shares: Mapping[str, float], characters: int, text: GeneratedText, seed: int, lexicon: Path
) -> Iterator[GeneratedDocument]:
    """Documents until each domain has its share of ``characters``, the domains in step with their shares.

    Document n of a domain depends on ``seed``, ``text``, the domain and n only, so more characters append documents
    and change none. A text that came before is skipped.

    Raises:
        ParamsError: a domain of ``shares`` is none of the languages.
    """
    for domain in shares:
        if domain not in LANGUAGES:
            raise ParamsError(
                f"corpus.shares: no grammar for domain {domain!r}; the generated text has {', '.join(LANGUAGES)}"
            )
    writer = Writer(lexicon, text.quote_rate, text.chat_rate)
    wanted = {domain: share * characters for domain, share in shares.items() if share > 0}
    written = dict.fromkeys(wanted, 0)
    drawn = dict.fromkeys(wanted, 0)
    seen: set[str] = set()
    while behind := [domain for domain in wanted if written[domain] < wanted[domain]]:
        domain = min(behind, key=lambda name: written[name] / wanted[name])
        new = writer.text(Zipf(f"{seed}/{domain}/{drawn[domain]}", text.zipf), domain)
        drawn[domain] += 1
        identity = hashlib.sha256((domain + new.text).encode()).hexdigest()[:16]
        if identity not in seen:
            seen.add(identity)
            written[domain] += len(new.text)
            yield GeneratedDocument(identity, domain, new.text, new.quotes)


class Writer:
    """Writes the text of one document with the generator it is handed."""

    def __init__(self, lexicon: Path, quote_rate: float, chat_rate: float):
        loaded = {code: load_lexicon(lexicon, code) for code in LANGUAGES}
        self.languages = {code: language(loaded[code]) for code, language in LANGUAGES.items()}
        self.chat: Language = EnglishChat(loaded["en"])
        self.quote_rate, self.chat_rate = quote_rate, chat_rate

    def text(self, rng: random.Random, domain: str) -> Written:
        """3 to 10 sentences of ``domain``, or as many chat messages, a line each or two."""
        chat = domain == "en" and rng.random() < self.chat_rate
        language, between = (self.chat, "\n") if chat else (self.languages[domain], " ")
        sentences = [language.sentence(rng) for _ in range(rng.randint(*SENTENCES))]
        if rng.random() < self.quote_rate:
            other = self.languages[rng.choice([code for code in self.languages if code != domain])]
            quoted = " ".join(other.sentence(rng) for _ in range(rng.randint(1, 2)))
            said = language.says(rng, language.quote(quoted))
            place = rng.randrange(len(sentences))
            sentences[place] = said
            inner = quoted.removesuffix(".")  # where a language moves the full stop behind the quotation mark
            start = sum(len(sentence) + len(between) for sentence in sentences[:place]) + said.index(inner)
            return Written(between.join(sentences), ((start, start + len(inner)),))
        return Written(between.join(sentences))

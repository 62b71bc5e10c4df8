"""Words of French, Spanish and Italian with all their forms, built once from a lexicon by a language's own rules.

Forms are picked by an `Agreement`: articles, adjectives and participles by gender and number, verbs by person and
number. The second person is left out, so that a small model can learn the forms.
"""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

Words = list[str]
Forms = tuple[str, ...]


class Agreement(NamedTuple):
    """Gender, number and person (first or third) of a noun phrase."""

    feminine: bool = False
    plural: bool = False
    first: bool = False

    @property
    def form(self) -> int:
        """Index into forms listed as m. sg., f. sg., m. pl., f. pl."""
        return self.feminine + 2 * self.plural

    @property
    def person(self) -> int:
        """Index into forms listed as I, he, we, they."""
        return (not self.first) + 2 * self.plural


SINGULAR = Agreement()


class Noun(NamedTuple):
    forms: Forms  # singular, plural
    feminine: bool
    kind: str


class Adjective(NamedTuple):
    forms: Forms  # by Agreement.form
    before: bool  # stands before the noun


class Verb(NamedTuple):
    infinitive: str
    present: Forms  # by Agreement.person
    past: Forms  # Spanish: by Agreement.person; French and Italian: the participle by Agreement.form
    future: Forms = ()  # Italian only, by Agreement.person
    imperfect: Forms = ()  # modal verbs only, by Agreement.person
    takes_be: bool = False  # the perfect is built with être or essere
    objects: tuple[str, ...] = ()  # kinds of noun it takes as its object


class Nominal(NamedTuple):
    """A noun phrase: its words and what agrees with it."""

    words: Words
    agreement: Agreement


class Place(NamedTuple):
    at: Words  # 'in the garden'
    to: Words  # 'to the garden'


class Particle(NamedTuple):
    """What stands around a finite verb: `ne … pas`, `non … mai`, `siempre …`."""

    before: Words
    after: Words
    negative: bool


class Action(NamedTuple):
    """A verb with its complement, before tense and person are known."""

    verb: Verb
    complement: Words
    clitic: Words


class Inflection(ABC):
    """A language's rules of regular forms; the lexicon gives the irregular ones."""

    @abstractmethod
    def plural(self, singular: str, feminine: bool) -> str:
        """The regular plural of a noun."""

    @abstractmethod
    def adjective(self, masculine: str) -> Forms:
        """The four regular forms of an adjective."""

    @abstractmethod
    def verb(self, infinitive: str, entry: dict[str, Any]) -> Verb:
        """A verb's forms: those of its lexicon entry, and the regular ones for the rest."""

    def noun(self, word: str, spec: str, kind: str) -> Noun:
        """``spec`` is ``m`` or ``f``, then the plural where it is irregular."""
        gender, _, plural = spec.partition(" ")
        feminine = gender == "f"
        return Noun((word, plural or self.plural(word, feminine)), feminine, kind)

    def nouns(self, lexicon: dict[str, Any]) -> dict[str, list[Noun]]:
        """The nouns of each kind, places and surfaces among them."""
        kinds = {
            kind: [self.noun(word, spec, kind) for word, spec in words.items()]
            for kind, words in lexicon["nouns"].items()
        }
        for kind, section in (("place", "places"), ("surface", "surfaces")):
            kinds[kind] = [self.noun(word, spec.split()[0], kind) for word, spec in lexicon[section].items()]
        return kinds

    def adjectives(self, lexicon: dict[str, Any]) -> dict[str, list[Adjective]]:
        """The adjectives that suit each kind of noun; under ``state`` those of a passing state."""
        table = lexicon["adjectives"]

        def build(word: str) -> Adjective:
            irregular = table["irregular"].get(word)
            return Adjective(tuple(irregular.split()) if irregular else self.adjective(word), word in table["before"])

        groups = {**table["kinds"], "state": table["state"]}
        return {kind: [build(word) for word in words] for kind, words in groups.items()}

    def verbs(self, lexicon: dict[str, Any]) -> dict[str, dict[str, Verb]]:
        """The verbs of each frame, by infinitive."""
        frames = {name: entries for name, entries in lexicon["verbs"].items() if isinstance(entries, dict)}
        return {
            name: {infinitive: self.verb(infinitive, entry) for infinitive, entry in entries.items()}
            for name, entries in frames.items()
        }


def particle(text: str, negative: bool) -> Particle:
    """``text`` is what stands before the verb, a slash, and what stands after it."""
    before, _, after = text.partition("/")
    return Particle(before.split(), after.split(), negative)


NO_PARTICLE = particle("", negative=False)


def listed(entry: dict[str, Any], key: str) -> Forms:
    """The forms an entry lists under ``key``; empty where it lists none."""
    return tuple(entry.get(key, "").split())


def phrases(items: list[str]) -> list[Words]:
    """Fixed expressions as lists of words."""
    return [item.split() for item in items]

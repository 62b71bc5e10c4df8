"""Spanish: its regular forms, al and del, the personal a, el agua, e and u before their own vowel, ¿ and ¡."""

import random
import re
from typing import Any

from prefactor.generated.romance import Romance
from prefactor.generated.romance_words import Adjective, Agreement, Forms, Verb, Words, listed

CONTRACTED = {("a", "el"): "al", ("de", "el"): "del"}
UNACCENTED = {"á": "a", "é": "e", "í": "i", "ó": "o", "ú": "u"}
ENDINGS = {"ar": ("o", "a", "amos", "an"), "er": ("o", "e", "emos", "en"), "ir": ("o", "e", "imos", "en")}
PAST_IN_I = ("í", "ió", "imos", "ieron")
PAST_ENDINGS = {"ar": ("é", "ó", "amos", "aron"), "er": PAST_IN_I, "ir": PAST_IN_I}
SPELLED = {"c": "qu", "g": "gu", "z": "c"}  # busqué, llegué, crucé
OPENING = {".": "", "?": "¿", "!": "¡"}


class Spanish(Romance):
    """Sentences of Spanish; ``lexicon`` is ``data/corpus/lexicon/es.yaml`` with the shared names."""

    code = "es"
    marked_person = True

    def __init__(self, lexicon: dict[str, Any]):
        self.stressed_a = set(lexicon["stressed_a"])
        super().__init__(lexicon)

    def plural(self, singular: str, feminine: bool) -> str:
        if singular[-1] in "aeiouáéó":
            return singular + "s"
        if singular.endswith("z"):
            return singular[:-1] + "ces"
        if singular[-2] in UNACCENTED and singular[-1] in "ns":  # camión, autobús
            return singular[:-2] + UNACCENTED[singular[-2]] + singular[-1] + "es"
        return singular if singular.endswith("s") else singular + "es"

    def adjective(self, masculine: str) -> Forms:
        feminine = masculine[:-1] + "a" if masculine.endswith("o") else masculine
        return (masculine, feminine, self.plural(masculine, False), self.plural(feminine, True))

    def verb(self, infinitive: str, entry: dict[str, Any]) -> Verb:
        stem, kind = infinitive[:-2], infinitive[-2:].replace("í", "i")
        past = [stem + ending for ending in PAST_ENDINGS[kind]]
        if kind == "ar" and stem[-1] in SPELLED:
            past[0] = stem[:-1] + SPELLED[stem[-1]] + "é"
        return Verb(
            infinitive,
            present=listed(entry, "present") or tuple(stem + ending for ending in ENDINGS[kind]),
            past=listed(entry, "past") or tuple(past),
            imperfect=listed(entry, "imperfect"),
            objects=listed(entry, "objects"),
        )

    def conjugate(self, verb: Verb, tense: str, subject: Agreement) -> tuple[str, Words]:
        if tense == "future":
            return self.auxiliary["go"]["present"][subject.person], ["a", verb.infinitive]
        return (verb.present if tense == "present" else verb.past)[subject.person], []

    def determiner(self, name: str, agreement: Agreement, following: str, adjective_first: bool) -> Words:
        if name in ("some", "none"):
            return []
        forms = self.articles[name.removesuffix(" kin")]
        if name in ("definite", "indefinite") and following in self.stressed_a:
            return [forms[0]]  # el agua, un águila
        return [forms[agreement.form]]

    def before_noun(self, adjective: Adjective, agreement: Agreement, following: str) -> str:
        form = adjective.forms[agreement.form]
        if form == "grande":
            return "gran"
        return "buen" if form == "bueno" else form

    def join(self, words: Words) -> str:
        text = ""
        at = 0
        while at < len(words):
            word = words[at]
            following = words[at + 1] if at + 1 < len(words) else ""
            contracted = CONTRACTED.get((word, following))
            if word == "y" and following.lower().startswith(("i", "hi", "í")):
                word = "e"
            text += (contracted or word) + " "
            at += 2 if contracted else 1
        return text.rstrip()

    def punctuate(self, text: str, mark: str) -> str:
        return OPENING[mark] + text + mark

    def quote(self, text: str) -> str:
        """``text`` in guillemets."""
        return f"«{text}»"

    def says(self, rng: random.Random, quoted: str) -> str:
        """`Anna lee en voz alta: «…».` The full stop of what is quoted moves behind the quotation mark."""
        return f"{self.introduction(rng)}: {re.sub(r'[.]?»$', '»', quoted)}."

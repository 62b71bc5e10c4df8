"""French: its regular forms, compound past, elisions (l', d', qu', n', j') and contractions (du, des, au, aux)."""

import random
from typing import Any

from prefactor.generated.romance import Romance
from prefactor.generated.romance_words import Adjective, Agreement, Forms, Verb, Words, listed

VOWELS = tuple("aeiouyàâéèêëîïôûœh")  # h is mute but for the words the lexicon calls aspirated
ELIDED = {"le", "la", "de", "que", "ne", "je"}
CONTRACTED = {("de", "le"): "du", ("de", "les"): "des", ("à", "le"): "au", ("à", "les"): "aux"}
BEFORE_VOWEL = {"beau": "bel", "nouveau": "nouvel", "vieux": "vieil", "ce": "cet", "ma": "mon", "sa": "son"}


class French(Romance):
    """Sentences of French; ``lexicon`` is ``data/corpus/lexicon/fr.yaml`` with the shared names."""

    code = "fr"
    pause = ","
    taste_follows_object = False

    def __init__(self, lexicon: dict[str, Any]):
        self.aspirated = tuple(lexicon["aspirated"])
        super().__init__(lexicon)

    def plural(self, singular: str, feminine: bool) -> str:
        if singular.endswith(("s", "x", "z")):
            return singular
        if singular.endswith("al"):
            return singular[:-1] + "ux"
        return singular + ("x" if singular.endswith("eau") else "s")

    def adjective(self, masculine: str) -> Forms:
        if masculine.endswith("e"):
            feminine = masculine
        elif masculine.endswith("eux"):
            feminine = masculine[:-1] + "se"
        elif masculine.endswith("er"):
            feminine = masculine[:-2] + "ère"
        else:
            feminine = masculine + "e"
        return (masculine, feminine, masculine + ("" if masculine.endswith(("s", "x")) else "s"), feminine + "s")

    def verb(self, infinitive: str, entry: dict[str, Any]) -> Verb:
        stem = infinitive[:-2]
        soft = stem + "e" if stem.endswith("g") else stem  # nous mangeons
        participle = entry.get("past", stem + "é")
        masculine = participle + ("" if participle.endswith("s") else "s")
        return Verb(
            infinitive,
            present=listed(entry, "present") or (stem + "e", stem + "e", soft + "ons", stem + "ent"),
            past=(participle, participle + "e", masculine, participle + "es"),
            imperfect=listed(entry, "imperfect"),
            takes_be=entry.get("be", False),
            objects=listed(entry, "objects"),
        )

    def conjugate(self, verb: Verb, tense: str, subject: Agreement) -> tuple[str, Words]:
        if tense == "present":
            return verb.present[subject.person], []
        if tense == "future":
            return self.auxiliary["go"]["present"][subject.person], [verb.infinitive]
        helper = self.auxiliary["be" if verb.takes_be else "have"]["present"][subject.person]
        return helper, [verb.past[subject.form if verb.takes_be else 0]]

    def relative(self, verb: Verb, tense: str, subject: Agreement, thing: Agreement) -> tuple[str, Words]:
        finite, rest = self.conjugate(verb, tense, subject)
        return (finite, [verb.past[thing.form]]) if tense == "past" else (finite, rest)

    def starts_with_vowel(self, word: str) -> bool:
        """Whether the words before ``word`` elide."""
        lowered = word.lower()
        return lowered.startswith(VOWELS) and not lowered.startswith(self.aspirated)

    def determiner(self, name: str, agreement: Agreement, following: str, adjective_first: bool) -> Words:
        if name == "none" or (name == "indefinite" and agreement.plural and adjective_first):
            return ["de"]  # il n'a pas de pain; de petites maisons
        if name == "some":
            return ["de", self.articles["definite"][agreement.form]]
        word = self.articles[name.removesuffix(" kin")][agreement.form]
        return [self.liaison(word, following)]

    def before_noun(self, adjective: Adjective, agreement: Agreement, following: str) -> str:
        return self.liaison(adjective.forms[agreement.form], following, singular=not agreement.plural)

    def liaison(self, word: str, following: str, singular: bool = True) -> str:
        """The form of a singular word before a vowel: bel, cet, mon."""
        return BEFORE_VOWEL.get(word, word) if singular and self.starts_with_vowel(following) else word

    def join(self, words: Words) -> str:
        text = ""
        at = 0
        while at < len(words):
            word = words[at]
            following = words[at + 1] if at + 1 < len(words) else ""
            after = words[at + 2] if at + 2 < len(words) else ""
            contracted = CONTRACTED.get((word, following))
            if contracted and not (following == "le" and self.starts_with_vowel(after)):
                text += contracted + " "
                at += 2
                continue
            elides = word in ELIDED and self.starts_with_vowel(following)
            if elides or (word == "si" and following in ("il", "ils")):
                text += word[:-1] + "'"
            else:
                text += word + " "
            at += 1
        return text.rstrip()

    def punctuate(self, text: str, mark: str) -> str:
        return text + mark if mark == "." else f"{text} {mark}"

    def quote(self, text: str) -> str:
        """``text`` in guillemets, spaced."""
        return f"« {text} »"

    def says(self, rng: random.Random, quoted: str) -> str:
        """`Anna lit à haute voix : « … »`"""
        return f"{self.introduction(rng)} : {quoted}"

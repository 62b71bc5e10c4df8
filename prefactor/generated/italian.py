"""Italian: its regular forms, il/lo/l' and un/uno/un', articulated prepositions, essere and avere, simple future."""

import random
from typing import Any

from prefactor.generated.romance import Romance
from prefactor.generated.romance_words import Adjective, Agreement, Forms, Verb, Words, listed

VOWELS = tuple("aeiouàèéìòù")
IMPURE = ("z", "gn", "ps", "pn", "x", "y", *("s" + letter for letter in "bcdfgklmnpqrtvz"))  # take lo, gli, uno
SPOKEN_WITH_VOWEL = ("8", "11")  # l'8 maggio, l'11 maggio
PREPOSITIONS = {"di": "de", "a": "a", "in": "ne", "su": "su"}
ARTICULATED = {"il": "l", "lo": "llo", "l'": "ll'", "la": "lla", "i": "i", "gli": "gli", "le": "lle"}
ENDINGS = {"are": ("o", "a", "iamo", "ano"), "ere": ("o", "e", "iamo", "ono"), "ire": ("o", "e", "iamo", "ono")}
PARTICIPLES = {"are": "ato", "ere": "uto", "ire": "ito"}
FUTURE_ENDINGS = ("ò", "à", "emo", "anno")
EUPHONIC = {"a": ("ad", "a"), "e": ("ed", "e")}  # ad Anna, ed Emma


class Italian(Romance):
    """Sentences of Italian; ``lexicon`` is ``data/corpus/lexicon/it.yaml`` with the shared names."""

    code = "it"

    def plural(self, singular: str, feminine: bool) -> str:
        stem = singular[:-1]
        hard = "h" if stem.endswith(("c", "g")) else ""
        if singular.endswith("o"):
            return stem if stem.endswith("i") else stem + hard + "i"
        if singular.endswith("a") and not feminine:
            return stem + hard + "i"
        if singular.endswith(("cia", "gia")):
            return singular[:-2] + ("e" if singular[-4] not in "aeiou" else "ie")  # arance, camicie
        if singular.endswith("a"):
            return stem + hard + "e"
        return stem + "i" if singular.endswith("e") else singular

    def adjective(self, masculine: str) -> Forms:
        if masculine.endswith("e"):
            return (masculine, masculine, masculine[:-1] + "i", masculine[:-1] + "i")
        feminine = masculine[:-1] + "a"
        return (masculine, feminine, self.plural(masculine, False), self.plural(feminine, True))

    def verb(self, infinitive: str, entry: dict[str, Any]) -> Verb:
        stem, kind = infinitive[:-3], infinitive[-3:]
        hard = "h" if kind == "are" and stem.endswith(("c", "g")) else ""
        present = [stem + ending for ending in ENDINGS[kind]]
        present[2] = stem.removesuffix("i") + hard + "iamo"  # cerchiamo, mangiamo
        soft = stem.removesuffix("i") if stem.endswith(("ci", "gi")) else stem  # mangerò
        future = entry.get("future", soft + hard + ("ir" if kind == "ire" else "er"))
        participle = entry.get("past", stem + PARTICIPLES[kind])
        return Verb(
            infinitive,
            present=listed(entry, "present") or tuple(present),
            past=tuple(participle[:-1] + ending for ending in "oaie"),
            future=tuple(future + ending for ending in FUTURE_ENDINGS),
            imperfect=listed(entry, "imperfect"),
            takes_be=entry.get("be", False),
            objects=listed(entry, "objects"),
        )

    def conjugate(self, verb: Verb, tense: str, subject: Agreement) -> tuple[str, Words]:
        if tense != "past":
            return (verb.present if tense == "present" else verb.future)[subject.person], []
        helper = self.auxiliary["be" if verb.takes_be else "have"]["present"][subject.person]
        return helper, [verb.past[subject.form if verb.takes_be else 0]]

    def determiner(self, name: str, agreement: Agreement, following: str, adjective_first: bool) -> Words:
        name, _, kin = name.partition(" ")
        if name == "none":
            return []
        if name == "definite":
            return [self.article(agreement, following)]
        if name == "some":
            return ["di", self.article(agreement, following)]
        form = self.articles[name][agreement.form]
        if name in ("my", "his", "our"):
            return [form] if kin else [self.article(agreement, form), form]
        if name == "indefinite" and agreement.plural:
            return ["di", self.article(agreement, following)]
        return [self.indefinite(form, agreement, following) if name == "indefinite" else form]

    def article(self, agreement: Agreement, following: str) -> str:
        """The definite article before ``following``."""
        vowel, impure = following.lower().startswith(VOWELS), following.startswith(IMPURE)
        if not agreement.plural and vowel:
            return "l'"
        if agreement.feminine or not (vowel or impure):
            return self.articles["definite"][agreement.form]
        return "gli" if agreement.plural else "lo"

    def indefinite(self, form: str, agreement: Agreement, following: str) -> str:
        """`un` or `una` before ``following``: un amico, uno zio, un'amica."""
        if agreement.feminine:
            return "un'" if following.startswith(VOWELS) else form
        return "uno" if following.startswith(IMPURE) else form

    def before_noun(self, adjective: Adjective, agreement: Agreement, following: str) -> str:
        form = adjective.forms[agreement.form]
        if form in ("bello", "bella", "belli"):  # bel, bello, bell', bei, begli: the endings of the article
            article = self.article(agreement, following)
            return {"il": "bel", "i": "bei", "gli": "begli", "l'": "bell'"}.get(article, form)
        return "buon" if form == "buono" and not following.startswith(IMPURE) else form

    def join(self, words: Words) -> str:
        text = ""
        at = 0
        while at < len(words):
            word = words[at]
            following = words[at + 1] if at + 1 < len(words) else ""
            if following in ARTICULATED and word in PREPOSITIONS:
                word = PREPOSITIONS[word] + ARTICULATED[following]
                at += 1
            elif word == "il" and following in SPOKEN_WITH_VOWEL:
                word = "l'"
            elif word in ("ci", "dove", "come") and following in ("è", "era", "erano"):
                word = word[:-1] + "'"
            elif word in EUPHONIC and following.lower().startswith(EUPHONIC[word][1]):
                word = EUPHONIC[word][0]
            text += word if word.endswith("'") else word + " "
            at += 1
        return text.rstrip()

    def punctuate(self, text: str, mark: str) -> str:
        return text + mark

    def quote(self, text: str) -> str:
        """``text`` in guillemets."""
        return f"«{text}»"

    def says(self, rng: random.Random, quoted: str) -> str:
        """`Anna legge ad alta voce: «…»`"""
        return f"{self.introduction(rng)}: {quoted}"

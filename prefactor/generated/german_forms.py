"""German inflection: articles, adjective endings, noun cases, verb forms and number words."""

from typing import NamedTuple

NOMINATIVE, ACCUSATIVE, DATIVE, GENITIVE = range(4)
PLURAL = "p"  # beside the genders m, f and n

# Rows: gender or plural. Columns: nominative, accusative, dative, genitive.
DEFINITE = {"m": "der den dem des", "f": "die die der der", "n": "das das dem des", "p": "die die den der"}
# dieser, jeder
STRONG = {"m": "er en em es", "f": "e e er er", "n": "es es em es", "p": "e e en er"}
# ein, kein, mein, ...
INDEFINITE = {"m": "- en em es", "f": "e e er er", "n": "- - em es", "p": "e e en er"}
AFTER_DEFINITE = {"m": "e en en en", "f": "e e en en", "n": "e e en en", "p": "en en en en"}
AFTER_INDEFINITE = {"m": "er en en en", "f": "e e en en", "n": "es es en en", "p": "en en en en"}

AFTER_NONE = {"m": "er en em en", "f": "e e er er", "n": "es es em en", "p": "e e en er"}


def _table(rows: dict[str, str]) -> dict[str, tuple[str, ...]]:
    return {row: tuple("" if cell == "-" else cell for cell in cells.split()) for row, cells in rows.items()}


ARTICLE = _table(DEFINITE)
ENDINGS = {"strong": _table(STRONG), "indefinite": _table(INDEFINITE)}
ADJECTIVE_ENDINGS = {
    "definite": _table(AFTER_DEFINITE),
    "indefinite": _table(AFTER_INDEFINITE),
    "none": _table(AFTER_NONE),
}
CONTRACTIONS = {
    "an dem": "am", "an das": "ans", "bei dem": "beim", "in dem": "im", "in das": "ins", "von dem": "vom",
    "zu dem": "zum", "zu der": "zur",
}  # fmt: skip


class Noun(NamedTuple):
    lemma: str
    gender: str  # m, f, n
    genitive: str
    plural: str  # '' for a mass noun

    @classmethod
    def read(cls, entry: list[str]) -> "Noun":
        """From a lexicon row ``[lemma, gender, genitive, plural]``, with no plural for a mass noun."""
        return cls(entry[0], entry[1], entry[2], entry[3] if len(entry) > 3 else "")

    @property
    def weak(self) -> bool:
        return self.gender == "m" and self.genitive.endswith("n")

    def form(self, case: int, plural: bool = False) -> str:
        if plural:
            return self.plural + "n" if case == DATIVE and self.plural[-1] not in "ns" else self.plural
        return self.genitive if case == GENITIVE or (self.weak and case != NOMINATIVE) else self.lemma


class Verb(NamedTuple):
    prefix: str  # separable, '' for none
    base: str  # the infinitive without it
    present: str  # third person singular
    preterite: str
    participle: str
    auxiliary: str  # haben or sein
    reflexive: bool

    @classmethod
    def read(cls, entry: list) -> "Verb":
        """From a lexicon row ``[infinitive, present, preterite, participle, ...]``."""
        infinitive, present, preterite, participle = entry[:4]
        prefix, _, base = infinitive.removeprefix("sich ").rpartition("|")
        auxiliary = "sein" if "sein" in entry[4:] else "haben"
        return cls(prefix, base, present, preterite, participle, auxiliary, infinitive.startswith("sich "))

    @property
    def infinitive(self) -> str:
        return self.prefix + self.base

    @property
    def zu_infinitive(self) -> str:
        return f"{self.prefix}zu{self.base}" if self.prefix else f"zu {self.base}"

    def in_present(self, person: str) -> str:
        if person == "3s" or self.base == "wissen":
            return self.present if person in ("1s", "3s") else self.base
        return self.base.removesuffix("n").removesuffix("e") + "e" if person == "1s" else self.base

    def in_preterite(self, person: str) -> str:
        if person in ("1s", "3s"):
            return self.preterite
        return self.preterite + ("n" if self.preterite.endswith("e") else "en")


# Persons: first and third singular, first and third plural, second singular (in questions).
PERSONS = ("1s", "2s", "3s", "1p", "3p")


def _persons(forms: str) -> dict[str, str]:
    return dict(zip(PERSONS, forms.split(), strict=True))


AUXILIARIES = {
    "haben": _persons("habe hast hat haben haben"),
    "sein": _persons("bin bist ist sind sind"),
    "werden": _persons("werde wirst wird werden werden"),
}
WAS = _persons("war warst war waren waren")
HAD = _persons("hatte hattest hatte hatten hatten")
MODALS = {
    "können": _persons("kann kannst kann können können"),
    "müssen": _persons("muss musst muss müssen müssen"),
    "wollen": _persons("will willst will wollen wollen"),
    "sollen": _persons("soll sollst soll sollen sollen"),
    "dürfen": _persons("darf darfst darf dürfen dürfen"),
    "möchten": _persons("möchte möchtest möchte möchten möchten"),
}
REFLEXIVE = _persons("mich dich sich uns sich")


def contract(preposition: str, phrase: str) -> str:
    """``preposition`` and ``phrase``, contracted where German does: ``in`` and ``dem Park`` give ``im Park``."""
    article, _, rest = phrase.partition(" ")
    joined = CONTRACTIONS.get(f"{preposition} {article}")
    return f"{joined} {rest}" if joined else f"{preposition} {phrase}"


def genitive_name(name: str) -> str:
    return name + ("'" if name[-1] in "sxz" else "s")


def number_word(value: int, ones: list[str], tens: list[str]) -> str:
    """``value`` in words, 2 to 99: ``siebenunddreißig``."""
    if value < 20:
        return ones[value]
    unit = "ein" if value % 10 == 1 else ones[value % 10]
    return tens[value // 10 - 2] if value % 10 == 0 else f"{unit}und{tens[value // 10 - 2]}"

"""German grammar, checked against rules and tables written down here, not taken from the generator."""

import random
import re
from collections import defaultdict
from pathlib import Path

import pytest

from prefactor.generated.base import load_lexicon
from prefactor.generated.german import German
from prefactor.generated.german_forms import Noun, Verb, contract, genitive_name, number_word

LEXICON = load_lexicon(Path(__file__).parents[1] / "data" / "corpus" / "lexicon", "de")
COUNT = 4000
GERMAN, RNG = German(LEXICON), random.Random(11)
SENTENCES = [GERMAN.sentence(RNG) for _ in range(COUNT)]
NOUNS = [Noun.read(row) for rows in LEXICON["nouns"].values() for row in rows]
VERBS = [Verb.read(row) for rows in LEXICON["verbs"].values() for row in rows]

# Textbook paradigms: nominative, accusative, dative and genitive.
DECLENSION = {
    ("der", "Arzt"): "der alte Arzt, den alten Arzt, dem alten Arzt, des alten Arztes",
    ("der", "Ärztin"): "die alte Ärztin, die alte Ärztin, der alten Ärztin, der alten Ärztin",
    ("der", "Kind"): "das alte Kind, das alte Kind, dem alten Kind, des alten Kindes",
    ("der", "Nachbar"): "der alte Nachbar, den alten Nachbarn, dem alten Nachbarn, des alten Nachbarn",
    ("der", "Ärzte"): "die alten Ärzte, die alten Ärzte, den alten Ärzten, der alten Ärzte",
    ("der", "Frauen"): "die alten Frauen, die alten Frauen, den alten Frauen, der alten Frauen",
    ("dies", "Junge"): "dieser alte Junge, diesen alten Jungen, diesem alten Jungen, dieses alten Jungen",
    ("dies", "Kind"): "dieses alte Kind, dieses alte Kind, diesem alten Kind, dieses alten Kindes",
    ("dies", "Frauen"): "diese alten Frauen, diese alten Frauen, diesen alten Frauen, dieser alten Frauen",
    ("kein", "Gast"): "kein alter Gast, keinen alten Gast, keinem alten Gast, keines alten Gastes",
    ("ihr", "Lehrerin"): "ihre alte Lehrerin, ihre alte Lehrerin, ihrer alten Lehrerin, ihrer alten Lehrerin",
    ("ein", "Mädchen"): "ein altes Mädchen, ein altes Mädchen, einem alten Mädchen, eines alten Mädchens",
    ("mein", "Kinder"): "meine alten Kinder, meine alten Kinder, meinen alten Kindern, meiner alten Kinder",
    ("drei", "Männer"): "drei alte Männer, drei alte Männer, drei alten Männern, drei alter Männer",
    ("viele", "Frauen"): "viele alte Frauen, viele alte Frauen, vielen alten Frauen",
}


@pytest.mark.parametrize(("determiner", "noun"), DECLENSION)
def test_declension(determiner: str, noun: str) -> None:
    entry = next(found for found in GERMAN.frames.nouns["person"] if noun in (found.lemma, found.plural))
    plural = noun != entry.lemma
    for case, expected in enumerate(DECLENSION[determiner, noun].split(", ")):
        assert GERMAN.frames.determined(entry, "person", case, plural, determiner, "alt") == expected


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.lemma)
def test_noun_entries(noun: Noun) -> None:
    assert all(form[0].isupper() for form in (noun.lemma, noun.genitive, noun.plural or noun.lemma))
    ending = noun.genitive.removeprefix(noun.lemma)
    assert ending in {"f": ("",), "m": ("n", "en", "s", "es", "ses"), "n": ("s", "es")}[noun.gender]
    if re.search(r"(ung|heit|keit|schaft|rin|din|tin|gin)$", noun.lemma):
        assert noun.gender == "f"
    if noun.plural:
        assert noun.form(2, plural=True)[-1] in "ns"


@pytest.mark.parametrize(
    ("infinitive", "participle", "auxiliary"),
    [
        ("gehen", "gegangen", "sein"), ("fahren", "gefahren", "sein"), ("essen", "gegessen", "haben"),
        ("besuchen", "besucht", "haben"), ("aufmachen", "aufgemacht", "haben"), ("ankommen", "angekommen", "sein"),
        ("bleiben", "geblieben", "sein"), ("vergessen", "vergessen", "haben"), ("denken", "gedacht", "haben"),
        ("schlafen", "geschlafen", "haben"), ("folgen", "gefolgt", "sein"), ("verstehen", "verstanden", "haben"),
    ],
)  # fmt: skip
def test_participles(infinitive: str, participle: str, auxiliary: str) -> None:
    verb = next(verb for verb in VERBS if verb.infinitive == infinitive)
    assert (verb.participle, verb.auxiliary) == (participle, auxiliary)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.infinitive)
def test_verb_entries(verb: Verb) -> None:
    assert verb.present.endswith("t") or verb.present == "weiß"
    assert verb.participle.endswith(("t", "en"))
    # An unstressed prefix takes no ge-.
    unstressed = verb.base.startswith(("be", "er", "ver"))
    assert verb.participle.removeprefix(verb.prefix).startswith("ge") != unstressed
    weak = verb.preterite.endswith("te")
    assert verb.participle.endswith("t") == (weak or verb.preterite in ("brachte", "dachte", "kannte", "wusste"))


def test_verb_forms() -> None:
    opening = Verb.read(["auf|machen", "macht", "machte", "aufgemacht"])
    assert opening.zu_infinitive == "aufzumachen" and opening.in_present("1s") == "mache"
    knowing = Verb.read(["wissen", "weiß", "wusste", "gewusst"])
    assert [knowing.in_present(person) for person in ("1s", "3s", "1p")] == ["weiß", "weiß", "wissen"]
    going = Verb.read(["gehen", "geht", "ging", "gegangen", "sein"])
    assert [going.in_preterite(person) for person in ("1s", "3p")] == ["ging", "gingen"]


def test_small_rules() -> None:
    assert contract("in", "dem Park") == "im Park" and contract("zu", "der Stadt") == "zur Stadt"
    assert contract("in", "den Park") == "in den Park" and contract("von", "dem Arzt") == "vom Arzt"
    assert (genitive_name("Anna"), genitive_name("Felix")) == ("Annas", "Felix'")
    number = [number_word(value, LEXICON["numbers"], LEXICON["tens"]) for value in (7, 17, 21, 30, 99)]
    assert number == ["sieben", "siebzehn", "einundzwanzig", "dreißig", "neunundneunzig"]


def test_capitals() -> None:
    """Inside a sentence a word has a capital exactly when it is a noun or a name."""
    capital = {form for noun in NOUNS for form in (noun.lemma, noun.genitive, noun.plural)}
    capital |= {noun.form(2, plural=True) for noun in NOUNS if noun.plural}
    capital |= {noun for noun, _ in LEXICON["having"]} | {*LEXICON["weekdays"], *LEXICON["months"]}
    capital |= {word for times in LEXICON["times"].values() for time in times["front"] for word in time.split()}
    names = {*LEXICON["names"]["cities"], *(name for some in LEXICON["names"]["people"].values() for name in some)}
    capital |= names | {genitive_name(name).rstrip("'") for name in names} | {"Uhr", "Euro", "Jahre", "Sie"}
    capital = {word for word in capital if word[:1].isupper()}
    # Spelled like a noun but for the capital: verbs, the adjective jung, the adverb morgen, the pronoun sie.
    verbs = {form for verb in VERBS for form in (verb.infinitive, verb.base, verb.in_present("1s"), verb.participle)}
    lower = {word.lower() for word in capital} - verbs - {"junge", "jungen", "morgen", "sie"}
    for text in SENTENCES:
        for word in re.findall(r"[^\W\d]+", text)[1:]:
            assert (word in capital) if word[0].isupper() else (word not in lower), (word, text)


def test_articles_agree_with_nouns() -> None:
    """Every definite article right before a noun is one that its gender, number and case form allow."""
    articles = {"m": ("der", "den", "dem", "des"), "f": ("die", "die", "der", "der"), "n": ("das", "das", "dem", "des")}
    allowed: dict[str, set[str]] = defaultdict(set)
    for noun in NOUNS:
        weak = noun.gender == "m" and noun.genitive[-1] == "n"
        oblique = noun.genitive if weak else noun.lemma
        for form, article in zip((noun.lemma, oblique, oblique, noun.genitive), articles[noun.gender], strict=True):
            allowed[form].add(article)
        if noun.plural:
            allowed[noun.plural] |= {"die", "der"}
            allowed[noun.plural + ("" if noun.plural[-1] in "ns" else "n")].add("den")
    # After a comma it is a relative pronoun.
    article_and_noun = re.compile(r"(?<!, )\b(der|die|das|den|dem|des) ([A-ZÄÖÜ]\w+)")
    found = [match for text in SENTENCES for match in article_and_noun.findall(text)]
    pairs = [(article, noun) for article, noun in found if noun in allowed]
    assert len(pairs) > COUNT / 3
    assert [pair for pair in pairs if pair[0] not in allowed[pair[1]]] == []


def test_prepositions_contract() -> None:
    for text in SENTENCES:
        assert not re.search(r"\b(in|an|von|zu) dem [A-ZÄÖÜ]|\bzu der [A-ZÄÖÜ]|\b(in|an) das [A-ZÄÖÜ]", text), text


def test_subordinate_clauses_end_in_the_finite_verb() -> None:
    auxiliaries = """bin bist ist sind war waren habe hat haben hatte hatten werde wird werden kann können muss müssen
        will wollen soll sollen darf dürfen möchte möchten"""
    finite = set(re.findall(r"\w+", auxiliaries))
    for verb in VERBS:
        finite |= {verb.prefix + verb.in_present(person) for person in ("1s", "3s", "3p")}
        finite |= {verb.prefix + verb.in_preterite(person) for person in ("1s", "3p")}
    ends = [(clause.split()[-1], text) for text in SENTENCES
            for clause in re.findall(r", (?:weil|dass|ob|obwohl|bevor|warum|wann) ([^,]*)[.?]$", text)]  # fmt: skip
    assert len(ends) > COUNT / 10
    assert [text for end, text in ends if end not in finite] == []


def test_quotation() -> None:
    said = GERMAN.says(random.Random(0), GERMAN.quote("Hello."))
    assert re.fullmatch(r"[A-ZÄÖÜ][^:]*: „Hello\.“", said)

"""French, Spanish and Italian of the generated corpus, checked against rules and tables written here by hand."""

import random
import re
from pathlib import Path

import pytest

from prefactor.generated.base import load_lexicon
from prefactor.generated.french import French
from prefactor.generated.italian import Italian
from prefactor.generated.romance import Romance
from prefactor.generated.spanish import Spanish

FOLDER = Path(__file__).parents[1] / "data" / "corpus" / "lexicon"
CLASSES: tuple[type[Romance], ...] = (French, Spanish, Italian)
LANGUAGES = {language.code: language(load_lexicon(FOLDER, language.code)) for language in CLASSES}
CODES = tuple(LANGUAGES)
FR, ES, IT = (LANGUAGES[code] for code in ("fr", "es", "it"))


def sentences(code: str, count: int = 5000, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [LANGUAGES[code].sentence(rng) for _ in range(count)]


@pytest.fixture(scope="module", params=CODES)
def sample(request: pytest.FixtureRequest) -> tuple[str, list[str]]:
    return request.param, sentences(request.param)


@pytest.fixture(scope="module")
def text() -> dict[str, str]:
    return {code: "\n".join(sentences(code, seed=1)) for code in CODES}


def headwords(lexicon: dict) -> set[str]:
    """Dictionary words of a lexicon: no inflected forms, no names, no digits."""
    words: list[str] = []
    for section in (*lexicon["nouns"].values(), lexicon["places"], lexicon["surfaces"]):
        words += section
    for group in (*lexicon["adjectives"]["kinds"].values(), lexicon["adjectives"]["state"]):
        words += group
    for frame in lexicon["verbs"].values():
        words += frame
    items = [*lexicon["manner"], *lexicon["needs"], *lexicon["numbers"], *lexicon["months"], *lexicon["weekdays"]]
    items += [*lexicon["words"].values(), *lexicon["particles"]["often"]]
    items += [time for times in lexicon["times"].values() for time in times]
    items += [form.split()[0] for form in lexicon["determiners"].values()]
    words += re.findall(r"[^\W\d]+", " ".join(items))
    return set(words)


@pytest.mark.parametrize("code", CODES)
def test_lexicon_has_three_hundred_words(code: str) -> None:
    words = headwords(load_lexicon(FOLDER, code))
    assert all(isinstance(word, str) for word in words)  # YAML reads a bare no or on as a truth value
    assert len(words) >= 300


@pytest.mark.parametrize("code", CODES)
def test_equal_seeds_give_equal_sentences(code: str) -> None:
    assert sentences(code, 200, seed=7) == sentences(code, 200, seed=7)
    assert sentences(code, 200, seed=7) != sentences(code, 200, seed=8)


def test_sentences_start_and_end_as_written_text(sample: tuple[str, list[str]]) -> None:
    code, lines = sample
    for line in lines:
        assert line.lstrip("¿¡")[0].isupper(), line
        assert line[-1] in ".?!", line
        assert "  " not in line and " ." not in line and " ," not in line and "' " not in line, line
        assert line[:1] == {"?": "¿", "!": "¡"}.get(line[-1], line[:1]) or code != "es", line
        assert (line[-2] == " ") == (code == "fr" and line[-1] in "?!"), line
        assert not re.search(r"\b(\w+) \1\b", line.lower()), line
    lengths = [len(line.split()) for line in lines]
    assert 6 <= sum(lengths) / len(lengths) <= 10 and max(lengths) <= 26


def test_every_headword_noun_and_verb_is_used(sample: tuple[str, list[str]]) -> None:
    code, lines = sample
    seen = set(re.findall(r"\w+", " ".join(lines).lower()))
    for nouns in LANGUAGES[code].nouns_of.values():
        assert all(seen & set(noun.forms) for noun in nouns)
    for verbs in LANGUAGES[code].verbs_of.values():
        assert all(seen & {*verb.present, *verb.past} for verb in verbs)


# Elision and contraction, over text.

FRENCH_H_MUTE = "homme|hommes|hôtel|hôtels|hôpital|hôpitaux|horloge|horloges|histoire|histoires|hugo|houston|hier"
FRENCH_VOWEL = rf"(?:(?!onze\b)[aeiouyàâéèêëîïôûœ]|(?:{FRENCH_H_MUTE})\b)"
ITALIAN_IMPURE = r"(?:s[bcdfghklmnpqrtvz]|z|gn|ps)"
FORBIDDEN = {
    "fr": [
        rf"\b(?:le|la|de|que|ne|je|ce|ma|sa) {FRENCH_VOWEL}",
        rf"\b(?:un|le|ce|mon|son) (?:beau|nouveau|vieux) {FRENCH_VOWEL}",
        r"\bde les?\b",
        r"\bà les?\b",
        r"\bsi ils?\b",
        r"'(?:haricot|héros|hibou|huit|onze|[^aeiouyàâéèêëîïôûœh])",
        r"\bpas (?:un|une|des|du|de la|de l'\w+) ",
        r"\bne \w+(?! pas| jamais)\b ",
    ],
    "es": [r"\ba el\b", r"\bde el\b", r"\by h?[ií]", r"\b(?:la|una) (?:agua|águila)\b", r"\b(?:un|el) bueno \w"],
    "it": [
        rf"\b(?:il|i|un|del|al|nel|sul|dei|ai|nei|sui|bel|bei|buon) {ITALIAN_IMPURE}",
        r"\b(?:il|lo|la|una|i|del|dello|della|al|allo|alla|nel|nello|nella|sul|sulla|bel|dei) [aeiouàèé]",
        rf"\b(?:lo|uno|dello|allo|nello|sullo) (?!{ITALIAN_IMPURE})\w",
        rf"\b(?:gli|degli|agli|negli|begli) (?!{ITALIAN_IMPURE}|[aeiou])\w",
        r"\b(?:di|a|in|su) (?:il|lo|la|i|gli|le)\b",
        r"\b(?:di|a|in|su) l'",
        r"\ba a",
        r"\be e",
        r"\b(?:ci|dove|come) è",
        r"\bil (?:8|11)\b",
    ],
}


@pytest.mark.parametrize("code", CODES)
def test_no_missing_elision_or_contraction(code: str, text: dict[str, str]) -> None:
    for rule in FORBIDDEN[code]:
        found = re.search(rule, text[code].lower())
        assert found is None, f"{rule}: {found and text[code][max(found.start() - 40, 0) : found.end() + 40]}"


def test_spanish_marks_a_person_as_object_and_nothing_else() -> None:
    rng = random.Random(5)
    for verb in ES.verbs_of["transitive"]:
        if verb.objects == ("person",):
            assert all(ES.object_of(rng, verb, False)[0] == "a" for _ in range(50))
        elif "person" not in verb.objects:
            assert all(ES.object_of(rng, verb, False)[0] != "a" for _ in range(50))


def test_nobody_acts_on_herself(sample: tuple[str, list[str]]) -> None:
    code, lines = sample
    people = {name for names in load_lexicon(FOLDER, code)["names"]["people"].values() for name in names}
    for line in lines:
        names = [word for word in re.findall(r"\w+", line) if word in people]
        assert len(names) == len(set(names)), line


@pytest.mark.parametrize(
    ("language", "words", "expected"),
    [
        (FR, "parce que il est allé à le jardin de le homme", "parce qu'il est allé au jardin de l'homme"),
        (FR, "je ne ai pas parlé de les hiboux à les amis de Anna", "je n'ai pas parlé des hiboux aux amis d'Anna"),
        (FR, "si il pleut le héros de le roi dort", "s'il pleut le héros du roi dort"),
        (ES, "Anna y Irene van a el museo de el rey", "Anna e Irene van al museo del rey"),
        (ES, "Oscar y Hugo hablan a él", "Oscar y Hugo hablan a él"),
        (IT, "come è bello ci era il 11 maggio", "com'è bello c'era l'11 maggio"),
        (IT, "va a lo stadio con Anna e Emma", "va allo stadio con Anna ed Emma"),
        (IT, "il libro di l' amico", "il libro dell'amico"),
        (IT, "a Anna in i giardini su le sedie", "ad Anna nei giardini sulle sedie"),
    ],
)
def test_join(language: Romance, words: str, expected: str) -> None:
    assert language.join(words.split()) == expected


def test_quotations() -> None:
    rng = random.Random(3)
    assert re.fullmatch(r"[A-Z].* : « Hello there\. »", FR.says(rng, FR.quote("Hello there.")))
    assert re.fullmatch(r"[A-Z].*: «Hello there»\.", ES.says(rng, ES.quote("Hello there.")))
    assert re.fullmatch(r"[A-Z].*: «Really\?»\.", ES.says(rng, ES.quote("Really?")))
    assert re.fullmatch(r"[A-Z].*: «Hello there\.»", IT.says(rng, IT.quote("Hello there.")))

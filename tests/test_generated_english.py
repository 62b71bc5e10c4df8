"""English grammar and the chat register, checked against rules written down here."""

import random
import re
from pathlib import Path
from typing import Any

import pytest

from prefactor.generated.base import load_lexicon
from prefactor.generated.english import English
from prefactor.generated.english_chat import EnglishChat
from prefactor.generated.english_forms import Verb, a, number_word, with_s

LEXICON = load_lexicon(Path(__file__).parents[1] / "data" / "corpus" / "lexicon", "en")
COUNT = 4000
ENGLISH, RNG = English(LEXICON), random.Random(11)
SENTENCES = [ENGLISH.sentence(RNG) for _ in range(COUNT)]
VERBS = [verb for rows in ENGLISH.frames.verbs.values() for verb, _ in rows]


def test_a_and_an() -> None:
    phrases = ("an old hat", "a hat", "an hour", "a used car", "an egg", "an honest man")
    assert [a(phrase.split(" ", 1)[1]) for phrase in phrases] == list(phrases)
    for text in SENTENCES:
        for article, word in re.findall(r"\b([Aa]n?) (\w+)", text):
            spoken_with_a_vowel = word[0] in "aeiou" or word in ("hour", "honest")
            assert (article.lower() == "an") == spoken_with_a_vowel, text


@pytest.mark.parametrize(
    ("entry", "third", "past", "progressive"),
    [
        ("carry", "carries", "carried", "carrying"), ("wash", "washes", "washed", "washing"),
        ("dance", "dances", "danced", "dancing"), ("travel", "travels", "travelled", "travelling"),
        ("play", "plays", "played", "playing"), (["run", "ran", "run"], "runs", "ran", "running"),
        (["go", "went", "gone"], "goes", "went", "going"), (["lie", "lay", "lain"], "lies", "lay", "lying"),
        (["forget", "forgot", "forgotten"], "forgets", "forgot", "forgetting"), ("open", "opens", "opened", "opening"),
        (["see", "saw", "seen"], "sees", "saw", "seeing"), ("explain", "explains", "explained", "explaining"),
    ],
)  # fmt: skip
def test_verb_forms(entry: Any, third: str, past: str, progressive: str) -> None:
    verb = Verb.read(entry, LEXICON["doubling"])
    assert (verb.group("3s", "present", False)[1], verb.past, verb.progressive) == (third, past, progressive)
    assert verb.group("3s", "present", True) == ("does", verb.base)


def test_plurals_and_numbers() -> None:
    assert [with_s(word) for word in ("box", "church", "city", "boy", "dress")] == [
        "boxes", "churches", "cities", "boys", "dresses",
    ]  # fmt: skip
    words = [number_word(value, LEXICON["numbers"], LEXICON["tens"]) for value in (2, 12, 20, 37)]
    assert words == ["two", "twelve", "twenty", "thirty-seven"]


def test_subjects_and_verbs_agree() -> None:
    """The word after a subject that opens the sentence is in the form its person asks for."""
    people = [name for names in LEXICON["names"]["people"].values() for name in names]
    adverbs = {word for times in LEXICON["times"].values() for word in times["inner"]}
    present = {verb.base for verb in VERBS} - {verb.past for verb in VERBS}
    third = {with_s(verb.base) for verb in VERBS}
    checked = 0
    for text in SENTENCES:
        subject, *rest = text.rstrip(".?!").split()
        if not rest or subject not in {*people, "He", "She", "I", "We", "They"}:
            continue
        verb = next(word for word in [*rest, ""] if word not in adverbs)
        singular = subject not in ("I", "We", "They")
        wrong = present | {"are", "were", "have", "do", "am"} if singular else third | {"is", "has", "does"}
        assert verb not in wrong, text
        checked += verb in (third if singular else present)
    assert checked > COUNT / 20


def test_agreement_inside_sentences() -> None:
    third = "|".join(with_s(verb.base) for verb in VERBS)
    wrong = (
        r"\b(I|we|they|you) (is|has|does|doesn't)\b",
        r"\b(he|she|it) (are|have|do|don't)\b",
        rf"\b(don't|doesn't|didn't|can|must|should|will|would|to) ({third})\b",
        r"\b(these|those) (man|woman|child|box|knife|dog|key)\b",
        r"\b(this|that|a|an) (men|women|children|policemen|mice|knives|boxes)\b",
    )
    for text in SENTENCES:
        assert [found[0] for pattern in wrong if (found := re.search(pattern, text))] == [], text


def test_quotation() -> None:
    assert re.fullmatch(r'[A-Z][^:]*: "Hallo\."', ENGLISH.says(random.Random(0), ENGLISH.quote("Hallo.")))


def test_chat_is_short_and_has_faces() -> None:
    chat, rng = EnglishChat(LEXICON), random.Random(3)
    messages = [chat.sentence(rng) for _ in range(2000)]
    lines = [line for message in messages for line in message.split("\n")]
    assert max(message.count("\n") for message in messages) == 1 and sum(map(len, lines)) / len(lines) < 35
    faces = (*LEXICON["chat"]["happy"], *LEXICON["chat"]["sad"])
    assert {":)", ":(", ";)", ":D", ":P", "xD", "<3"} <= set(faces)
    assert 0.4 < sum(line.endswith(faces) for line in lines) / len(lines) < 0.7
    assert sum(line.endswith(":)") for line in lines) > 0.15 * len(lines)
    for line in lines:
        assert line == line.strip() and "  " not in line and not line.endswith("."), line
        typed = re.sub(r" (:D|:P|xD)$", "", line)
        assert typed == typed.lower(), line

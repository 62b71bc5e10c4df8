"""What a reader without a language model makes of a label."""

import pytest

from prefactor.label.about import text_of
from prefactor.label.reading import Reading, read_label
from prefactor.label.tokens import quoted
from tests.test_label import KNOWN

KNOWN_DOMAINS = ("en", "de", "fr", "es", "it")


@pytest.mark.parametrize(
    ("label", "reading"),
    [
        ("German text", Reading(frozenset({"de"}))),
        ("French, Spanish and Italian text", Reading(frozenset({"fr", "es", "it"}))),
        ("foreign text (de fr es it)", Reading(frozenset({"de", "fr", "es", "it"}))),
        ("foreign words", Reading(frozenset({"de", "fr", "es", "it"}))),
        ("text of all domains but French", Reading(frozenset({"en", "de", "es", "it"}))),
        ("foreign text (all but en)", Reading(frozenset({"de", "fr", "es", "it"}))),
        ('German text: "der" "die"', Reading(frozenset({"de"}), frozenset({'"der"', '"die"'}))),
        ('the token "French"', Reading(tokens=frozenset({'"French"'}))),  # a quoted word is no claim on a language
        ("German articles es and it", Reading(frozenset({"de"}))),  # outside of brackets these are words
        ("digits", Reading(classes=("digits",))),
        ("Capitalised words in English", Reading(frozenset({"en"}), classes=("capitalised words",))),
        ("document start", Reading(start=True)),
        ("block start", Reading()),  # no window shows where its block began
        ("not German text", Reading()),
        ("words that are not punctuation", Reading()),
        ("space between German words", Reading(frozenset({"de"}))),
        ("the token space", Reading(tokens=frozenset({"space"}))),
        ('tokens before ","', Reading(following='","')),
        ('German text: "das", before "ist"', Reading(frozenset({"de"}), frozenset({'"das"'}), following='"ist"')),
        ("the token line-break", Reading(tokens=frozenset({"line-break"}))),
        ("dense: fires everywhere", Reading(everywhere=True)),
        ("unclear: maybe German", Reading()),
        ("dead", Reading()),
        ("", Reading()),
        ("moods of the sea", Reading()),
    ],
)
def test_words_are_read_as_claims(label: str, reading: Reading) -> None:
    assert read_label(label, KNOWN_DOMAINS) == reading
    assert reading.says_nothing == (reading == Reading())


@pytest.mark.parametrize("token", [" der", '"', ',"', "\n", " ", "\ufffd", " a b", "'", '""'])
def test_a_quoted_token_is_read_back(token: str) -> None:
    assert read_label(f"the token {quoted(token)}", KNOWN_DOMAINS).tokens == {quoted(token)}


def test_the_authors_domains_stand_over_the_words() -> None:
    assert read_label("umlauts", KNOWN_DOMAINS, ["de"]) == Reading(frozenset({"de"}))


@pytest.mark.parametrize("named", [("de",), ("de", "fr"), ("fr", "es", "it"), ("de", "fr", "es", "it"), ("en", "de")])
def test_domains_as_the_deterministic_labeller_writes_them_are_read_back(named: tuple[str, ...]) -> None:
    assert read_label(text_of(named, KNOWN_DOMAINS), KNOWN_DOMAINS).domains == frozenset(named)


def test_every_label_of_a_known_rule_says_something() -> None:
    silent = {name for name, (label, *_) in KNOWN.items() if read_label(label, KNOWN_DOMAINS).says_nothing}
    assert all(KNOWN[name][0].startswith(("unclear", "dead")) for name in silent) and len(silent) < len(KNOWN) / 2


def test_all_claims_must_hold() -> None:
    tokens = ("<s>", "Er", " sagt", ",", " das", " ist", " 7")
    cases = {
        "German text": range(7),
        'the token "das"': [4],
        'German text: "das", before "ist"': [4],
        'French text: "das"': [],
        "digits": [6],
        "punctuation": [3],
        "document start": [0],
        'tokens before "das"': [3],
        "dense: fires everywhere": range(7),
    }
    for label, where in cases.items():
        reading = read_label(label, KNOWN_DOMAINS)
        assert [p for p in range(7) if reading.holds("de", tokens, p)] == list(where), label
    assert not read_label("German text", KNOWN_DOMAINS).holds("en", tokens, 4)

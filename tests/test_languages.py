"""Which domains are languages, what they are called, and that a label with the name is read as the domain."""

import pytest
from babel import Locale

from prefactor.corpus.languages import is_language, language_name, one_word
from prefactor.label.about import text_of
from prefactor.label.labeller import MOST_WORDS
from prefactor.label.reading import read_label

TWO_LETTERS = sorted(code for code in map(str, Locale("en").languages) if len(code) == 2)


@pytest.mark.parametrize(
    ("tag", "called"),
    [
        ("de", "German"),
        ("no", "Norwegian"),
        ("is", "Icelandic"),
        ("or", "Odia"),
        ("as", "Assamese"),
        ("el", "Greek"),
        ("en-US", "American English"),
        ("en_GB", "British English"),
        ("pt-BR", "Brazilian Portuguese"),
        ("zh_Hant", "Traditional Chinese"),
        ("es-419", "Latin American Spanish"),
        ("ceb-PH", "Cebuano (Philippines)"),
        ("sr-Latn-RS", "Serbian (Latin, Serbia)"),
    ],
)
def test_tags_of_languages(tag: str, called: str) -> None:
    assert (is_language(tag), language_name(tag)) == (True, called)


WORDS = ["text", "chat", "code", "web", "new", "war", "bug", "men", "day", "car", "fan", "sus", "bin", "ace", "mul"]
PHRASES = ["to-do", "is-it", "as-is", "in", "qa", "xx", "DE", "German", "de-web", "web-DE", "no code", "und-US", ""]


@pytest.mark.parametrize("domain", [*WORDS, *PHRASES])
def test_other_domains_stand_for_themselves(domain: str) -> None:
    assert (is_language(domain), language_name(domain)) == (False, domain)


def test_every_language_of_two_letters_is_read_from_its_own_label() -> None:
    assert len(TWO_LETTERS) > 150
    domains = ["en", "code", *(code for code in TWO_LETTERS if code != "en")]
    assert len({one_word(domain) for domain in domains}) == len(domains)
    for domain in [*TWO_LETTERS, "pt-BR", "sr-Latn-RS", "fr-CI", "code"]:
        label = text_of((domain,), [*domains, "pt-BR", "sr-Latn-RS", "fr-CI"])
        assert len(label.split()) <= MOST_WORDS
        assert read_label(label, [*domains, "pt-BR", "sr-Latn-RS", "fr-CI"]).domains == {domain}, label

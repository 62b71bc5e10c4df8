"""The assembler: shares, rates, ids and determinism."""

from collections import Counter
from pathlib import Path

import pytest

from prefactor.config.corpus import GeneratedText
from prefactor.errors import ParamsError
from prefactor.generated.documents import LANGUAGES, documents
from prefactor.generated.zipf import Zipf

LEXICON = Path(__file__).parents[1] / "data" / "corpus" / "lexicon"
SHARES = {"en": 0.5, "de": 0.125, "fr": 0.125, "es": 0.125, "it": 0.125}
CHARACTERS = 150_000
QUOTED = {"en": '"', "de": "„"}


def write(shares=SHARES, characters=CHARACTERS, quote_rate=0.1, chat_rate=0.2, seed=0, zipf=1.0):
    text = GeneratedText(source="generated", zipf=zipf, quote_rate=quote_rate, chat_rate=chat_rate)
    return list(documents(shares, characters, text, seed, LEXICON))


ALL = write()


def test_every_domain_has_its_share_and_they_are_interleaved() -> None:
    sizes = Counter()
    for document in ALL:
        sizes[document.domain] += len(document.text)
    for domain, share in SHARES.items():
        assert 0 <= sizes[domain] - share * CHARACTERS < 2500
    first = Counter(document.domain for document in ALL[: len(ALL) // 10])
    assert set(first) == set(SHARES)


def test_documents_are_unique_and_named_by_their_text() -> None:
    assert len({document.id for document in ALL}) == len({(d.domain, d.text) for d in ALL}) == len(ALL)
    assert all(len(document.id) == 16 and int(document.id, 16) >= 0 for document in ALL)


def test_equal_seeds_give_equal_text_and_others_do_not() -> None:
    assert write() == ALL
    assert not {document.id for document in write(seed=1)} & {document.id for document in ALL}


def test_more_text_or_other_domains_change_no_document() -> None:
    german = [document for document in ALL if document.domain == "de"]
    alone = write(shares={"de": 0.25})
    assert alone[: len(german)] == german and len(alone) > len(german)


@pytest.mark.parametrize("domain", QUOTED)
def test_quote_rate(domain: str) -> None:
    found = write(shares={domain: 1.0}, characters=300_000, quote_rate=0.1, chat_rate=0.2)
    rate = sum(QUOTED[domain] in document.text for document in found) / len(found)
    assert rate == pytest.approx(0.1, abs=0.03)
    none = write(shares={domain: 1.0}, characters=50_000, quote_rate=0.0)
    assert not any(QUOTED[domain] in document.text for document in none)


def test_what_is_quoted_stands_between_the_quotation_marks() -> None:
    marks = {"en": '""', "de": "„“", "fr": "«»", "es": "«»", "it": "«»"}
    quoting = [document for document in ALL if document.quotes]
    assert {document.domain for document in quoting} == set(LANGUAGES)
    for document in quoting:
        opens, closes = marks[document.domain]
        for start, end in document.quotes:
            before, after = document.text[:start].rstrip("\N{NO-BREAK SPACE} "), document.text[end:]
            assert before.endswith(opens) and after.lstrip(".\N{NO-BREAK SPACE} ").startswith(closes)
            assert opens not in document.text[start:end] and closes not in document.text[start:end]
    assert not any(opens in d.text for d in ALL if not d.quotes for opens in marks[d.domain][0])


def test_chat_rate() -> None:
    english = write(shares={"en": 1.0}, characters=300_000)
    assert sum("\n" in document.text for document in english) / len(english) == pytest.approx(0.2, abs=0.03)
    assert not any("\n" in document.text for document in write(shares={"en": 1.0}, chat_rate=0.0))


@pytest.mark.parametrize("domain", LANGUAGES)
def test_length_of_documents(domain: str) -> None:
    texts = [document.text for document in ALL if document.domain == domain and "\n" not in document.text]
    marks = [sum(text.count(mark) for mark in ".?!") for text in texts]
    assert sorted(marks)[len(marks) // 2] in range(5, 10) and max(marks) < 20


def test_words_follow_zipf_and_alternatives_of_grammar_do_not() -> None:
    words = [str(k) for k in range(1, 11)]
    rng = Zipf("seed", 1.0)
    counts = Counter(rng.choice(words) for _ in range(20_000))
    harmonic = sum(1 / k for k in range(1, 11))
    for k in (1, 2, 5, 10):
        assert counts[str(k)] / 20_000 == pytest.approx(1 / k / harmonic, abs=0.01)
    assert Counter(rng.choice("fm") for _ in range(2_000))["f"] == pytest.approx(1_000, abs=100)
    even = Zipf("seed", 0.0)
    assert Counter(even.choice(words) for _ in range(20_000))["10"] / 20_000 == pytest.approx(0.1, abs=0.01)


def test_an_unknown_domain_is_named_with_the_known_ones() -> None:
    with pytest.raises(ParamsError, match=r"'nl'.*en, de, fr, es, it"):
        write(shares={"en": 0.5, "nl": 0.5})

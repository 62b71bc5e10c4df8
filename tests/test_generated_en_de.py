"""What the English and the German grammar share: lexicon size, the shape of sentences, and variety."""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prefactor.errors import ParamsError
from prefactor.generated.base import load_lexicon
from prefactor.generated.english import English
from prefactor.generated.german import German

LEXICON = Path(__file__).parents[1] / "data" / "corpus" / "lexicon"
COUNT = 3000
LEXICONS = [load_lexicon(LEXICON, code) for code in ("de", "en")]
BOTH = pytest.mark.parametrize("lexicon", LEXICONS, ids=["de", "en"])
# Correct, if not pretty: "das Kind, das das Bild trägt", "um zwölf zwölf Karten".
DOUBLED = {"der", "die", "das", "den", "dem", *LEXICONS[0]["numbers"]}


def headwords(lexicon: dict[str, Any]) -> set[str]:
    """A noun or a verb counts once, however many forms it has; names do not count."""

    def head(entry: Any) -> str:
        return entry if isinstance(entry, str) else head(entry[0])

    groups = ("nouns", "verbs", "adjectives")
    found = {head(row) for group in groups for rows in lexicon[group].values() for row in rows}
    return found.union(*(lexicon[group] for group in ("moods", "numbers", "tens", "weekdays", "months")))


@BOTH
def test_lexicon_has_three_hundred_words(lexicon: dict[str, Any]) -> None:
    assert len(headwords(lexicon)) >= 300


@BOTH
def test_yaml_took_no_word_for_a_truth_value_or_nothing(lexicon: dict[str, Any]) -> None:
    def leaves(node: Any) -> Iterator[Any]:
        for child in node.values() if isinstance(node, dict) else node:
            if isinstance(child, (dict, list)):
                yield from leaves(child)
            else:
                yield child

    assert {type(leaf) for leaf in leaves({**lexicon, "nouns": {}})} == {str}
    # Only the plural of an English mass noun is null.
    assert {type(leaf) for leaf in leaves(lexicon["nouns"])} <= {str, type(None)}


def test_a_missing_lexicon_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"xx\.yaml"):
        load_lexicon(tmp_path, "xx")


@pytest.mark.parametrize("language", [German(LEXICONS[0]), English(LEXICONS[1])], ids=["de", "en"])
def test_sentences(language: German | English) -> None:
    rng = random.Random(7)
    texts = [language.sentence(rng) for _ in range(COUNT)]
    for text in texts:
        assert text[0].isupper() and text[-1] in ".?!", text
        assert "  " not in text and not re.search(r"\s[,.?!:]", text), text
        assert not re.search(r"[.?!,:]\S", re.sub(r"\d:\d\d", "", text)), text
        twice = re.search(r"\b(\w+) \1\b", text)
        assert twice is None or twice[1] in DOUBLED, text
    assert 6 <= sum(len(text.split()) for text in texts) / COUNT <= 12
    assert len(set(texts)) > 0.95 * COUNT
    again = random.Random(7)
    assert [language.sentence(again) for _ in range(100)] == texts[:100]

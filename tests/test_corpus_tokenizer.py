"""Text to tokens and tokens to blocks."""

import numpy as np
import pytest

from prefactor.corpus.checks import check
from prefactor.corpus.cut import cut
from prefactor.corpus.document import Document
from prefactor.corpus.tokenizer import Tokenizer, balanced, train
from prefactor.errors import PrefactorError

SENTENCES = ["The small house is old.", "Das kleine Haus ist alt.", "La petite maison est vieille, n'est-ce pas ?"]
VOCABULARY = 280


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train(SENTENCES, VOCABULARY)


def documents(domain: str, *texts: str) -> list[Document]:
    return [Document(f"{domain}{i}", domain, text) for i, text in enumerate(texts)]


@pytest.mark.parametrize(
    "text", [*SENTENCES, "", " ", "  two\n\n\tspaces ", "<s>", "a<s>b</s>", "😀 你好 ñ \x00 \u2028", "e\u0301 ≠ é"]
)
def test_any_text_round_trips_and_no_text_makes_a_separator(tokenizer, text):
    (ids,) = tokenizer.encode([text])
    assert tokenizer.backend.decode(ids.tolist(), skip_special_tokens=False) == text
    assert tokenizer.separator not in ids


def test_vocabulary_is_as_set_with_the_separator_first(tokenizer):
    assert tokenizer.vocabulary == VOCABULARY
    assert tokenizer.backend.token_to_id("<s>") == 0 == tokenizer.separator
    with pytest.raises(PrefactorError, match=r"vocabulary = 5000: the train split gives only \d+ tokens; lower it"):
        train(SENTENCES, 5000)


def test_training_is_deterministic(tokenizer):
    assert train(SENTENCES, VOCABULARY).backend.to_str() == tokenizer.backend.to_str()


def test_training_text_is_balanced_by_the_shares():
    found = {"en": documents("en", *["e" * 10] * 100), "de": documents("de", *["d" * 10] * 10)}
    texts = balanced(found, {"en": 0.5, "de": 0.5})
    assert (len([t for t in texts if t[0] == "e"]), len([t for t in texts if t[0] == "d"])) == (10, 10)
    assert len(balanced(found, {"en": 0.8, "de": 0.2})) == 50
    assert train(texts, 258).vocabulary == 258


def test_blocks_hold_the_documents_in_order_each_after_a_separator(tokenizer):
    found = {"en": documents("en", *SENTENCES * 5), "de": documents("de", "a" * 40, "b")}
    blocks = cut(found, tokenizer, 8, (0, 0), "fit")
    again = cut(found, tokenizer, 8, (0, 1), "fit")
    assert blocks.tokens.dtype == np.int32 and sorted(map(tuple, blocks.tokens)) == sorted(map(tuple, again.tokens))
    assert not np.array_equal(blocks.tokens, again.tokens)

    stream = [token for d in found["en"] for token in [0, *tokenizer.encode([d.text])[0].tolist()]]
    owner = [d.id for d in found["en"] for _ in range(1 + len(tokenizer.encode([d.text])[0]))]
    expected = {}
    for start in range(0, len(stream) - 7, 8):
        expected.setdefault(tuple(stream[start : start + 8]), []).append(list(dict.fromkeys(owner[start : start + 8])))
    english = blocks.of("en")
    assert len(english) == len(stream) // 8
    for tokens, ids in zip(english.tokens, english.documents, strict=True):
        assert ids in expected[tuple(tokens.tolist())]


def test_check_names_a_split_without_a_domain_and_finds_leaks(tokenizer):
    fit = cut({"en": documents("en", *SENTENCES), "de": documents("de", "a")}, tokenizer, 8, (0, 0), "fit")
    with pytest.raises(PrefactorError, match=r"corpus\.splits\.fit: there is not one whole block of de in it; raise"):
        check({"fit": fit}, lambda split: ("en", "de"), VOCABULARY)
    check({"fit": fit}, lambda split: ("en",), VOCABULARY)
    with pytest.raises(AssertionError, match="is in fit and in eval"):
        check({"fit": fit, "eval": fit}, lambda split: ("en",), VOCABULARY)
    with pytest.raises(AssertionError, match="vocabulary 100"):
        check({"fit": fit}, lambda split: ("en",), 100)

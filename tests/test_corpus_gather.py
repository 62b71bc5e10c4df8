"""What becomes of rows, whatever their source."""

import random
from collections import Counter

import pytest
from pydantic import TypeAdapter

from prefactor.config.base import parse
from prefactor.config.corpus import SPLITS, CorpusConfig
from prefactor.corpus.document import Document, SourceRow
from prefactor.corpus.gather import Corpus, Gatherer
from prefactor.errors import PrefactorError

SHARES = {"train": 0.6, "harvest": 0.1, "select": 0.1, "fit": 0.1, "eval": 0.1}


def gather(
    rows: list[SourceRow], characters: int = 1, max_bad_rows: float = 0.0, seed: int = 0, pinned: str = "",
    domains: tuple[str, str] = ("en", "de"), splits: dict[str, float] = SHARES,
) -> Corpus:  # fmt: skip
    files = [{"path": "a", "domain_column": "d"}]
    if pinned:
        files.append({"path": "b", "domain_column": "d", "split": pinned})
    values = {
        "text": {"source": "files", "files": files},
        "seed": seed,
        "characters": characters,
        "shares": dict(zip(domains, (0.75, 0.25), strict=True)),
        "tokenizer": {"source": "train", "vocabulary": 300},
        "block": 16,
        "splits": splits,
        "max_bad_rows": max_bad_rows,
    }
    gatherer = Gatherer(parse(TypeAdapter(CorpusConfig), values, "corpus"))
    for row in rows:
        gatherer.add(row)
    return gatherer.finish()


def rows(count: int) -> list[SourceRow]:
    """Half English, then half German, as files sorted by language are; 10 characters each."""
    return [SourceRow(domain, f"{domain} {i:07d}") for domain in ("en", "de") for i in range(count // 2)]


def by_split(corpus: Corpus) -> dict[str, list[Document]]:
    return {split: [d for found in by.values() for d in found] for split, by in corpus.documents.items()}


def texts(corpus: Corpus) -> set[str]:
    return {document.text for found in by_split(corpus).values() for document in found}


GOOD = [SourceRow("en", "good"), SourceRow("de", "gut")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (SourceRow("en", None), "null"),
        (SourceRow("en", ""), "empty"),
        (SourceRow("en", " \n\t\u00a0"), "empty"),
        (SourceRow("en", 7), "not text"),
        (SourceRow("en", ["a"]), "a list and not text"),
        (SourceRow("en", {"content": "a"}), "an object and not text"),
        (SourceRow("en", "a\0b"), "zero bytes"),
        (SourceRow("en", b"caf\xe9"), "undecodable"),
        (SourceRow("en", "caf\ufffd"), "undecodable"),
        (SourceRow("en", "half a pair \ud83d"), "undecodable"),
        (SourceRow("nl", "goed"), "unknown domain"),
        (SourceRow(None, "text"), "unknown domain"),
        (SourceRow(["en"], "text"), "unknown domain"),
        (SourceRow(None, None, fault="not a JSON object"), "not a JSON object"),
    ],
)
def test_a_bad_row_is_counted_and_left_out(row, reason):
    corpus = gather([*GOOD, row], max_bad_rows=0.5)
    assert (corpus.rows, corpus.bad_rows, texts(corpus)) == (3, {reason: 1}, {"good", "gut"})


def test_utf8_bytes_are_text():
    assert "café" in texts(gather([SourceRow("en", "café".encode()), GOOD[1]]))


def test_too_many_bad_rows_is_an_error_that_counts_them():
    bad = [SourceRow("en", None), SourceRow("nl", "goed"), SourceRow("nl", "beter")]
    message = r"max_bad_rows = 0\.5: 3 of 5 rows are unusable \(null 1, unknown domain 2\), .* such as 'nl'; "
    with pytest.raises(PrefactorError, match=message):
        gather(GOOD + bad, max_bad_rows=0.5)
    assert gather(GOOD + bad, max_bad_rows=0.6).bad_rows == {"null": 1, "unknown domain": 2}


def test_duplicates_are_dropped_and_counted_but_are_no_bad_rows():
    corpus = gather(GOOD * 3)
    assert corpus.bad_rows == {"duplicate": 4} and len(texts(corpus)) == 2


def test_each_domain_gets_its_share_of_the_characters_and_no_document_more():
    corpus = gather(rows(4000), characters=20_005)
    had = Counter(d.domain for found in by_split(corpus).values() for d in found)
    assert had == {"en": 1501, "de": 501}  # ceil(15003.75 / 10), ceil(5001.25 / 10)


def test_too_little_text_names_the_domain_and_both_numbers():
    with pytest.raises(PrefactorError, match=r"domain en is to have 21000 characters .* the text has 20000; lower"):
        gather(rows(4000), characters=28_000)


def test_the_order_of_the_rows_does_not_matter():
    shuffled = rows(4000)
    random.Random(1).shuffle(shuffled)
    assert gather(shuffled, characters=8_000) == gather(rows(4000), characters=8_000)


def test_the_sample_is_spread_over_the_file_and_the_seed_changes_it_but_no_documents_split():
    one, other = (gather(rows(4000), characters=8_000, seed=seed) for seed in (0, 1))
    places = [int(text[3:]) for text in texts(one) if text.startswith("en")]
    assert 900 < sum(places) / len(places) < 1100  # of 0..1999
    assert texts(one) != texts(other)
    split = {d.text: s for s, found in by_split(one).items() for d in found}
    again = {d.text: s for s, found in by_split(other).items() for d in found}
    assert all(split[text] == again[text] for text in split.keys() & again.keys())


def test_splits_are_disjoint_and_have_their_shares():
    found = by_split(gather(rows(20_000), characters=100_000))
    ids = [document.id for documents in found.values() for document in documents]
    assert len(ids) == len(set(ids)) == 10_000
    for split, share in SHARES.items():
        assert abs(len(found[split]) / 10_000 - share) < 0.02, split


ALONE = {"train": 0.6, "harvest": 0.2, "select": 0.1, "fit": 0.1, "eval": 0.0}


def test_a_pinned_split_takes_all_its_texts_and_its_share_of_the_others():
    pinned = [SourceRow(domain, f"{domain} {i:07d}", split="eval") for domain in ("en", "de") for i in range(100)]
    found = by_split(gather(pinned + rows(8000), characters=30_000, pinned="eval"))
    assert {row.text for row in pinned} < {document.text for document in found["eval"]}
    assert abs((len(found["eval"]) - 200) / 3000 - 0.1) < 0.03
    assert abs(len(found["train"]) / 3000 - 0.6) < 0.03


def test_a_pinned_split_without_a_share_takes_its_texts_alone():
    pinned = [SourceRow(domain, f"{domain} {i:07d}", split="eval") for domain in ("en", "de") for i in range(100)]
    found = by_split(gather(pinned + rows(8000), characters=30_000, pinned="eval", splits=ALONE))
    assert {document.text for document in found["eval"]} == {row.text for row in pinned}
    others = {document.text for split in SPLITS if split != "eval" for document in found[split]}
    assert len(others) == 3000 and not others & {row.text for row in pinned}
    assert abs(len(found["train"]) / 3000 - 0.6) < 0.03


def test_a_tag_need_not_be_a_word() -> None:
    rows = [SourceRow(i % 2 == 0, f"text number {i} of many") for i in range(40)]
    found = gather(rows, domains=("True", "False"))
    assert not found.bad_rows
    assert {d.domain for split in found.documents.values() for own in split.values() for d in own} == {"True", "False"}

"""Text as it comes, in hundreds of forms: every record is read, or the file is refused by name; no row is lost."""

import csv
import gzip
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from prefactor.config.base import parse
from prefactor.config.corpus import SPLITS, CorpusConfig, FileSet
from prefactor.corpus import files
from prefactor.corpus.document import SourceRow
from prefactor.corpus.gather import Gatherer
from tests.malformed import ODD, SAME, accepted_or_refused

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufffd"), max_size=20)
TEXTS = st.lists(WORDS.filter(str.strip), min_size=1, max_size=6)


def read(path: Path) -> list[Any]:
    return [row.text for row in files.rows(FileSet(path=str(path), domain="en"), path)]


def table(texts: list[str], sign: str) -> str:
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=sign).writerows([["id", "text"], *((i, text) for i, text in enumerate(texts))])
    return written.getvalue()


def lines(texts: list[str], end: str = "\n", plain: bool = False) -> str:
    return end.join(json.dumps({"id": i, "text": text}, ensure_ascii=not plain) for i, text in enumerate(texts)) + end


def records(texts: list[str]) -> list[dict[str, Any]]:
    return [{"text": text, "more": [{"id": i}]} for i, text in enumerate(texts)]


FORMS: dict[str, tuple[str, Any]] = {
    "lines": (".jsonl", lines),
    "lines, not escaped": (".ndjson", lambda texts: lines([t for t in texts if t.isprintable()] or ["x"], plain=True)),
    "CR lines": (".jsonl", lambda texts: lines(texts, "\r")),
    "CRLF lines": (".json", lambda texts: lines(texts, "\r\n")),
    "an array a line": (".jsonl", lambda texts: "".join(json.dumps([record]) + "\n" for record in records(texts))),
    "an array": (".json", lambda texts: json.dumps(records(texts))),
    "a pretty array": (".json", lambda texts: json.dumps(records(texts), indent=2)),
    "an array, a member a line": (".json", lambda texts: "[\n" + ",\n".join(map(json.dumps, records(texts))) + "\n]\n"),
    "under a key": (".json", lambda texts: json.dumps({"version": [1], "data": records(texts)})),
    "under a key, pretty": (".json", lambda texts: json.dumps({"rows": records(texts), "n": {"a": []}}, indent=1)),
    "pretty objects": (".json", lambda texts: "\n".join(json.dumps(record, indent=1) for record in records(texts))),
    "commas": (".csv", lambda texts: table(texts, ",")),
    "semicolons": (".csv", lambda texts: table(texts, ";")),
    "tabs": (".tsv", lambda texts: table(texts, "\t")),
}


@SAME
@given(TEXTS, st.sampled_from(list(FORMS)), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]), st.booleans())
def test_every_record_comes_out_of_every_form(texts: list[str], form: str, encoding: str, packed: bool) -> None:
    suffix, write = FORMS[form]
    content = write(texts).encode(encoding)
    wanted = [t for t in texts if t.isprintable()] or ["x"] if form == "lines, not escaped" else texts
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a" + suffix + (".gz" if packed else ""))
        path.write_bytes(gzip.compress(content) if packed else content)
        assert read(path) == wanted


@SAME
@given(TEXTS)
def test_every_record_comes_out_of_parquet(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.parquet")
        pq.write_table(pa.table({"id": list(range(len(texts))), "text": texts}), path)
        assert read(path) == texts


BITS = st.sampled_from(
    [b"\n", b"\r", b'{"text": "a"}', b'{"text": ', b'{"data": [', b"[", b"]", b"{", b"}", b",", b'"', b";", b"\t", b"a",
     b"text", b"text,id\n", b"null", b"NaN", b"\\ud83d", b"\xe9", b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b",
     b"PAR1", b"BZh9", b"\xfd7zXZ\x00"]
)  # fmt: skip
BYTES = st.one_of(st.binary(max_size=60), st.lists(BITS, max_size=14).map(b"".join))
SUFFIXES = st.sampled_from([*files.READERS, ".jsonl.gz", ".csv.xz", ".txt.bz2"])


@SAME
@given(BYTES, SUFFIXES)
def test_any_bytes_are_read_or_the_file_is_refused_by_name(content: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "odd" + suffix)
        path.write_bytes(content)
        with accepted_or_refused() as said:
            read(path)
        assert not said or "odd" in said[0]


ONE_LINE = st.text(st.characters(exclude_categories=["Cs", "Zl", "Zp"], exclude_characters="\0\n\r\x85"), max_size=12)
BAD = st.one_of(ONE_LINE, st.sampled_from(["[", "{", '{"text": "half', "[1]", "null", '"text"', '{"a": 1}']))


@SAME
@given(TEXTS, st.lists(BAD, max_size=4), st.randoms(use_true_random=False))
def test_bad_lines_cost_no_good_one(texts: list[str], bad: list[str], order: Any) -> None:
    good = [json.dumps({"text": text}) for text in texts]
    both = [*good, *bad]
    order.shuffle(both)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mixed.jsonl")
        path.write_text("\n".join(both) + "\n", encoding="utf-8")
        with accepted_or_refused() as said:
            found = read(path)
        if said:
            assert "mixed.jsonl" in said[0]
        else:
            assert sorted(text for text in found if isinstance(text, str)) == sorted(texts)


CONFIG: CorpusConfig = parse(
    TypeAdapter(CorpusConfig),
    {
        "text": {"source": "files", "files": [{"path": s, "domain_column": "d", "split": s} for s in SPLITS]},
        "seed": 0, "characters": 1, "shares": {"en": 0.5, "1": 0.5}, "block": 16,
        "tokenizer": {"source": "train", "vocabulary": 300}, "splits": dict.fromkeys(SPLITS, 0.2), "max_bad_rows": 1.0,
    },
    "corpus",
)  # fmt: skip
ROWS = st.builds(
    SourceRow,
    domain=st.one_of(st.sampled_from(["en", "1", 1, "en", None, ["en"]]), ODD),
    text=st.one_of(st.text(max_size=4), st.binary(max_size=4), ODD),
    split=st.sampled_from(SPLITS),
    fault=st.sampled_from([None, None, None, "not a JSON object"]),
)


@SAME
@given(st.lists(ROWS, max_size=30))
def test_every_row_is_a_document_or_counted(rows: list[SourceRow]) -> None:
    gatherer = Gatherer(CONFIG)
    for row in rows:
        gatherer.add(row)
    corpus = gatherer.finish()
    kept = [document for by in corpus.documents.values() for found in by.values() for document in found]
    assert len(kept) + sum(corpus.bad_rows.values()) == corpus.rows == len(rows)
    assert len({document.text for document in kept}) == len(kept)

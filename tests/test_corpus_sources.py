"""Reading files and ``datasets`` data sets, row by row."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefactor.config.corpus import FileSet, FilesText, HubSet, HubText
from prefactor.corpus import files, hub
from prefactor.corpus.document import SourceRow
from prefactor.corpus.listing import listing
from prefactor.errors import PrefactorError


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    # datasets sleeps for seconds after it has shuffled a parquet stream
    monkeypatch.setattr("datasets.config.SLEEP_TIME_ON_THREADS_SHUTDOWN", 0)


def read(*sets: FileSet) -> list[SourceRow]:
    members = listing(FilesText(source="files", files=sets), files.READERS).members
    return [row for member in members for row in files.rows(*member)]


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def test_parquet_with_a_domain_column(tmp_path):
    path = parquet(tmp_path / "a [1].parquet", body=["x", None], lang=["en", "de"], more=[1, 2])
    found = read(FileSet(path=f"{tmp_path}/*.parquet", text="body", domain_column="lang", split="fit"))
    assert found == [SourceRow("en", "x", "fit"), SourceRow("de", None, "fit")]
    with pytest.raises(PrefactorError, match="no column 'text', only body, lang, more"):
        read(FileSet(path=str(tmp_path), domain_column="lang"))
    with pytest.raises(PrefactorError, match="no column 'language'"):
        read(FileSet(path=str(tmp_path), text="body", domain_column="language"))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(PrefactorError, match=r"a \[1\]\.parquet cannot be read"):
        read(FileSet(path=str(tmp_path), text="body", domain="en"))


def test_parquet_strings_that_are_not_utf8_come_out_as_bytes(tmp_path):
    binary = pa.array([b"caf\xe9", "café".encode(), None])
    parquet(tmp_path / "a.parquet", text=pa.Array.from_buffers(pa.string(), 3, binary.buffers()))
    parquet(tmp_path / "b.parquet", text=pa.array([1, 2]))
    found = read(FileSet(path=str(tmp_path), domain="fr"))
    assert [row.text for row in found] == [b"caf\xe9", "café".encode(), None, 1, 2]


def test_jsonl_keeps_odd_rows_apart(tmp_path):
    good = [{"text": "one\u2028line", "lang": "en"}, {"text": 5, "lang": "de"}, {"lang": "de"}]
    lines = [json.dumps(record, ensure_ascii=False).encode() for record in good]
    lines += [b'{"text": "half", "lang": ', b'["a list"]', b'{"text": "caf\xe9", "lang": "fr"}', b""]
    (tmp_path / "a.jsonl").write_bytes(b"\r\n".join(lines) + b"\n")
    fault = "not a JSON object"
    assert read(FileSet(path=str(tmp_path / "a.jsonl"), domain_column="lang")) == [
        SourceRow("en", "one\u2028line"),
        SourceRow("de", 5),
        SourceRow("de", None),
        SourceRow(None, None, fault=fault),
        SourceRow(None, None, fault=fault),
        SourceRow("fr", "caf\ufffd"),
    ]


def test_a_text_file_has_a_document_a_paragraph(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\n\none\ntwo\r\n \t\r\n\r\n  three\n\n\xff\n")
    found = read(FileSet(path=str(tmp_path / "a.txt"), domain="en"))
    assert found == [SourceRow("en", "one\ntwo"), SourceRow("en", "  three"), SourceRow("en", "\ufffd")]
    with pytest.raises(PrefactorError, match=r"plain text and has no column 'lang'; give domain"):
        read(FileSet(path=str(tmp_path), domain_column="lang"))


def test_a_folder_is_read_in_order_pinned_sets_first_and_other_files_passed_over(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "README.md").write_text("no text of ours")
    (tmp_path / "b.txt").write_text("b")
    (tmp_path / "sub" / "c.TXT").write_text("c")
    parquet(tmp_path / "a.parquet", text=["a"])
    (tmp_path / "sub" / "d.txt").write_text("d")
    everything = FileSet(path=str(tmp_path), domain="en")
    pinned = FileSet(path=str(tmp_path / "sub" / "d.txt"), domain="en", split="eval")
    assert [(row.text, row.split) for row in read(everything, pinned)] == [
        ("d", "eval"), ("a", None), ("b", None), ("c", None), ("d", None),
    ]  # fmt: skip
    with pytest.raises(PrefactorError, match=r"path = .*/none.*: no file there ends in \.parquet"):
        read(FileSet(path=str(tmp_path / "none"), domain="en"))


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_a_local_data_set_folder_takes_the_path_of_the_hub(tmp_path, kind):
    texts = [f"text {i}" for i in range(50)]
    if kind == "parquet":
        parquet(tmp_path / "train.parquet", body=texts, other=list(range(50)))
    else:
        (tmp_path / "train.jsonl").write_text("".join(json.dumps({"body": t, "other": 0}) + "\n" for t in texts))
    text = HubText(source="hub", sets=(HubSet(name=str(tmp_path), domain="en", text="body"),))
    found = list(hub.rows(text, 0, lambda domain: True))
    assert sorted(found) == sorted(SourceRow("en", t) for t in texts)
    assert found == list(hub.rows(text, 0, lambda domain: True))
    assert found != list(hub.rows(text, 1, lambda domain: True)) != [SourceRow("en", t) for t in texts]


def test_a_stream_is_read_no_further_than_wanted(tmp_path):
    parquet(tmp_path / "train.parquet", text=[f"text {i}" for i in range(50)])
    had: list[SourceRow] = []
    text = HubText(source="hub", sets=tuple(HubSet(name=str(tmp_path), domain=domain) for domain in ("en", "de")))
    for row in hub.rows(text, 0, lambda domain: sum(row.domain == domain for row in had) < 3):
        had.append(row)
    assert [row.domain for row in had] == ["en"] * 3 + ["de"] * 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "dev"}, "cannot be read .*dev.*; mend name, config"),
        ({"config": "odd"}, "cannot be read .*odd.*; mend name, config"),
        ({"text": "body"}, "no column 'body', only text; mend its key text"),
    ],
)
def test_a_data_set_that_is_not_so(tmp_path, changes, message):
    parquet(tmp_path / "train.parquet", text=["a"])
    entry = HubSet(**{"name": str(tmp_path), "domain": "en", **changes})
    with pytest.raises(PrefactorError, match=message):
        list(hub.rows(HubText(source="hub", sets=(entry,)), 0, lambda domain: True))

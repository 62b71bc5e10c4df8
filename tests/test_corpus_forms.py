"""Files as people have them: each is read, or refused with its name and a remedy; what is passed over is told."""

import bz2
import codecs
import gzip
import json
import lzma
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from pydantic import TypeAdapter

from prefactor.config.base import parse
from prefactor.config.corpus import CorpusConfig
from prefactor.corpus.gather import Corpus
from prefactor.corpus.json_rows import CHUNK, LINE
from prefactor.corpus.sources import gather
from prefactor.errors import PrefactorError
from stages import corpus as stage

Content = bytes | str | Callable[[Path], Any]
SPLITS = {"train": 0.6, "harvest": 0.1, "select": 0.1, "fit": 0.1, "eval": 0.1}


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[list[str], Corpus]]:
    """The texts that become documents of the files in ``t``, and the corpus."""
    monkeypatch.chdir(tmp_path)

    def read(files: dict[str, Content], *sets: dict[str, Any], bad: float = 1.0) -> tuple[list[str], Corpus]:
        for name, content in files.items():
            path = tmp_path / "t" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if callable(content):
                content(path)
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        sets = sets or ({"path": "t", "domain": "en"},)
        for split in SPLITS:
            (tmp_path / f"{split}.txt").write_text(split, encoding="utf-8")
        # With a split of its own for each, all is kept, whatever there is.
        rest = [{"path": f"{split}.txt", "domain": "en", "split": split} for split in SPLITS if split != "eval"]
        text = {"source": "files", "files": [*({**entry, "split": "eval"} for entry in sets), *rest]}
        values = {
            "text": text, "seed": 0, "characters": 1, "shares": {"en": 0.5, "de": 0.5}, "block": 16, "splits": SPLITS,
            "tokenizer": {"source": "train", "vocabulary": 300}, "max_bad_rows": bad,
        }  # fmt: skip
        config: CorpusConfig = parse(TypeAdapter(CorpusConfig), values, "corpus")
        found = gather(config, tmp_path)
        return [d.text for by in found.documents["eval"].values() for d in by], found

    return read


def named(value: object) -> str:
    """Of a parameter in a test's name: none that is long, or another on every run."""
    return value if isinstance(value, str) and value.isprintable() and len(value) < 60 else "..."


RECORDS = [{"text": f"text {i}", "lang": "en"} for i in range(5)]
TEXTS = [record["text"] for record in RECORDS]
LINES = "".join(json.dumps(record) + "\n" for record in RECORDS)
LONG = [{"text": f"{i} " * 400} for i in range(3000)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("b.json", json.dumps(RECORDS)),
        ("b.json", json.dumps(RECORDS, indent=1)),
        ("b.jsonl", json.dumps(RECORDS) + "\n"),
        ("b.jsonl", "".join(json.dumps([record]) + "\n" for record in RECORDS)),
        ("b.json", json.dumps({"data": RECORDS, "version": 1})),
        ("b.json", json.dumps({"version": 1, "rows": RECORDS}, indent=2)),
        ("b.json", '{"data": [\n' + ",\n".join(map(json.dumps, RECORDS)) + "\n]}"),
        ("b.json", json.dumps({"train": RECORDS, "authors": [{"name": "x"}]})),
        ("b.json", "\n".join(json.dumps(record, indent=2) for record in RECORDS)),
        ("b.ndjson", LINES.replace("\n", "\r\n")),
        ("b.jsonl", LINES.replace("\n", "\r")),
        ("b.jsonl", codecs.BOM_UTF8 + LINES.encode()),
        ("b.jsonl", (codecs.BOM_UTF8 + LINES.encode()) * 2),
        ("b.jsonl", LINES.encode("utf-16")),
        ("b.json", json.dumps(RECORDS).encode("utf-32")),
        ("b.jsonl.gz", gzip.compress(LINES.encode())),
        ("B.JSON.GZ", gzip.compress(json.dumps(RECORDS).encode())),
        ("b.jsonl", gzip.compress(LINES.encode())),
        ("b.csv", "id,text\n" + "".join(f'{i},"{text}"\n' for i, text in enumerate(TEXTS))),
        (
            "b.csv.bz2",
            bz2.compress(("id;text\r\n" + "".join(f"{i};{text}\r\n" for i, text in enumerate(TEXTS))).encode()),
        ),
        ("b.tsv.xz", lzma.compress(("text\tid\r" + "".join(f"{text}\t1\r" for text in TEXTS)).encode())),
        ("b.csv", ("text\tid\n" + "".join(f"{text}\t1\n" for text in TEXTS)).encode("utf-16")),
        ("b.txt.gz", gzip.compress("\n\n".join(TEXTS).encode())),
        ("b.txt", codecs.BOM_UTF16_BE + "\r\r".join(TEXTS).encode("utf-16-be")),
    ],
    ids=named,
)
def test_every_form_gives_every_record(read: Any, name: str, content: Content) -> None:
    texts, found = read({name: content}, bad=0.0)
    assert sorted(texts) == TEXTS
    assert found.passed_over == []


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(
    "wrap", [lambda records: records, lambda records: {"data": records}], ids=["array", "under a key"]
)
def test_a_form_is_told_also_where_its_first_line_is_long(read: Any, wrap: Any, indent: int | None) -> None:
    content = json.dumps(wrap(LONG), indent=indent)
    assert len(content) > LINE > CHUNK
    assert len(read({"b.json": content})[0]) == len(LONG)


def test_a_record_may_be_longer_than_any_buffer(read: Any) -> None:
    long = "x" * (3 * LINE)
    texts, _ = read({"b.jsonl": json.dumps({"text": long}) + "\n" + LINES})
    assert sorted(texts) == [*TEXTS, long]
    texts, _ = read({"b.jsonl": json.dumps([{"text": long}, *RECORDS]), "c.csv": f"text,id\n{long}y,1\n"})
    assert sorted(texts) == [*TEXTS, long, f"{long}y"]


def table(**columns: Any) -> Callable[[Path], Any]:
    return lambda path: pq.write_table(pa.table(columns), path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("b.json", json.dumps({"train": RECORDS, "test": RECORDS}), "has several lists of records (train, test)"),
        ("b.json", json.dumps({"text": TEXTS}), "not one of its 1 rows can be used (a list and not text 1)"),
        ("b.json", json.dumps({"columns": ["text"], "data": [["a"]]}), "has no column 'text', only columns, data"),
        ("b.json", json.dumps(TEXTS), "not one of its 5 rows can be used (not a JSON object 5)"),
        ("b.json", json.dumps(RECORDS)[:-20], "is no JSON (Unterminated string"),
        ("b.json", json.dumps(RECORDS, indent=1) + LINES, "goes on after the bracket that closes its array"),
        ("b.json", "[" * 200_000, "nested too deep"),
        ("b.json", "", "not one of its 0 rows can be used"),
        ("b.txt", " \n\n", "not one of its 0 rows can be used"),
        ("b.jsonl", '{"body": "x", "id": 1}\n' * 5, "has no column 'text', only body, id"),
        ("b.jsonl", '{"text": [{"role": "user", "content": "x"}]}\n' * 5, "(a list and not text 5)"),
        ("b.jsonl", '{"text": {"content": "x"}}\n' * 5, "(an object and not text 5)"),
        ("b.jsonl", '{"text": NaN}\n', "(not text 1)"),
        ("b.txt", "a\n\nb".encode("utf-16-le"), "has zero bytes and is no text in UTF-8"),
        ("b.txt", "café".encode("latin-1"), "(undecodable 1)"),
        ("b.jsonl.gz", gzip.compress(b"text" * 5000)[:-30], "cannot be read (Compressed file ended before"),
        ("b.jsonl.gz", LINES, "is not packed as its name says"),
        ("b.csv.xz", lzma.compress(b"text\nx\n")[:-10], "cannot be read (Compressed file ended"),
        ("b.jsonl", b"PK\x03\x04rest", "is a ZIP archive, whatever its name says; unpack it"),
        ("b.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a git-lfs pointer and not"),
        ("b.parquet", b"hello", "b.parquet cannot be read"),
        ("b.parquet", b"", "b.parquet cannot be read"),
        ("b.jsonl", b"PAR1...", "is parquet, whatever its name says"),
        ("b.parquet", table(text=pa.array([], pa.string())), "not one of its 0 rows can be used"),
        ("b.parquet", table(text=[["a"], ["b"]]), "(a list and not text 2)"),
        ("b.csv", "body,x\na,1\n", "has no column 'text', only body, x"),
        ("b.csv", 'text,x\n"a,1\n' + "b,2\n" * 50, "the quote that line 2 opens is never closed"),
        ("b.csv", "text,text\na,b\n", "has two columns 'text'"),
        ("b.csv", "text,x\n", "not one of its 0 rows can be used"),
    ],
    ids=named,
)
def test_what_cannot_be_read_is_named_also_among_good_files(read: Any, name: str, content: Content, said: str) -> None:
    with pytest.raises(PrefactorError) as error:
        read({"a.jsonl": LINES, name: content})
    assert said in str(error.value) and f"t/{name}" in str(error.value)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[" * 200_000, "not a JSON object"),
        ('{"text": "\\ud83d"}', "undecodable"),
        ('{"text": "a\\u0000b"}', "zero bytes"),
        ('{"text": 1e999}', "not text"),
        ('{"text": "half', "not a JSON object"),
    ],
    ids=named,
)
def test_a_bad_row_costs_itself_alone(read: Any, line: str, reason: str) -> None:
    texts, found = read({"a.jsonl": f"{LINES}{line}\n{LINES.replace('text ', 'more ')}"})
    assert len(texts) == 10 and found.bad_rows == {reason: 1}


def link(target: str) -> Callable[[Path], None]:
    return lambda path: os.symlink(target, path)


SIDECARS = [
    "._a.jsonl",
    ".DS_Store",
    "a.jsonl~",
    "#a.jsonl#",
    "~$a.csv",
    "a.jsonl.crdownload",
    "b.jsonl.part",
    "README.md",
    "c.jsonl.zst",
]
IN_FOLDERS = [".ipynb_checkpoints/a.jsonl", "__MACOSX/._a.jsonl", ".git/config.json", ".cache/x/y.txt"]


def test_sidecars_and_caches_are_no_data_and_what_is_passed_over_is_listed(read: Any) -> None:
    odd = dict.fromkeys(SIDECARS + IN_FOLDERS, "\0 no data")
    texts, found = read({"a.jsonl": LINES, "sub/b.txt": "more", **odd}, bad=0.0)
    assert sorted(texts) == ["more", *TEXTS]
    folders = {f"t/{name.partition('/')[0]}/" for name in IN_FOLDERS}
    assert found.passed_over == sorted({f"t/{name}" for name in SIDECARS} | folders)


@pytest.mark.parametrize(
    ("path", "passed"),
    [
        ("t", ["t/x.md"]),
        ("t/**", ["t/x.md"]),
        ("t/**/*.jsonl", []),
        ("t/*", ["t/self/", "t/sub/", "t/twin/", "t/x.md"]),
        ("t/sub", ["t/sub/up/x.md"]),
        ("t/sub/*.jsonl", []),
        ("t/s*/b.jsonl", []),
        ("t/sub/../sub/b.jsonl", []),
    ],
)
def test_links_may_loop_and_each_file_is_read_once(read: Any, path: str, passed: list[str]) -> None:
    files = {
        "a.jsonl": LINES, "again.jsonl": link("a.jsonl"), "sub/b.jsonl": '{"text": "b"}', "x.md": "", "self": link("."),
        "twin": link("."), "sub/up": link(".."),
    }  # fmt: skip
    texts, found = read(files, {"path": path, "domain": "en"}, bad=0.0)
    assert "b" in texts or path == "t/*"
    assert found.bad_rows == {} and found.passed_over == passed


@pytest.mark.parametrize("path", ["t/.h", "t/.h/*.jsonl", "t/.h/a[1].jsonl", "t/.h/**/*.jsonl", "t/*/a[[]1].jsonl"])
def test_a_path_means_what_it_says(read: Any, path: str) -> None:
    if path.startswith("t/*"):
        with pytest.raises(PrefactorError, match="no file there ends in"):
            read({".h/a[1].jsonl": LINES}, {"path": path, "domain": "en"})
    else:
        assert sorted(read({".h/a[1].jsonl": LINES}, {"path": path, "domain": "en"})[0]) == TEXTS


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        ([{"path": "t", "domain": "en"}, {"path": "t/*.jsonl", "domain": "de"}], "is in two entries (t and t/*.jsonl)"),
        ([{"path": "t", "domain": "en"}, {"path": "t/a.jsonl", "domain_column": "lang"}], "is in two entries"),
        ([{"path": "t/x.md", "domain": "en"}], ".json, .csv, .tsv, .txt (there is t/x.md)"),
        ([{"path": "nowhere/*", "domain": "en"}], "path = nowhere/*: no file there"),
        ([{"path": "x" * 5000, "domain": "en"}], "File name too long"),
        ([{"path": "", "domain": "en"}], "at least 1 character"),
        ([{"path": "a\0b", "domain": "en"}], "a character that is none"),
        ([{"path": "t", "domain_column": "tag"}], "has no column 'tag', only text, lang"),
    ],
)  # fmt: skip
def test_paths_that_lead_nowhere_or_to_two_domains(read: Any, sets: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(PrefactorError) as error:
        read({"a.jsonl": LINES, "x.md": ""}, *sets)
    assert said in str(error.value)


def test_the_same_domain_twice_and_another_column_are_no_contradiction(read: Any) -> None:
    both = '{"text": "one", "body": "eins"}\n'
    sets = [
        {"path": "t", "domain": "en"},
        {"path": "t/*", "domain": "en"},
        {"path": "t", "text": "body", "domain": "de"},
    ]
    texts, found = read({"a.jsonl": both}, *sets)
    assert sorted(texts) == ["eins", "one"] and found.bad_rows == {"duplicate": 1}


def test_a_tag_is_the_same_however_its_letters_are_encoded(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(
        json.dumps({"text": f"text {i}", "lang": tag}) + "\n"
        for i, tag in enumerate(("fran\u00e7ais", "franc\u0327ais"))
    )
    with pytest.raises(PrefactorError, match=r"2 rows can be used \(unknown domain 2, such as 'français'\)"):
        read({"a.jsonl": rows}, {"path": "t", "domain_column": "lang"})


def test_the_stage_tells_what_was_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t").mkdir()
    for domain, words in (("en", "the house is old"), ("de", "das Haus ist alt")):
        texts = [{"text": f"{words} {i}"} for i in range(400)]
        (tmp_path / "t" / f"{domain}.json").write_text(json.dumps({"data": texts}), encoding="utf-8")
    for i in range(7):
        (tmp_path / "t" / f"{i}.doc").touch()
    values = {
        "text": {"source": "files", "files": [{"path": f"t/{d}.json", "domain": d} for d in ("en", "de")]}, "seed": 0,
        "characters": 8000, "shares": {"en": 0.5, "de": 0.5}, "tokenizer": {"source": "train", "vocabulary": 270},
        "block": 16, "splits": SPLITS, "max_bad_rows": 0.0,
    }  # fmt: skip
    values["text"]["files"].append({"path": "t/*e*", "domain": "de"})  # de.json alone: the others are none of ours
    values["text"]["files"][2] = {"path": "t/[!e]*", "domain": "de"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"corpus": values}), encoding="utf-8")
    stage.main()
    metrics = json.loads((tmp_path / "data" / "corpus" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["passed_over"] == {"files": 7, "names": [f"t/{i}.doc" for i in range(7)]}
    assert (
        "corpus: passed over 7 files: t/0.doc, t/1.doc, t/2.doc, t/3.doc, t/4.doc and 2 more" in capsys.readouterr().err
    )

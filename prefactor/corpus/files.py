"""Text from local files: parquet, JSON, CSV, or plain text with a document a paragraph."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from prefactor.config.corpus import FileSet
from prefactor.corpus import csv_rows, json_rows
from prefactor.corpus.document import SourceRow
from prefactor.corpus.listing import suffix_of
from prefactor.corpus.opening import open_text, readable
from prefactor.errors import PrefactorError

BATCH = 1000  # rows read at a time
COLUMNS = 20  # named in an error


def rows(files: FileSet, path: Path) -> Iterator[SourceRow]:
    """Every row of one file.

    Raises:
        PrefactorError: it is not what its name says, is cut off, or lacks a column.
    """
    with readable(path):
        yield from READERS[suffix_of(path)](files, path)


def _parquet(files: FileSet, path: Path) -> Iterator[SourceRow]:
    columns = _columns(files)
    with pq.ParquetFile(path) as file:
        known = file.schema_arrow.names
        for column in columns:
            if column not in known:
                raise _no_column(path, column, known)
        for batch in file.iter_batches(BATCH, columns=columns):
            texts = _values(batch[files.text])
            domains = _values(batch[files.domain_column]) if files.domain_column else [files.domain] * len(texts)
            for text, domain in zip(texts, domains, strict=True):
                yield SourceRow(domain, text, files.split)


def _values(column: pa.Array) -> list[Any]:
    try:
        return column.to_pylist()
    except UnicodeDecodeError:  # strings that are not UTF-8 after all: hand them on as bytes
        return column.cast(pa.large_binary()).to_pylist()


def _json(files: FileSet, path: Path) -> Iterator[SourceRow]:
    missing = dict.fromkeys(_columns(files))  # columns that no record had so far
    known: dict[str, None] = {}
    for record in json_rows.records(path, files.text):
        if record is None:
            yield SourceRow(None, None, files.split, fault="not a JSON object")
            continue
        if missing:
            missing = {column: None for column in missing if column not in record}
            known |= dict.fromkeys(list(record)[:COLUMNS])
        domain = files.domain if files.domain_column is None else record.get(files.domain_column)
        yield SourceRow(domain, record.get(files.text), files.split)
    if missing and known:
        raise _no_column(path, next(iter(missing)), list(known))


def _csv(files: FileSet, path: Path) -> Iterator[SourceRow]:
    for record in csv_rows.rows(path, suffix_of(path), _columns(files)):
        if record is None:
            yield SourceRow(None, None, files.split, fault="fields unlike the header's")
        else:
            domain = files.domain if files.domain_column is None else record[files.domain_column]
            yield SourceRow(domain, record[files.text], files.split)


def _paragraphs(files: FileSet, path: Path) -> Iterator[SourceRow]:
    if files.domain_column is not None:
        raise PrefactorError(f"{path} is plain text and has no column {files.domain_column!r}; give domain instead")
    paragraph: list[str] = []
    with open_text(path) as stream:
        for line in stream:
            if line.strip():
                paragraph.append(line)
            elif paragraph:
                yield SourceRow(files.domain, "".join(paragraph).strip("\n"), files.split)
                paragraph = []
    if paragraph:
        yield SourceRow(files.domain, "".join(paragraph).strip("\n"), files.split)


def _columns(files: FileSet) -> list[str]:
    return [files.text] if files.domain_column is None else [files.text, files.domain_column]


def _no_column(path: Path, column: str, known: list[str]) -> PrefactorError:
    more = f" and {len(known) - COLUMNS} more" if len(known) > COLUMNS else ""
    return PrefactorError(
        f"{path} has no column {column!r}, only {', '.join(known[:COLUMNS])}{more}; mend corpus.text.files"
    )


READERS: dict[str, Callable[[FileSet, Path], Iterator[SourceRow]]] = {
    ".parquet": _parquet,
    ".jsonl": _json,
    ".ndjson": _json,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _csv,
    ".txt": _paragraphs,
}

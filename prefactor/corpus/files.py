"""Text from local files, read through ``datasets``: parquet, JSONL, or plain text with a document a paragraph."""

import glob
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import IterableDataset, load_dataset

from prefactor.config.corpus import FileSet, FilesText
from prefactor.corpus.document import SourceRow
from prefactor.errors import PrefactorError
from prefactor.machine.progress import track

BATCH = 1000  # rows read at a time
BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n)+")


def rows(text: FilesText) -> Iterator[SourceRow]:
    """Every row of every file: first the sets with a split of their own, so that no other split gets their texts.

    Raises:
        PrefactorError: nothing to read at a path, a file that is not what its name says, or a missing column.
    """
    sets = sorted(text.files, key=lambda files: files.split is None)  # stable
    members = [(files, path) for files in sets for path in _paths(files)]
    for files, path in track(members, len(members), "files read"):
        try:
            yield from READERS[path.suffix.lower()](files, path)
        except (OSError, pa.ArrowException) as error:
            first = str(error).partition("\n")[0]
            raise PrefactorError(f"{path} cannot be read ({first}); mend it or leave it out") from None


def _paths(files: FileSet) -> list[Path]:
    """The readable files at ``files.path``, sorted; others in a folder, such as a README.md, are passed over."""
    root = Path(files.path)
    entries = root.rglob("*") if root.is_dir() else map(Path, glob.glob(files.path, recursive=True))
    paths = sorted(path for path in entries if path.is_file() and path.suffix.lower() in READERS)
    if not paths:
        raise PrefactorError(
            f"params.yaml: corpus.text.files: path = {files.path}: no file there ends in {', '.join(READERS)}; "
            "mend the path (it is relative to the repository root)"
        )
    return paths


def _open(builder: str, path: Path, **options: Any) -> IterableDataset:
    # Streaming reads the file in place; the other mode would first copy all of it to the user's cache.
    return load_dataset(builder, data_files=[glob.escape(str(path))], split="train", streaming=True, **options)


def _parquet(files: FileSet, path: Path) -> Iterator[SourceRow]:
    data = _open("parquet", path)
    columns = [files.text] if files.domain_column is None else [files.text, files.domain_column]
    known = list(data.features or {})
    for column in columns:
        if column not in known:
            raise PrefactorError(f"{path} has no column {column!r}, only {', '.join(known)}; mend corpus.text.files")
    for table in data.select_columns(columns).with_format("arrow").iter(batch_size=BATCH):
        texts = _values(table[files.text])
        domains = _values(table[files.domain_column]) if files.domain_column else [files.domain] * len(texts)
        for text, domain in zip(texts, domains, strict=True):
            yield SourceRow(domain, text, files.split)


def _values(column: pa.ChunkedArray) -> list[Any]:
    try:
        return column.to_pylist()
    except UnicodeDecodeError:  # strings that are not UTF-8 after all: hand them on as bytes
        return column.cast(pa.large_binary()).to_pylist()


def _jsonl(files: FileSet, path: Path) -> Iterator[SourceRow]:
    # Line by line and not with the json builder: that fails as a whole at one odd row, which could not be counted then.
    for row in _open("text", path, encoding_errors="replace"):
        line = row["text"]
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict):
            domain = files.domain if files.domain_column is None else record.get(files.domain_column)
            yield SourceRow(domain, record.get(files.text), files.split)
        else:
            yield SourceRow(None, None, files.split, fault="not a JSON object")


def _paragraphs(files: FileSet, path: Path) -> Iterator[SourceRow]:
    if files.domain_column is not None:
        raise PrefactorError(f"{path} is plain text and has no column {files.domain_column!r}; give domain instead")
    # As one document, since the builder's own paragraphs end only at lines that are empty, not at blank ones.
    for row in _open("text", path, encoding_errors="replace", sample_by="document"):
        for paragraph in BLANK_LINES.split(row["text"]):
            if paragraph.strip():
                yield SourceRow(files.domain, paragraph.strip("\n"), files.split)


READERS: dict[str, Callable[[FileSet, Path], Iterator[SourceRow]]] = {
    ".parquet": _parquet,
    ".jsonl": _jsonl,
    ".json": _jsonl,
    ".txt": _paragraphs,
}

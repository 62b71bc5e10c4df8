"""Rows of a CSV or TSV file with a header, streamed."""

import csv
from collections.abc import Iterator
from pathlib import Path

from prefactor.corpus.opening import open_text
from prefactor.errors import PrefactorError

DELIMITERS = {".csv": ",;\t|", ".tsv": "\t"}


def rows(path: Path, suffix: str, columns: list[str]) -> Iterator[dict[str, str] | None]:
    """Each row's ``columns``; None for one that has not as many fields as the header.

    The delimiter is the one that finds the columns in the header: a comma, or else a semicolon, a tab or a bar.

    Raises:
        PrefactorError: the header lacks a column or has it twice, or a quote is never closed.
    """
    csv.field_size_limit(2**31 - 1)  # a document may be longer than the 128 KiB that the module takes for a mistake
    with open_text(path, newline="") as stream:
        first = next((line for line in stream if line.strip()), "")
        headers = {sign: _cells(first, sign) for sign in DELIMITERS[suffix]}
        fits = [sign for sign, header in headers.items() if all(column in header for column in columns)]
        if not fits:
            likely = max(headers.values(), key=len)
            missing = next(column for column in columns if column not in likely)
            raise PrefactorError(
                f"{path} has no column {missing!r}, only {', '.join(likely) or 'no header'}; mend corpus.text.files"
            )
        header = headers[fits[0]]
        for column in columns:
            if header.count(column) > 1:
                raise PrefactorError(f"{path} has two columns {column!r}; rename one of the two")
        places = {column: header.index(column) for column in columns}
        reader = csv.reader(stream, delimiter=fits[0], strict=True)
        while True:
            line = reader.line_num + 2
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                if "unexpected end" in str(error):
                    raise PrefactorError(
                        f"{path}: the quote that line {line} opens is never closed; mend it or leave the file out"
                    ) from None
                yield None
                continue
            if cells:
                yield {c: cells[at] for c, at in places.items()} if len(cells) == len(header) else None


def _cells(line: str, sign: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line.rstrip("\r\n")], delimiter=sign), [])]
    except csv.Error:
        return []

"""Files of text opened as they come: packed or not, and in whatever Unicode encoding their first bytes say."""

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO, cast

import pyarrow as pa

from prefactor.errors import PrefactorError

PACKED = (".gz", ".bz2", ".xz")
# By what such files begin with: a name may say something else.
_UNPACK = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_OTHERWISE = {
    b"PK\x03\x04": "is a ZIP archive, whatever its name says; unpack it",
    b"\x28\xb5\x2f\xfd": "is packed with zstd; unpack it, or pack it with gzip",
    b"version https://git-lfs": "is a git-lfs pointer and not the file; fetch it (`git lfs pull`)",
    b"PAR1": "is parquet, whatever its name says; call it .parquet",
}
# UTF-32 first: in little endian it begins as UTF-16 does.
_BOMS = {
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
HEAD = 4096  # bytes looked at


@contextmanager
def open_text(path: Path, newline: str | None = None) -> Iterator[TextIO]:
    """The text of ``path``, with U+FFFD in the place of bytes that its encoding does not have.

    Args:
        newline: as of :func:`open`; None makes one of every kind of line end.

    Raises:
        PrefactorError: it cannot be opened or read on, is cut off, or is no text.
    """
    with readable(path), path.open("rb") as file:
        begins = file.read(HEAD)
        file.seek(0)
        for magic, what in _OTHERWISE.items():
            if begins.startswith(magic):
                raise PrefactorError(f"{path} {what}")
        unpack = next((unpack for magic, unpack in _UNPACK.items() if begins.startswith(magic)), None)
        if unpack is None and path.name.lower().endswith(PACKED) and begins:
            raise PrefactorError(f"{path} is not packed as its name says; fetch it again, or take the last suffix off")
        raw = file if unpack is None else cast(BinaryIO, unpack(file, "rb"))
        with io.BufferedReader(cast(io.RawIOBase, raw), HEAD) as bytes_:
            yield io.TextIOWrapper(bytes_, _encoding(path, bytes_.peek(HEAD)[:HEAD]), "replace", newline)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """What goes wrong in the block while ``path`` is read is an error that names it.

    Raises:
        PrefactorError: it does.
    """
    try:
        yield
    except (OSError, EOFError, zlib.error, lzma.LZMAError, pa.ArrowException) as error:
        first = str(error).partition("\n")[0]
        raise PrefactorError(f"{path} cannot be read ({first}); mend it or leave it out") from None


def _encoding(path: Path, head: bytes) -> str:
    bom = next((encoding for bom, encoding in _BOMS.items() if head.startswith(bom)), None)
    if bom is None and b"\0" in head:  # UTF-16 without a mark, or something that is no text
        raise PrefactorError(f"{path} has zero bytes and is no text in UTF-8; save it as UTF-8, or leave it out")
    return bom or "utf-8"

"""A model in one GGUF file, looked at before a library reads it: errors name the file and the remedy."""

import mmap
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from prefactor.errors import PrefactorError

MAGIC, VERSIONS = b"GGUF", (2, 3)
_NUMBERS: dict[int, str] = dict(enumerate("BbHhIif?")) | {10: "Q", 11: "q", 12: "d"}  # formats of values, by type
_STRING, _ARRAY = 8, 9
AGAIN = "copy or download the file again"


@dataclass(frozen=True)
class GgufHeader:
    metadata: dict[str, Any]  # of an array its length
    tensors: dict[str, int]  # numbers in each
    end: int  # bytes that the file must have for all of them

    @property
    def tokens(self) -> int:
        """The length of its vocabulary; 0 where it has none."""
        return self.metadata.get("tokenizer.ggml.tokens", 0)


def check_gguf(path: Path, where: str) -> GgufHeader:
    """The header of the GGUF file ``path``, which is all there, one whole model, and needs nothing that nobody reads.

    Raises:
        PrefactorError: it is no such file; ``where`` begins the message.
    """
    where = f"{where}: {path.name}"
    try:
        header = _header(path)
    except (struct.error, UnicodeDecodeError, KeyError):
        raise PrefactorError(f"{where} is cut short in its header; {AGAIN}") from None
    except (OSError, ValueError) as error:
        raise PrefactorError(f"{where} cannot be read ({error}); {AGAIN}") from None
    about, size = header.metadata, path.stat().st_size
    if size < header.end:
        raise PrefactorError(f"{where} is cut short: it has {size} of {header.end} bytes; {AGAIN}")
    if (kind := about.get("general.type", "model")) != "model":
        raise PrefactorError(f"{where} holds no whole model but {kind!r} (general.type); name the file of its model")
    if (parts := about.get("split.count", 0)) > 1:
        raise PrefactorError(
            f"{where} is one of {parts} parts; join them with `llama-gguf-split --merge` and name that"
        )
    kind = about.get("general.architecture")
    scaling = about.get(f"{kind}.rope.scaling.type", "none") != "none" and kind != "gpt-oss"
    if scaling or any(name.startswith("rope_") for name in header.tensors):
        raise PrefactorError(
            f"{where} stretches its positions, for long texts, which transformers does not read from GGUF; take "
            "the model's safetensors"
        )
    return header


def _header(path: Path) -> GgufHeader:
    """Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

    Raises:
        ValueError, struct.error: it is no GGUF file, or ends before its header does.
    """
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    with path.open("rb") as file:
        if not (begins := file.read(4)):
            raise ValueError("it is empty")
        if begins != MAGIC:
            raise ValueError("it does not begin as GGUF files do")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            reader = _Reader(data)
            version, tensor_count, entry_count = reader.unpack("<IQQ")
            if version not in VERSIONS:
                raise ValueError(f"it is of version {version}, not {' or '.join(map(str, VERSIONS))}")
            metadata = {reader.string(): reader.value(*reader.unpack("<I")) for _ in range(entry_count)}
            tensors, end = {}, 0
            for _ in range(tensor_count):
                name, (dimensions,) = reader.string(), reader.unpack("<I")
                numbers = prod(reader.unpack(f"<{dimensions}Q"))
                kind, offset = reader.unpack("<IQ")
                block, size = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
                tensors[name], end = numbers, max(end, offset + numbers // block * size)
            aligned = metadata.get("general.alignment") or 32
            return GgufHeader(metadata, tensors, -(-reader.at // aligned) * aligned + end)


class _Reader:
    def __init__(self, data: mmap.mmap) -> None:
        self._data, self.at = data, len(MAGIC)

    def unpack(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(form, self._data, self.at)
        self.at += struct.calcsize(form)
        return values

    def string(self) -> str:
        (length,) = self.unpack("<Q")
        return self.unpack(f"<{length}s")[0].decode()

    def value(self, kind: int) -> Any:
        """A metadata value; of an array, which is passed over, its length."""
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            kind, length = self.unpack("<IQ")
            if kind in (_STRING, _ARRAY):
                for _ in range(length):
                    self.value(kind)
            else:
                self.at += length * struct.calcsize(f"<{_NUMBERS[kind]}")
            return length
        return self.unpack(f"<{_NUMBERS[kind]}")[0]

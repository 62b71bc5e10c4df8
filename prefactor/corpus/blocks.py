"""Blocks: equal rows of tokens, each of one domain. What every stage after the corpus reads."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prefactor.corpus.need import Need
from prefactor.files.artifacts import verify, write_manifest, write_table

BLOCKS = "blocks.parquet"


@dataclass(frozen=True)
class Blocks:
    """Blocks in the shuffled order of their file, so that any first few are a fair sample."""

    tokens: np.ndarray  # (n, block) int32
    domain: np.ndarray  # (n,) str
    documents: list[list[str]]  # (n) ids of the documents that each block is cut from
    quoted: np.ndarray | None = None  # (n, block) bool: text of another domain, quoted; None where no source can say

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def domains(self) -> list[str]:
        """The domains present, sorted."""
        return sorted({str(domain) for domain in self.domain})

    def rows(self, indices: np.ndarray) -> "Blocks":
        """The blocks at ``indices`` (int), in that order."""
        quoted = None if self.quoted is None else self.quoted[indices]
        return Blocks(self.tokens[indices], self.domain[indices], [self.documents[i] for i in indices], quoted)

    def of(self, domain: str) -> "Blocks":
        """The blocks of one domain, in file order; none if the domain is not there."""
        return self.among((domain,))

    def among(self, domains: Collection[str]) -> "Blocks":
        """The blocks of some domains, in file order."""
        return self.rows(np.flatnonzero(np.isin(self.domain, list(domains))))


def take(blocks: Blocks, need: Need) -> Blocks:
    """The first blocks that ``need`` asks for, in file order: of one domain, or in the domain mix of the split.

    Those of the need that it says it comes behind are passed over.

    Raises:
        ParamsError: there are fewer blocks than that.
    """
    own, length = blocks if need.domain is None else blocks.of(need.domain), blocks.tokens.shape[1]
    need.check(own.tokens.size, length)
    return own.rows(np.arange(need.first(length), need.end(length)))


def read_blocks(folder: Path, split: str) -> Blocks:
    """The blocks of one split of the corpus stage's ``folder``, checked against the split's manifest.

    Raises:
        PrefactorError: the file is missing, damaged, or not one that the manifest vouches for.
    """
    verify(folder / split, only=[BLOCKS])
    table = pq.read_table(folder / split / BLOCKS)
    return Blocks(
        tokens=_rows_of(table, "tokens"),
        domain=np.asarray(table["domain"].to_pylist(), dtype=str),
        documents=table["documents"].to_pylist(),
        quoted=_rows_of(table, "quoted") if "quoted" in table.column_names else None,
    )


def _rows_of(table: pa.Table, name: str) -> np.ndarray:
    """A column of equal lists as (n, length), writable, as torch wants it."""
    size = table.schema.field(name).type.list_size
    return table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, size).copy()


def write_blocks(folder: Path, split: str, blocks: Blocks) -> None:
    """Write one split into its own folder, with a manifest of its own: who reads one depends on no other."""
    write_table(folder / split / BLOCKS, as_table(blocks))
    write_manifest(folder / split, [BLOCKS])


def as_table(blocks: Blocks) -> pa.Table:
    """The parquet form: ``domain`` string, ``documents`` list of string, ``tokens`` fixed-size list of int32.

    And ``quoted`` fixed-size list of bool, where it is known.
    """
    size, columns = blocks.tokens.shape[1], {"tokens": np.ascontiguousarray(blocks.tokens, dtype=np.int32)}
    if blocks.quoted is not None:
        columns["quoted"] = blocks.quoted
    lists = {
        name: pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), size) for name, values in columns.items()
    }
    domain, documents = pa.array(blocks.domain.tolist(), pa.string()), pa.array(blocks.documents, pa.list_(pa.string()))
    return pa.table({"domain": domain, "documents": documents} | lists)

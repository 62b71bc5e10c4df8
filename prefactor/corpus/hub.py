"""Text streamed from the Hugging Face Hub, or from a local data set folder by the same path, one data set a domain."""

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
from datasets import load_dataset
from datasets.exceptions import DatasetsError

from prefactor.config.corpus import HubSet, HubText
from prefactor.corpus.document import SourceRow
from prefactor.errors import PrefactorError

SHUFFLE_BUFFER = 10_000  # rows held back to shuffle with; the shards are shuffled too


def rows(text: HubText, seed: int, wants: Callable[[str], bool]) -> Iterator[SourceRow]:
    """Rows of each data set in a seeded shuffle, until its domain is wanted no more.

    Raises:
        PrefactorError: a data set that cannot be opened or read on, or a missing column.
    """
    for entry in text.sets:
        records = _records(entry, seed)
        while wants(entry.domain) and (record := next(records, None)) is not None:
            yield SourceRow(entry.domain, record.get(entry.text))


def _records(entry: HubSet, seed: int) -> Iterator[dict[str, Any]]:
    where = f"params.yaml: corpus.text.sets: name = {entry.name}"
    try:
        data = load_dataset(entry.name, entry.config, revision=entry.revision, split=entry.split, streaming=True)
        if data.features is not None:
            if entry.text not in data.features:
                columns = ", ".join(data.features)
                raise PrefactorError(f"{where}: there is no column {entry.text!r}, only {columns}; mend its key text")
            data = data.select_columns([entry.text])
        yield from data.shuffle(seed=seed, buffer_size=SHUFFLE_BUFFER)
    except (OSError, ValueError, RuntimeError, DatasetsError, pa.ArrowException) as error:
        first = str(error).partition("\n")[0]
        raise PrefactorError(f"{where}: cannot be read ({first}); mend name, config, revision or split") from None

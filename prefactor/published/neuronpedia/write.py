"""Subcomponents of a project as the folder that Neuronpedia's importer reads.

``<folder>/<model>/<source>/`` has ``release.jsonl``, ``model.jsonl``, ``sourceset.jsonl``, ``source.jsonl`` and, in
batches of 1,024 subcomponents, ``features/``, ``activations/``, ``explanations/`` and ``scores/``;
``<folder>/config/`` has the types that explanations and scores name. Equal exports have equal bytes.
"""

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from transformers.utils import logging

from prefactor.corpus.tokenizer_file import read_tokenizer, vocabulary_of
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import MANIFEST, part, read_entry, verify, write_manifest
from prefactor.files.new_folder import new_folder
from prefactor.files.tensors import read_tensors
from prefactor.label.evidence import fires_above
from prefactor.machine.runtime import setup
from prefactor.model.target import read_target
from prefactor.published.neuronpedia.kinds import kinds
from prefactor.published.neuronpedia.names import Place, places, slug
from prefactor.published.neuronpedia.records import (
    About,
    Written,
    activation_rows,
    explanation_row,
    feature_row,
    score_rows,
    sign_of,
)
from prefactor.published.neuronpedia.said import Told, notes, said
from prefactor.published.neuronpedia.schema import Kind, Model, Row
from prefactor.published.neuronpedia.writes import hook_name, logits_of_directions, unembedding
from prefactor.selection.table import read_subcomponents
from prefactor.vpd.store import COMPONENTS

BATCH = 1024  # features a file, as they have


@dataclass(frozen=True)
class Exported:
    sources: int
    features: int
    activations: int
    explanations: int


def export_neuronpedia(data: Path, into: Path, told: Told) -> Exported:
    """Write the subcomponents under ``data`` into the new folder ``into``, every row checked.

    Raises:
        PrefactorError: something of it is missing, damaged or stale, there is no text of its windows, a matrix has no
            layer, or ``into`` is there already.
    """
    about = About(slug(told.model), told.creator, told.values)
    if not about.model:
        raise PrefactorError(f"--model-id {told.model!r}: it has no letter or digit: name the model")
    if not (data / "harvest" / "examples").is_dir():
        raise PrefactorError(
            f"{data / 'harvest' / 'examples'} is missing: Neuronpedia shows windows of text, so that a decomposition "
            "that was published without its text cannot go there"
        )
    harvested = verify(data / "harvest" / "subcomponents", only=["subcomponents.parquet"])
    table = read_subcomponents(data, lists=True)
    where = places(table["module"].unique(), told.prefix)
    writer = _Writer(data, table, about)
    tokens, block = sum(harvested["tokens"].values()), read_entry(data / "corpus" / "metrics.json", "block")
    release = f"{told.prefix}-{about.model}-{harvested['decomposition'][:12]}"
    told_of_all = notes(told.values, fires_above(harvested))
    done = []
    with new_folder(into) as new:
        for module, place in where.items():
            folder = new / about.model / place.source
            heads = said(told, about, place, release, tokens // block, block, f"{told_of_all} {writer.said_of(module)}")
            for name, row in (*heads.items(), ("model", writer.model_row(told.author))):
                _write(folder / f"{name}.jsonl", [row])
            done += [writer.write(folder, rows, place) for rows in _batches(table[table["module"] == module])]
        for name, rows in kinds(table["labeller"], writer.judges, told.author, told.creator).items():
            _write(new / "config" / f"{name}.jsonl", rows)
        names = sorted(path.relative_to(new).as_posix() for path in new.rglob("*") if path.is_file())
        write_manifest(new, names, {"decomposition": harvested["decomposition"], "values": told.values})
        verify(new)
    return Exported(len(where), *(sum(counts) for counts in zip(*done, strict=True)))


class _Writer:
    """The batches of one project."""

    def __init__(self, data: Path, table: pd.DataFrame, about: About):
        self.about = about
        windows = pq.read_table(part(data / "harvest", "examples"))
        order = {name: place for place, name in enumerate(table["subcomponent"])}
        codes = [order.get(name, -1) for name in windows["subcomponent"].to_pylist()]
        self.windows, self.order = windows.append_column("at", pa.array(codes, pa.int64())), order
        logging.disable_progress_bar()  # what is loaded here is loaded in a moment
        self.target = read_target(data / "target" / "checkpoint", setup())
        self.unembed = unembedding(self.target)
        verify(data / "decompose" / "components", only=[COMPONENTS])
        self.components = read_tensors(data / "decompose" / "components" / COMPONENTS)
        tokenizer = read_tokenizer(data / "corpus")
        known = vocabulary_of(tokenizer) if self.unembed is None else min(vocabulary_of(tokenizer), len(self.unembed))
        self.texts = [tokenizer.decode([token], skip_special_tokens=False) for token in range(known)]
        self.judges: dict[str, str] = {}
        if (data / "score" / "scores" / MANIFEST).is_file():
            scores = pq.read_table(part(data / "score", "scores"), columns=["subcomponent", "judge"]).to_pylist()
            self.judges = {row["subcomponent"]: row["judge"] for row in scores if row["judge"]}

    def hook(self, module: str) -> str | None:
        return None if self.unembed is None else hook_name(self.target, module)

    def said_of(self, module: str) -> str:
        """What the token tables of its subcomponents are."""
        if self.hook(module):
            return "Positive and negative logits: of its write direction through final norm and unembedding, undivided."
        return (
            "Positive logits: no logits, but the pointwise mutual information (nats) of the target's most likely next "
            "token where it fires, since this matrix does not write to the residual stream; negative: none."
        )

    def model_row(self, author: str) -> Model:
        config = self.target.config.get_text_config()
        return Model(
            id=self.about.model, displayName=self.about.model, displayNameShort=self.about.model,
            creatorId=self.about.creator, owner=author, layers=config.num_hidden_layers,
            neuronsPerLayer=getattr(config, "intermediate_size", None) or 4 * config.hidden_size,
            dimension=config.hidden_size,
        )  # fmt: skip

    def write(self, folder: Path, rows: list[dict[str, Any]], place: Place) -> tuple[int, int, int]:
        """One batch; how many features, activations and explanations it has."""
        at = {self.order[row["subcomponent"]]: [] for row in rows}
        chosen = self.windows.filter(pc.is_in(self.windows["at"], pa.array(list(at), pa.int64())))  # pyright: ignore
        for example in chosen.to_pylist():
            at[example["at"]].append(example)
        number = rows[0]["index"] // BATCH
        features, activations, explanations, scores = [], [], [], []
        for row, examples, written in zip(rows, at.values(), self._written(rows, place), strict=True):
            windows = activation_rows(row, place, examples, self.about)
            features.append(feature_row(row, place, windows, self.about, written, self.texts))
            activations += windows
            if (explanation := explanation_row(row, place, self.about)) is not None:
                explanations.append(explanation)
                scores += score_rows(row, explanation, self.judges.get(row["subcomponent"], ""), self.about)
        for name, found in (
            ("features", features), ("activations", activations), ("explanations", explanations), ("scores", scores)
        ):  # fmt: skip
            if found:  # their importer reads the first line of each file
                _write(folder / name / f"batch-{number}.jsonl.gz", found)
        return len(features), len(activations), len(explanations)

    def _written(self, rows: Sequence[dict[str, Any]], place: Place) -> Iterator[Written | None]:
        hook = self.hook(place.module)
        if hook is None or self.unembed is None:
            yield from (None for _ in rows)
            return
        u = self.components[f"U.{place.module}"][[row["index"] for row in rows]].float()
        u = u / u.norm(dim=1, keepdim=True).clamp_min(1e-30)
        u = u * u.new_tensor([sign_of(row) for row in rows])[:, None]
        for vector, logits in zip(u.numpy(), logits_of_directions(u, self.unembed, len(self.texts)), strict=True):
            yield Written(f"blocks.{place.layer}.{hook}", vector, logits)


def _batches(rows: pd.DataFrame) -> Iterator[list[dict[str, Any]]]:
    ordered = rows.sort_values("index")
    for _, batch in ordered.groupby(ordered["index"] // BATCH):
        yield [{str(key): value for key, value in row.items()} for row in batch.to_dict("records")]


def _write(path: Path, rows: Iterable[Row]) -> None:
    """A line a row, each with the same keys, compressed where the name ends so; without the time of writing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A key that one of the tables of kinds lacks is an error there, and not null.
    values = [row.model_dump(mode="json", exclude_none=isinstance(row, Kind)) for row in rows]
    lines = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values).encode()
    path.write_bytes(gzip.compress(lines, compresslevel=6, mtime=0) if path.suffix == ".gz" else lines)

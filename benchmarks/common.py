"""What the benchmarks of the decomposition share: the text of the last run, changed params, the figures of quality."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from prefactor.config.decompose import DecomposeConfig
from prefactor.corpus.blocks import BLOCKS, read_blocks
from prefactor.corpus.tokenizer_file import read_tokenizer
from prefactor.edits.made import read_changes, read_edit
from prefactor.model.change import Change
from prefactor.vpd.battery import battery, pgd_kl
from prefactor.vpd.components import Subcomponents
from prefactor.vpd.importance_net import ImportanceNet
from stages.common import DATA

KEPT = Path(".runs/bench")  # of this machine, known to neither git nor DVC
HELD_OUT = 2048  # tokens


class Text:
    """The corpus of the last run, in this folder."""

    def __init__(self, device: torch.device) -> None:
        corpus = DATA / "corpus"
        if not (corpus / "train" / BLOCKS).exists():
            sys.exit("this benchmark needs the text of a run: make run first")
        self.device = device
        self.train = read_blocks(corpus, "train")
        self.blocks = self.train.tokens
        held_out = read_blocks(corpus, "eval").tokens
        self.held_out = held_out[: HELD_OUT // held_out.shape[1]]
        self.vocabulary = read_tokenizer(corpus).get_vocab_size()


def decomposition(config: DecomposeConfig, **changes: Any) -> DecomposeConfig:
    """``config`` with ``changes`` in its section ``training``."""
    return config.model_copy(update={"training": config.training.model_copy(update=changes)})


@contextmanager
def compiled() -> Iterator[None]:
    """Within the block the importance net and the masked products go through ``torch.compile``; the rest has hooks."""
    plain = {part: part.forward for part in (ImportanceNet, Subcomponents)}
    for part, forward in plain.items():
        part.forward = torch.compile(forward)
    try:
        yield
    finally:
        for part, forward in plain.items():
            part.forward = forward


def fits_of(data: Path, name: str, device: torch.device) -> list[Change]:
    """The change of each draw at the report's budget, of an edit or baseline under ``data``."""
    budget = read_edit(data, name)["report_budget"]
    return [change for tokens, _, change in read_changes(data, name, device) if tokens == budget]


def write_lines(folder: Path, name: str, lines: list[str]) -> None:
    """Write ``lines`` into a file of ``folder``, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(lines), encoding="utf-8")


def markdown(rows: list[dict[str, str]]) -> list[str]:
    """The lines of a table, whose columns are the keys of the first row."""
    columns = list(rows[0])
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return [*lines, *(f"| {' | '.join(row[column] for column in columns)} |" for row in rows)]


def quality(model: Any, net: Any, held_out: np.ndarray) -> dict[str, float]:
    found = battery(model, net, held_out, 0)
    return {
        "pgd20": pgd_kl(model, net, held_out, (20,), 0)["pgd20"],
        "l0": found["l0"]["0"],
        "stochastic": found["kl"]["stochastic"],
    }

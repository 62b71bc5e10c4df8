"""A folder of ``tests/work.py`` in which two edits of params were run, and the bench over it."""

import math
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from prefactor.bench.app import bench_app
from prefactor.bench.doors import Doors
from prefactor.bench.live import Live
from prefactor.config.edits import AnyEdit, BaselineConfig, EditConfig
from prefactor.config.params import section
from prefactor.corpus.tokenizer_file import write_tokenizer
from prefactor.edits.fit import Fit
from prefactor.edits.tables import write_edit
from prefactor.export.facts import facts_of
from prefactor.model.change import Change
from prefactor.workspace import Workspace
from tests.tiny import VOCABULARY
from tests.work import GERMAN, build_work

TOKEN, PORT = "of-this-start", 8642
OTHER = "layers.0.mlp.up_proj:0"


def build_run(root: Path) -> Workspace:
    """... ``scalar``, two prefactors at a budget of 4, and ``lora-1``, an untrained LoRA of one matrix."""
    build_work(root)
    tokenizer = Tokenizer(WordLevel({f"t{i}": i for i in range(VOCABULARY)}, unk_token="t0"))
    tokenizer.pre_tokenizer = WhitespaceSplit()  # pyright: ignore[reportAttributeAccessIssue]
    write_tokenizer(root / "data" / "corpus", tokenizer)
    work = Workspace(root)
    made = work.set({GERMAN: -2.0, OTHER: 0.5}, target="de")
    _write(work, "scalar", section("edits.scalar", EditConfig, work.params), made.change, [GERMAN, OTHER], [-2.0, 0.5])
    rng = torch.Generator().manual_seed(1)
    lora = {"layers.1.mlp.up_proj": (torch.randn(1, 16, generator=rng), torch.randn(24, 1, generator=rng))}
    _write(work, "lora-1", section("baselines.lora-1", BaselineConfig, work.params), lora, [], [])
    return work


def _write(work: Workspace, name: str, edit: AnyEdit, change: Change, names: list[str], values: list[float]) -> None:
    facts = facts_of(name, edit, names, values, 4, [], None, "5" * 64 if names else None)
    fit = Fit(4, 0, 0.1, 4, math.nan, [torch.tensor(values)], change, [])
    write_edit(work.data, name, facts, [fit], bool(names))


def bench_of(work: Workspace) -> tuple[Live, Doors]:
    live = Live.open(work)
    return live, Doors(bench_app(live), "127.0.0.1", PORT, TOKEN)

"""A decomposition that is killed at any moment, and resumed, ends bit for bit where the undisturbed one does."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import prefactor.files.tensors
import prefactor.vpd.train as vpd
from prefactor.config.training import AdversaryConfig
from prefactor.files.checkpoint import Checkpoint
from prefactor.files.cost import Cost
from tests.tiny import tiny_blocks, tiny_decomposed, tiny_net, training

STEPS = 35
ROOT = Path(__file__).resolve().parent.parent


def _train(folder: Path | None, after_step: Any = lambda step: None) -> dict[str, Any]:
    """Everything the run leaves: components, net, curve, rows that were reported, and the bill."""
    vpd.CHECKPOINT_SECONDS = 0.0  # at every row of the curve
    model, cost = tiny_decomposed(), Cost()
    net = tiny_net(model)
    adversary = AdversaryConfig(scope="pooled", particles=2, ascents=1, learning_rate=0.05)
    rows: list[dict[str, float]] = []
    curve = vpd.train(
        model, net, tiny_blocks(), training(steps=STEPS, adversary=adversary), cost,
        Checkpoint(folder, "key") if folder else None, clip=0.01, after_record=rows.append, after_step=after_step,
    )  # fmt: skip
    state = {**model.state(), **net.state_dict()}
    return {"state": state, "curve": curve, "rows": rows, "tokens": cost.tokens, "flops": cost.flops}


def _differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    found = [name for name, tensor in one["state"].items() if not torch.equal(tensor, other["state"][name])]
    return found + [key for key in ("curve", "rows", "tokens", "flops") if one[key] != other[key]]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_at(folder: str, moment: str) -> None:
    """In a process of its own: die after a step, or with half of a checkpoint written."""
    if moment.startswith("step"):
        at = int(moment.removeprefix("step"))
        _train(Path(folder), lambda step: _die() if step == at else None)
    written = 0
    save = prefactor.files.tensors.save_file

    def half(tensors: dict[str, Tensor], path: Any, *args: Any, **more: Any) -> None:
        nonlocal written
        written += 1
        save(tensors, path, *args, **more)
        if written == int(moment.removeprefix("write")):
            os.truncate(path, os.path.getsize(path) // 2)
            _die()

    prefactor.files.tensors.save_file = half  # type: ignore[assignment]
    _train(Path(folder))


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    torch.set_num_threads(1)
    return _train(None)


@pytest.mark.parametrize("moments", [["step7"], ["step23"], ["write1"], ["write3"], ["step14", "write2", "step34"]])
def test_kill_9_and_resume(moments: list[str], tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    for moment in moments:
        code = "import sys, torch, tests.test_kill as t; torch.set_num_threads(1); t._die_at(*sys.argv[1:])"
        died = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path), moment], cwd=ROOT, capture_output=True, check=False
        )
        assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert not _differences(undisturbed, _train(tmp_path))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """The one of step 20, with what a run that has not begun would have in its place."""
    folder = tmp_path_factory.mktemp("runs")

    def stop(step: int) -> None:
        if step == 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _train(folder, stop)
    saved = Checkpoint(folder, "key").load()
    assert saved is not None
    return saved


PIECES = [
    "step", "cost", "curve.", "parameter.", "exp_avg", "exp_avg_sq", "optimiser.step", "adversary.sources",
    "adversary.first", "adversary.second", "adversary.steps",
]  # fmt: skip


def _piece(key: str) -> str:
    """Which of PIECES an entry of a checkpoint belongs to."""
    if key.startswith("optimiser."):
        last = key.rpartition(".")[2]
        return "optimiser.step" if last == "step" else last
    return next(piece for piece in PIECES if key == piece or (piece.endswith(".") and key.startswith(piece)))


def test_the_pieces_are_all_there_is(checkpoint: dict[str, Tensor]) -> None:
    assert {_piece(key) for key in checkpoint} == set(PIECES)


def test_a_whole_checkpoint_leads_to_the_same_end(
    checkpoint: dict[str, Tensor], tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    Checkpoint(tmp_path, "key").save(checkpoint)
    assert not _differences(undisturbed, _train(tmp_path))


@pytest.mark.parametrize("piece", PIECES)
def test_every_piece_of_a_checkpoint_is_needed(
    piece: str, checkpoint: dict[str, Tensor], tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    """Resumed without it (as at the start: zeros), the run ends elsewhere; with all of them it does not."""
    lacking = {k: torch.zeros_like(v) if _piece(k) == piece else v for k, v in checkpoint.items()}
    Checkpoint(tmp_path, "key").save(lacking)
    assert _differences(undisturbed, _train(tmp_path))

"""Several processes that share a batch end where one does, and resume each other's checkpoints."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

import prefactor.vpd.train as vpd
from prefactor.config.harvest import HarvestConfig
from prefactor.config.training import AdversaryConfig
from prefactor.corpus.blocks import Blocks
from prefactor.errors import PrefactorError
from prefactor.files.checkpoint import Checkpoint
from prefactor.files.cost import Cost
from prefactor.harvest.collect import Harvest, harvest
from prefactor.machine.processes import ALONE, Processes
from prefactor.vpd.sharding import gathered, place
from tests.tiny import tiny_blocks, tiny_decomposed, tiny_net, training

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = {
    "position": AdversaryConfig(ascents=1, learning_rate=0.05),
    "pooled": AdversaryConfig(scope="pooled", particles=3, ascents=1, learning_rate=0.05),
}
CONFIGS["position, sharded"] = CONFIGS["position"]


def _train(processes: Processes, scope: str, folder: Path | None = None, stop: int = 20) -> tuple[dict, list, Cost]:
    """The state after 20 steps; with a ``stop`` before that, none, but a checkpoint in ``folder``."""
    # In float64, where a wrong sum cannot hide behind what Adam makes of rounding errors.
    model, cost = tiny_decomposed().double(), Cost()
    net = tiny_net(model).double()
    place(model, net, processes, torch.device("cpu"))
    config = training(steps=20, batch=4, adversary=CONFIGS[scope])

    def after(step: int) -> None:
        if step == stop < config.steps:
            raise KeyboardInterrupt

    checkpoint = Checkpoint(folder, "key") if folder else None
    curve = vpd.train(
        model, net, tiny_blocks(), config, cost, checkpoint, clip=0.01, processes=processes, after_step=after
    )  # fmt: skip
    if processes.sharded:
        mine = sum(t.to_local().numel() for t in [*model.U, *model.V, *net.parameters()])
        assert mine < 0.55 * sum(t.numel() for t in [*model.U, *model.V, *net.parameters()])
    return gathered({**model.state(), **net.state_dict()}), curve, cost


def _worker(rank: int, folder: str, scope: str) -> None:
    torch.set_num_threads(1)
    vpd.CHECKPOINT_SECONDS = 0.0
    root = Path(folder)
    dist.init_process_group("gloo", init_method=f"file://{root / 'meet'}", rank=rank, world_size=2)
    processes = Processes(rank, 2, "sharded" in scope)
    state, curve, cost = _train(processes, scope)
    with contextlib.suppress(KeyboardInterrupt):
        _train(processes, scope, root / "runs", stop=13)
    torch.save({"state": state, "curve": curve, "cost": vars(cost)}, root / f"{rank}.pt")
    dist.destroy_process_group()


def _harvest(processes: Processes) -> Harvest:
    model = tiny_decomposed(6)
    texts = Blocks(tiny_blocks(7), np.array(["en", "de"] * 4)[:7], [[str(i)] for i in range(7)])
    config = HarvestConfig(
        tokens=84, batch=2, threshold=0.1, examples=4, either_side=3, table=5, least_count=2, sample_tokens=48, seed=0
    )
    return harvest(model, tiny_net(model), texts, config, Cost(), processes, held_out=texts)


def _tensors(gathered: Harvest) -> dict[str, torch.Tensor]:
    held_out = {f"held_out.{field}": value for field, value in gathered.held_out.kept.items()}
    pairs = {f"{side}.{k}": value for side, own in gathered.pairs.items() for k, value in own.state().items()}
    return {**vars(gathered.sums), **pairs, **gathered.examples.kept, **held_out, "bits": gathered.sample.bits}


def _harvesting(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    torch.save(_tensors(_harvest(Processes(rank, 2))), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_harvest_what_one_does(tmp_path: Path) -> None:
    """Four batches of seven blocks: one process reads more than the other."""
    mp.spawn(_harvesting, (str(tmp_path),), nprocs=2)  # type: ignore[no-untyped-call]
    alone = _tensors(_harvest(ALONE))
    assert alone["firings"].any() and len(alone["key"]) and len(alone["held_out.key"]) and alone["bits"].any()
    for rank in (0, 1):
        both = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for field, value in alone.items():
            assert torch.equal(both[field].nan_to_num(9), value.nan_to_num(9)), field


@pytest.mark.parametrize("scope", list(CONFIGS))
def test_two_processes_end_where_one_does_and_one_resumes_what_two_began(scope: str, tmp_path: Path) -> None:
    mp.spawn(_worker, (str(tmp_path), scope), nprocs=2)  # type: ignore[no-untyped-call]
    state, curve, cost = _train(ALONE, scope)
    both = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    for name, tensor in state.items():
        assert torch.equal(both[0]["state"][name], both[1]["state"][name]), name
        torch.testing.assert_close(both[0]["state"][name], tensor, rtol=0, atol=1e-6)
    for mine, theirs in zip(curve, both[0]["curve"], strict=True):
        assert theirs == pytest.approx(mine, rel=2e-3)
    assert both[0]["cost"]["tokens"] == cost.tokens
    assert both[0]["cost"]["flops"] == pytest.approx(cost.flops, rel=0.05)

    assert list((tmp_path / "runs").glob("*"))
    resumed, resumed_curve, _ = _train(ALONE, scope, tmp_path / "runs")
    assert [row["step"] for row in resumed_curve] == [10, 20]
    for name, tensor in state.items():
        torch.testing.assert_close(resumed[name], tensor, rtol=0, atol=1e-6)


def test_a_stage_starts_its_own_processes(tmp_path: Path) -> None:
    (tmp_path / "several.py").write_text(
        "import torch\n"
        "from prefactor.machine.processes import join\n"
        "from stages.multiprocess import run_processes\n"
        "def main(word):\n"
        "    processes = join(torch.device('cpu'))\n"
        "    total = processes.total(torch.tensor([processes.rank + 1.0])).item()\n"
        "    open(f'{word}{processes.rank}', 'w').write(f'{total} of {processes.count}')\n"
        "run_processes(main)\n"
    )
    env = os.environ | {"PREFACTOR_PROCESSES": "2", "PYTHONPATH": f"{ROOT}:{tmp_path}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "several", "sum"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [(tmp_path / f"sum{rank}").read_text() for rank in (0, 1)] == ["3.0 of 2"] * 2


def test_a_batch_that_cannot_be_shared_is_an_error() -> None:
    assert list(Processes(1, 2).rows(4)) == [2, 3]
    with pytest.raises(PrefactorError, match=r"training\.batch = 3 cannot be shared by 2 processes"):
        Processes(0, 2).rows(3)

"""Data parallel training: each process takes its rows of a batch, and what is summed over it is summed over all.

Started by ``torchrun`` (or ``PREFACTOR_PROCESSES``, see ``stages/multiprocess.py``), NCCL on CUDA and gloo elsewhere.
Without it there is one process, and nothing here communicates.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from prefactor.errors import PrefactorError
from prefactor.machine.settings import shard


@dataclass(frozen=True)
class Processes:
    """This process among those that train together."""

    rank: int = 0
    count: int = 1
    sharded: bool = False  # whether each holds its part of the state only (``vpd/sharding.py``)

    @property
    def main(self) -> bool:
        """Whether this process is the one that writes files and shows progress."""
        return self.rank == 0

    def rows(self, batch: int) -> range:
        """This process's rows of a batch.

        Raises:
            PrefactorError: the processes cannot share it evenly.
        """
        if batch % self.count:
            raise PrefactorError(
                f"training.batch = {batch} cannot be shared by {self.count} processes: make it a multiple of that"
            )
        each = batch // self.count
        return range(self.rank * each, (self.rank + 1) * each)

    def total(self, local: Tensor) -> Tensor:
        """The sum over all processes; its gradient is that of ``local``, since gradients are summed themselves."""
        if self.count == 1:
            return local
        whole = local.detach().clone()
        dist.all_reduce(whole)
        return local + (whole - local.detach())

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        if self.count == 1 or self.sharded:  # then the backward pass has summed them
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])  # one message, not one a tensor
        dist.all_reduce(flat)
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def gather(self, share: Tensor) -> Tensor:
        """Every process's ``share`` of rows, one below the other."""
        if self.count == 1:
            return share
        parts = [torch.empty_like(share) for _ in range(self.count)]
        dist.all_gather(parts, share.contiguous())
        return torch.cat(parts)

    def agree(self, decision: bool, device: torch.device) -> bool:
        """What the main process decides."""
        if self.count == 1:
            return decision
        told = torch.tensor([decision], device=device, dtype=torch.uint8)
        dist.broadcast(told, 0)
        return bool(told.item())


ALONE = Processes()


def join(device: torch.device) -> Processes:
    """Join the processes that ``torchrun`` has started, if it has; ``device`` is this one's.

    With ``PREFACTOR_SHARD=1`` they share the state too.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return ALONE
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Processes(dist.get_rank(), count, shard())


def leave() -> None:
    """Part from the other processes when all are done: one that goes first takes the others down."""
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()

"""State of which every process holds its part only: components, importance net, their gradients and their moments.

FSDP2: the matrix or block at hand is gathered for its forward and its backward pass and let go again. For targets whose
components do not fit each device (``docs/scaling.md`` says which). The sums are those of plain data parallel training.
FSDP2 is imported where state is shared only: it takes a second that every reader of components would wait.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from prefactor.machine.processes import Processes
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet


def place(model: DecomposedModel, net: ImportanceNet, processes: Processes, device: torch.device) -> None:
    """Bring components and net to ``device``, or this process's part of them if the processes share their state."""
    if not processes.sharded:
        model.components.to(device)
        net.to(device)
        return
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

    mesh = init_device_mesh(device.type, (processes.count,))
    for module in [*model.parts, *net.blocks, net]:
        fully_shard(module, mesh=mesh)
        assert isinstance(module, FSDPModule)
        # Gradients are sums over the batch, whoever has its rows: nothing is averaged.
        module.set_gradient_divide_factor(1.0)
        module.set_force_sum_reduction_for_comms(True)
    for part in model.parts:
        for method in ("activations", "delta"):
            register_fsdp_forward_method(part, method)


def gathered(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Every tensor, and all of it: processes that share the state must all ask."""
    return {name: t.full_tensor() if _is_part(t) else t for name, t in state.items()}


def like(full: Tensor, tensor: Any) -> Any:
    """``full`` on the device of ``tensor``, and in parts as that is."""
    full = full.to(tensor.device)
    if not _is_part(tensor):
        return full
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(full, tensor.device_mesh, tensor.placements)


def _is_part(tensor: Any) -> bool:
    """Whether it is a ``DTensor``, of which this process holds its part."""
    return hasattr(tensor, "full_tensor")

"""How much memory there is: of the machine or what a container may have of it, or of a device."""

import os
from contextlib import suppress
from pathlib import Path

import psutil
import torch

from prefactor.machine.settings import memory_bytes

LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))  # cgroups 2 and 1


def machine_memory() -> int:
    """Bytes that one process may hold: what ``PREFACTOR_MEMORY_GB`` says; else the machine's memory, or the container's
    limit where that is lower. Of several processes that ``torchrun`` has started here each has its part.

    Raises:
        PrefactorError: the variable is no number.
    """
    if (said := memory_bytes()) is not None:
        return said
    found = [psutil.virtual_memory().total]
    for limit in LIMITS:
        with suppress(OSError, ValueError):  # there is none, or it says `max`
            found.append(int(limit.read_text()))
    return min(found) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def device_memory(device: torch.device) -> int:
    """Bytes of ``device``: what tensors on it may take together."""
    if device.type == "cuda" and memory_bytes() is None:
        return torch.cuda.get_device_properties(device).total_memory
    return machine_memory()

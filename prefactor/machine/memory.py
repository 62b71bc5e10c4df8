"""How much memory there is: of the machine or what a container may have of it, or of a device."""

import os
from contextlib import suppress
from pathlib import Path

import psutil
import torch

LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))  # cgroups 2 and 1


def machine_memory() -> int:
    """Bytes that one process may hold: the machine's memory, or the container's limit where that is lower; of several
    processes that ``torchrun`` has started here each has its part."""
    found = [psutil.virtual_memory().total]
    for limit in LIMITS:
        with suppress(OSError, ValueError):  # there is none, or it says `max`
            found.append(int(limit.read_text()))
    return min(found) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def device_memory(device: torch.device) -> int:
    """Bytes of ``device``: what tensors on it may take together."""
    return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else machine_memory()

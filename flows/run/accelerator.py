"""Which stages need an accelerator, which devices those are, and how many stages share one."""

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prefactor.machine.settings import accelerator_stages, device_name, processes

# By kind: those whose script puts a model on a device (`prefactor.machine.runtime.setup`).
STAGES = frozenset(
    {
        "target", "locate", "decompose", "importance", "harvest", "effects", "candidates", "edit", "baseline",
        "evaluate", "evaluate-baseline",
    }
)  # fmt: skip
TOGETHER = frozenset({"decompose", "importance", "harvest"})  # that PREFACTOR_PROCESSES shares among devices
# Where drivers leave a trace: torch, which takes seconds to import, is asked only on a machine that has one.
DRIVERS = tuple(map(Path, ("/dev/nvidiactl", "/proc/driver/nvidia", "/dev/dxg", "/dev/kfd")))


@dataclass(frozen=True)
class Accelerators:
    """The devices of this machine that stages may not crowd: none where they run on the CPU."""

    devices: tuple[int, ...] = ()  # one a process of those that share a stage
    room: int = 1  # stages at a time, a device

    def needed(self, stage: str) -> bool:
        """Whether ``stage`` (``edit@scalar``) takes one."""
        return bool(self.devices) and stage.split("@")[0] in STAGES

    def names(self, stage: str) -> list[str]:
        """What the devices that ``stage`` takes are called among the machines of one Prefect server."""
        if not self.needed(stage):
            return []
        taken = self.devices if stage.split("@")[0] in TOGETHER else self.devices[:1]
        return [f"prefactor-{platform.node()}-cuda-{_physical(index)}" for index in taken]


def accelerators(available: Callable[[], bool] | None = None) -> Accelerators:
    """The CUDA devices that ``PREFACTOR_DEVICE``, or its default, means; ``available`` says whether there is any.

    Raises:
        PrefactorError: one of the variables makes no sense.
    """
    kind, _, index = device_name().partition(":")
    if kind not in ("", "cuda") or (not kind and not (available or _cuda)()):
        return Accelerators()
    devices = (int(index),) if index else tuple(range(processes()))
    return Accelerators(devices, accelerator_stages())


def _cuda() -> bool:
    if not any(path.exists() for path in DRIVERS):
        return False
    import torch

    return torch.cuda.is_available()


def _physical(index: int) -> str:
    """The device that CUDA counts as ``index``, by the name that it has for every process."""
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return visible[index] if index < len(visible) else str(index)

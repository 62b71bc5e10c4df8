"""What machine a stage runs on. Kept apart from params: device and threads never name an artifact."""

import ctypes
import os
from contextlib import suppress

import torch

from prefactor.errors import PrefactorError
from prefactor.machine.settings import DEVICE, device_name, threads

KEPT_FREE = 2**29  # bytes of freed memory that glibc keeps at most, behind all that is in use
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


def setup() -> torch.device:
    """Make torch deterministic and return the device: CUDA if there is one, else the CPU.

    ``PREFACTOR_DEVICE`` overrides the choice. Torch gets one CPU thread, or ``PREFACTOR_THREADS``: the number of
    threads can change the last bits of a sum, and the default's small model gains little from more.

    Raises:
        PrefactorError: one of the two makes no sense, or the device cannot be used.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    # No result reads uninitialised memory, and filling it takes 7 % of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    torch.set_num_threads(threads())
    _keep_freed()
    device = usable_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def _keep_freed() -> None:
    """Have glibc keep what tensors leave for the next ones.

    By itself it gives back whatever is larger than 32 MiB, logits above all, and the system clears it page by page for
    the next: a fifth of the CPU time where the vocabulary is large. Other C libraries have ways of their own.
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, KEPT_FREE // 4)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT_FREE)


def usable_device() -> torch.device:
    """The device that ``PREFACTOR_DEVICE`` names, else the first CUDA device, else the CPU: one that was tried.

    Raises:
        PrefactorError: it is not there, or holds no tensor.
    """
    named = device_name()
    name = named or ("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda":
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"  # torchrun gives each process its own
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # each library's way to say no
        said = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(". ")
        count = torch.cuda.device_count()
        there = "cpu" + "".join(f", cuda:{index}" for index in range(count))
        remedy = f"take one of those that are there ({there})" + (", or unset it" if named else f" with {DEVICE}")
        raise PrefactorError(f"{DEVICE}={named or name}: this device cannot be used ({said}): {remedy}") from None
    return device


def generator(*seeds: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator on ``device`` that depends on ``seeds`` alone, e.g. (run seed, step).

    Drawing each step's randomness from its own generator leaves no random state to checkpoint.
    """
    state = 0x9E3779B97F4A7C15
    for seed in seeds:
        state = ((state ^ (seed & 0xFFFFFFFFFFFFFFFF)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 29
    return torch.Generator(device).manual_seed(state & 0x7FFFFFFFFFFFFFFF)

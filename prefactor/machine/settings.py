"""The variables ``PREFACTOR_*``: how the machine is used, never what is computed. Free of torch."""

import difflib
import os
import shlex
from collections.abc import Callable

from prefactor.errors import PrefactorError

DEVICE, THREADS, PROCESSES, SHARD, STATES, MEMORY, REMOTE = (
    f"PREFACTOR_{name}"
    for name in ("DEVICE", "THREADS", "PROCESSES", "SHARD", "STATES_GB", "MEMORY_GB", "REMOTE_SECONDS")
)
ACCELERATOR_STAGES, STAGE_MINUTES, ON_FAILURE = (  # of runs, which read them in flows/
    f"PREFACTOR_{name}" for name in ("ACCELERATOR_STAGES", "STAGE_MINUTES", "ON_FAILURE")
)
LLM = ("PREFACTOR_LLM_URL", "PREFACTOR_LLM_MODEL", "PREFACTOR_LLM_KEY")
KNOWN = (
    DEVICE, THREADS, PROCESSES, SHARD, STATES, MEMORY, REMOTE, ACCELERATOR_STAGES, STAGE_MINUTES, ON_FAILURE, *LLM
)  # fmt: skip
DEVICES = ("cpu", "cuda", "mps", "xpu")
MOST = 1024  # threads or processes
STATES_GB = 4  # of states of text, where the variable is not set
REMOTE_SECONDS = 60  # that a remote may be silent, where the variable is not set


def threads() -> int:
    """CPU threads of a stage: ``PREFACTOR_THREADS``, or one.

    Raises:
        PrefactorError: it is no such number.
    """
    return _count(THREADS)


def processes() -> int:
    """In how many processes a stage runs that can be shared: ``PREFACTOR_PROCESSES``, or one.

    Raises:
        PrefactorError: it is no such number.
    """
    return _count(PROCESSES)


def shard() -> bool:
    """Whether each process holds only its part of the state: ``PREFACTOR_SHARD``.

    Raises:
        PrefactorError: it is neither 0 nor 1.
    """
    value = _read(SHARD)
    if value not in ("", "0", "1"):
        raise PrefactorError(f"{SHARD}={value}: write 1 or 0, or unset it")
    return value == "1"


def kept_bytes() -> int:
    """How much of the states of text before the first changed matrix is kept on disk: ``PREFACTOR_STATES_GB``, or 4.

    Raises:
        PrefactorError: it is no whole number of gigabytes; 0 keeps none.
    """
    kept = _gigabytes(STATES, "0 for none, ")
    return STATES_GB * 2**30 if kept is None else kept


def memory_bytes() -> int | None:
    """How much memory a stage may plan with: ``PREFACTOR_MEMORY_GB``; None, for what there is, where it is not set.

    Raises:
        PrefactorError: it is no whole number of gigabytes.
    """
    return _gigabytes(MEMORY)


def remote_seconds() -> int:
    """How long a transfer may move nothing before it is given up: ``PREFACTOR_REMOTE_SECONDS``, or 60.

    Raises:
        PrefactorError: it is no whole number of seconds from 1 on.
    """
    value = _read(REMOTE)
    if not value:
        return REMOTE_SECONDS
    if not (value.isascii() and value.isdigit() and len(value) < 6 and int(value) > 0):
        raise PrefactorError(f"{REMOTE}={value}: write a whole number of seconds, or unset it")
    return int(value)


def accelerator_stages() -> int:
    """How many stages share one accelerator at a time: ``PREFACTOR_ACCELERATOR_STAGES``, or one.

    Raises:
        PrefactorError: it is no such number.
    """
    return _count(ACCELERATOR_STAGES)


def stage_seconds() -> float | None:
    """How long a stage may take before it is ended: ``PREFACTOR_STAGE_MINUTES``; None, for ever, where it is not set.

    Raises:
        PrefactorError: it is no number above 0.
    """
    value = _read(STAGE_MINUTES)
    if not value:
        return None
    try:
        minutes = float(value)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < 1e6:
        raise PrefactorError(f"{STAGE_MINUTES}={value}: write a number of minutes above 0, or unset it")
    return 60 * minutes


def on_failure() -> list[str]:
    """The words of the command that a run which fails calls: ``PREFACTOR_ON_FAILURE``; none where it is not set.

    Raises:
        PrefactorError: a quote in it is not closed.
    """
    value = _read(ON_FAILURE)
    try:
        return shlex.split(value)
    except ValueError as error:
        raise PrefactorError(
            f"{ON_FAILURE}={value}: {str(error).lower()}: write a command as in a shell, or unset it"
        ) from None


def device_name() -> str:
    """``PREFACTOR_DEVICE``, such as ``cuda:1``; empty where the choice is left to the machine.

    Raises:
        PrefactorError: it is the name of no device.
    """
    value = _read(DEVICE).lower()
    kind, colon, index = value.partition(":")
    if value and (kind not in DEVICES or (colon and not (index.isascii() and index.isdigit()))):
        near = {"gpu": "cuda", "nvidia": "cuda", "metal": "mps"}.get(kind) or _nearest(kind, DEVICES)
        hint = f"did you mean {near}? " if near else ""
        raise PrefactorError(f"{DEVICE}={value}: no such device: {hint}write cpu, cuda, cuda:1 or mps, or unset it")
    return value


def check_settings() -> list[str]:
    """Look at every ``PREFACTOR_*`` variable; returns a line for each that nothing reads.

    Raises:
        PrefactorError: the value of one that is read makes no sense.
    """
    read: Callable[[], object]
    for read in (
        threads, processes, shard, kept_bytes, memory_bytes, remote_seconds, accelerator_stages, stage_seconds,
        on_failure, device_name,
    ):  # fmt: skip
        read()
    lines = []
    for name in sorted(os.environ):
        if name.upper().startswith("PREFACTOR_") and name not in KNOWN:
            near = _nearest(name.upper(), KNOWN)
            hint = f": did you mean {near}?" if near else f" (there are {', '.join(KNOWN)})"
            lines.append(f"{name} is set, and nothing reads it{hint}")
    return lines


def _count(name: str) -> int:
    value = _read(name)
    if not value:
        return 1
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= MOST and len(value) < 9):
        raise PrefactorError(f"{name}={value}: write a whole number from 1 to {MOST}, or unset it")
    return int(value)


def _gigabytes(name: str, remedy: str = "") -> int | None:
    value = _read(name)
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 6):
        raise PrefactorError(f"{name}={value}: write a whole number of gigabytes, {remedy}or unset it")
    return int(value) * 2**30


def _read(name: str) -> str:
    return os.environ.get(name, "").strip()


def _nearest(name: str, names: tuple[str, ...]) -> str | None:
    return next(iter(difflib.get_close_matches(name, names, 1)), None)

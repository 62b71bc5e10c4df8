"""How many stages may run at once."""

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def cores() -> int:
    """CPU cores that this process may use: what the scheduler allows, and what a container's quota leaves of it."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota()
    return allowed if quota is None else max(1, min(allowed, math.floor(quota)))


def _quota(root: Path = CGROUPS, group: Path = Path("/proc/self/cgroup")) -> float | None:
    """Cores' worth of time that the control groups around this process have, the least of them; ``None``: no limit."""
    found = []
    try:
        paths = {Path(line.split(":", 2)[2].strip().lstrip("/")) for line in group.read_text("utf-8").splitlines()}
    except (OSError, IndexError, ValueError):
        paths = set()
    for path in {Path(), *paths, *(above for each in paths for above in each.parents)}:
        two, one = root / path, root / "cpu" / path  # versions of cgroups
        found.append(_ratio(_read(two / "cpu.max").split()))
        found.append(_ratio([_read(one / "cpu.cfs_quota_us"), _read(one / "cpu.cfs_period_us")]))
    return min(filter(None, found), default=None)


def _ratio(words: list[str]) -> float | None:
    try:
        quota, period = map(float, words)
    except ValueError:  # "max", or no such file
        return None
    return quota / period if quota > 0 and period > 0 else None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, ValueError):
        return ""

"""A disk that is full, or may only be read, at some moment of a run. Both need the right to mount."""

import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.faults.planted import Planted, Setting, alive, note, recover, settle
from benchmarks.faults.project import HUNG, Project

ROOMY = "1g"


def can_mount(folder: Path) -> bool:
    """Whether this user may mount a file system in memory."""
    place = folder / "try"
    place.mkdir(exist_ok=True)
    words = ["mount", "-t", "tmpfs", "none", str(place)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        return False
    subprocess.run(["umount", str(place)], check=True)
    return True


@contextmanager
def mounted(place: Path) -> Iterator[None]:
    """Within it ``place`` is a disk of its own, in memory."""
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOMY}", "none", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _remount(place: Path, options: str) -> bool:
    words = ["mount", "-o", f"remount,{options}", str(place)]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def full(setting: Setting, dice: random.Random, times: int) -> list[Planted]:
    """The disk of the whole project, or of the cache alone, has no room left from some moment on."""
    return [_one(setting, dice, number, "full") for number in range(times)]


def read_only(setting: Setting, dice: random.Random, times: int) -> list[Planted]:
    """From some moment on, or from the start, the cache may only be read."""
    return [_one(setting, dice, number, "ro") for number in range(times)]


def _one(setting: Setting, dice: random.Random, number: int, kind: str) -> Planted:
    place = setting.folder / f"{kind}{number}"
    whole = kind == "full" and number % 2 == 0
    outer = place if whole else place / ".dvc/cache"
    project = setting.unmade.copy(place) if not whole else None
    with mounted(outer):
        if project is None:
            subprocess.run(["cp", "-a", f"{setting.unmade.folder}/.", str(place)], check=True)
            project = Project(place, setting.unmade.env["PREFECT_API_URL"])
        else:
            subprocess.run(["cp", "-a", f"{setting.unmade.folder}/.dvc/cache/.", str(outer)], check=True)
        found = _disturbed(project, setting, dice, outer, kind)
    subprocess.run(["rm", "-rf", str(place)], check=True)
    return found


def _disturbed(project: Project, setting: Setting, dice: random.Random, disk: Path, kind: str) -> Planted:
    before, until = project.made(), time.monotonic() + dice.uniform(0, setting.undisturbed * 0.9)
    run = project.start("flow")
    while alive(run) and time.monotonic() < until:
        time.sleep(0.02)
    while alive(run) and not _spoil(disk, dice, kind):
        time.sleep(0.02)  # a file is being written at this moment, or more was than there is room for
    code = project.wait(run)
    found, finished, then = note(project, before)
    if code == HUNG:
        found.person = f"it hung: {found.said}"
    elif code and not found.said.startswith("prefactor: error: "):
        found.wrong = f"its last line is no error of one line: {found.said}"
    found.orphans = project.orphans(project.mark)
    _remount(disk, f"rw,size={ROOMY}")
    last = recover(project, setting.made.result())
    settle(found, finished, then, project.made())
    found.wrong, found.person = found.wrong or last.wrong, found.person or last.person
    found.seconds = last.seconds
    return found


def _spoil(disk: Path, dice: random.Random, kind: str) -> bool:
    if kind == "ro":
        return _remount(disk, "ro")
    state = os.statvfs(disk)
    used = (state.f_blocks - state.f_bfree) * state.f_frsize
    return _remount(disk, f"size={used + dice.choice((4096, 8192, 65536))}")

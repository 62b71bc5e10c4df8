"""Files that are not what they were: truncated, a bit flipped (size and time kept), gone; and clocks that were set."""

import json
import os
import random
import shutil
import time
from pathlib import Path

from ruamel.yaml import YAML

from benchmarks.faults.planted import Planted, Setting, recover
from benchmarks.faults.project import Project

AT_ONCE = 4  # files in one project
PLACES = ("work tree", "cache", "remote")


def damage(setting: Setting, dice: random.Random, times: int) -> list[Planted]:
    """Any recorded file in any place; `prefactor verify --heal --remote` mends all that has a good copy left."""
    planted: list[Planted] = []
    expected = setting.made.result()
    while len(planted) < times:
        project, remote = _with_remote(setting, f"damage{len(planted)}")
        count = min(AT_ONCE, times - len(planted))
        files = dice.sample(_recorded(project), count)
        for path, oid in files:
            _harm(dice, _at(project, remote, dice.choice(PLACES), path, oid))
        before, begin = project.made(), time.monotonic()
        code, said = project.call("prefactor", "verify", "--heal", "--remote")
        seconds = time.monotonic() - begin
        last = recover(project, expected)
        left = project.call("prefactor", "verify", "--remote")
        last.again = [stage for stage, made in project.made().items() if made > before[stage]]
        if code or left[0]:
            last.person = last.person or f"verify --heal: {code}, then verify: {left[0]}: {said[-300:]}"
        planted += _shared(last, count, seconds)
        project.remove()
    return planted


def damage_read(setting: Setting, dice: random.Random, times: int) -> list[Planted]:
    """Files that a run is about to read, in the work tree, the cache or both; the run itself mends them."""
    planted: list[Planted] = []
    other = setting.made.copy(setting.folder / "other")
    _change(other)
    other.flow()
    expected = other.result()
    while len(planted) < times:
        project, remote = _with_remote(setting, f"read{len(planted)}")
        _change(project)
        read = [each for each in _recorded(project) if "/parts/" in each[0] or "/first/" in each[0]]
        files = dice.sample(read, min(3, times - len(planted)))
        for path, oid in files:
            for place in dice.choice((("work tree",), ("cache",), ("work tree", "cache"), ("work tree", "remote"))):
                _harm(dice, _at(project, remote, place, path, oid))
        before = project.made()
        last = recover(project, expected)
        must = {"edit@second", "report"}
        last.again = [stage for stage, n in project.made().items() if n > before[stage] + (stage in must)]
        last.again += [stage for stage in project.made() if stage not in must and project.made()[stage] > before[stage]]
        planted += _shared(last, len(files), last.seconds or 0)
        project.remove()
    other.remove()
    return planted


def clock(setting: Setting, dice: random.Random, times: int) -> list[Planted]:
    """Files from the future and from long ago, and a lock of DVC's from then that names a number taken by another."""
    planted = []
    expected = setting.made.result()
    for number in range(times):
        project = setting.made.copy(setting.folder / f"clock{number}")
        if number % 4 == 0:  # with something left to make
            project = _half_made(project)
        held = {"write": {str(project.folder / "data/report/out.txt"): {"pid": os.getpid(), "cmd": "dvc repro"}}}
        (project.folder / ".dvc/tmp/rwlock").write_text(json.dumps(held), encoding="utf-8")
        for path in project.folder.rglob("*"):
            if path.is_file() and ".git" not in path.parts and dice.random() < 0.5:
                moment = time.time() + dice.choice((-1, 1)) * dice.uniform(3600, 3e8)
                os.utime(path, (moment, moment))
        before = project.made()
        last = recover(project, expected)
        made = project.made()
        last.again = [stage for stage, n in made.items() if before[stage] and n > before[stage]]
        last.orphans = project.orphans(project.mark)
        planted.append(last)
        project.remove()
    return planted


def torn_lock(setting: Setting, dice: random.Random, times: int) -> list[Planted]:
    """Half of a list of readers and writers, as a killed DVC leaves it, and half-written files beside the cache's."""
    planted = []
    expected = setting.made.result()
    for number in range(times):
        project = _half_made(setting.made.copy(setting.folder / f"torn{number}"))
        held = json.dumps({"write": {str(project.folder / "data/report/out.txt"): {"pid": 2, "cmd": "dvc repro"}}})
        (project.folder / ".dvc/tmp/rwlock").write_text(held[: dice.randrange(len(held))], encoding="utf-8")
        (project.folder / ".dvc/tmp/lock").write_text("99999", encoding="utf-8")
        before = project.made()
        last = recover(project, expected)
        last.again = [stage for stage, n in project.made().items() if before[stage] and n > before[stage]]
        planted.append(last)
        project.remove()
    return planted


def _half_made(project: Project) -> Project:
    """Without the report, which nobody remembers having made."""
    lock = project.folder / "dvc.lock"
    yaml = YAML(typ="safe")
    recorded = yaml.load(lock.read_text(encoding="utf-8"))
    del recorded["stages"]["report"]
    with lock.open("w", encoding="utf-8") as file:
        yaml.dump(recorded, file)
    (project.folder / "data/report/out.txt").unlink()
    lines = (project.folder / "made.log").read_text(encoding="utf-8").replace("report\n", "")
    (project.folder / "made.log").write_text(lines, encoding="utf-8")
    return project


def _with_remote(setting: Setting, name: str) -> tuple[Project, Path]:
    """A project with all made, and a remote of its own that has all of it."""
    project = setting.made.copy(setting.folder / name)
    remote = project.folder / ".remote"
    shutil.copytree(setting.folder / "remote", remote)
    config = project.folder / ".dvc/config"
    config.write_text(config.read_text(encoding="utf-8").replace(str(setting.folder / "remote"), str(remote)), "utf-8")
    return project, remote


def _recorded(project: Project) -> list[tuple[str, str]]:
    """Every file of every output with the name of its object."""
    stages = YAML(typ="safe").load((project.folder / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    found = []
    for out in (out for stage in stages.values() for out in stage.get("outs", ())):
        if not out["md5"].endswith(".dir"):
            found.append((out["path"], out["md5"]))
            continue
        listed = json.loads(_object(project.folder / ".dvc/cache", out["md5"]).read_text(encoding="utf-8"))
        found += [(f"{out['path']}/{each['relpath']}", each["md5"]) for each in listed]
    return sorted(found)


def _at(project: Project, remote: Path, place: str, path: str, oid: str) -> Path:
    if place == "work tree":
        return project.folder / path
    return _object(project.folder / ".dvc/cache" if place == "cache" else remote, oid)


def _object(store: Path, oid: str) -> Path:
    return store / "files/md5" / oid[:2] / oid[2:]


def _harm(dice: random.Random, path: Path) -> None:
    how = dice.choice(("truncated", "flipped", "gone"))
    if not path.is_file():
        return  # its like, under another name, was harmed already
    was, content = path.stat(), path.read_bytes()
    path.chmod(0o644)
    if how == "gone":
        path.unlink()
        return
    if how == "truncated":
        path.write_bytes(content[: dice.randrange(len(content))])
    else:
        at = dice.randrange(len(content))
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << dice.randrange(8)]) + content[at + 1 :])
    path.chmod(was.st_mode)
    if how == "flipped":
        os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))


def _change(project: Project) -> None:
    """Another second edit, which reads what decompose made."""
    params = project.folder / "params.yaml"
    head, mark, tail = params.read_text(encoding="utf-8").partition("  second:\n")
    params.write_text(head + mark + tail.replace("method: scalar", "method: lora\n    rank: 1", 1), encoding="utf-8")


def _shared(last: Planted, count: int, seconds: float) -> list[Planted]:
    """One outcome for faults that were planted together: what was lost counts once."""
    last.seconds = seconds
    return [last, *(Planted() for _ in range(count - 1))]

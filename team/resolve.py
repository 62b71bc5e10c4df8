"""``prefactor resolve``: two people each made edits, and git cannot merge ``params.yaml`` or ``dvc.lock``.

Both are mappings of things with names. Of ``dvc.lock`` each stage is taken from the side that changed it; where both
did, ours, which the next run compares with what there is. In ``params.yaml`` the lines of both sides stay, and the
result counts only if it has every entry of either side as that side has it.
"""

import re
import subprocess
import tempfile
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from prefactor.cli.terminal import Folder
from prefactor.errors import PrefactorError
from team.terminal import plainly

LOCK, PARAMS = "dvc.lock", "params.yaml"
HUNK = re.compile(r"^<{7} .*?\n(.*?)^\|{7} .*?\n.*?^={7}\n(.*?)^>{7} .*?\n", re.DOTALL | re.MULTILINE)
BASE, OURS, THEIRS = 1, 2, 3  # git's stages of a file in conflict


@plainly
def resolve(folder: Folder = Path(".")) -> None:
    """After `git merge`: settle conflicts in params.yaml and dvc.lock that only add edits; then commit."""
    if not _git(folder, "rev-parse", "--git-dir"):
        raise PrefactorError(f"{folder.absolute()} is no git repository: say it where `git merge` stopped (-C)")
    done = []
    for name, merge in ((PARAMS, merge_params), (LOCK, merge_lock)):
        sides = [_side(folder, name, number) for number in (BASE, OURS, THEIRS)]
        if sides[1] is None or sides[2] is None:
            continue  # no conflict in it
        text = merge(*(side or "" for side in sides))
        (folder / name).write_text(text, encoding="utf-8")
        subprocess.run(["git", "add", name], cwd=folder, check=True)
        done.append(name)
    print(f"settled: {', '.join(done)}" if done else f"no conflict in {PARAMS} or {LOCK}")
    if done:
        print("next: git commit, then prefactor repro")


def merge_lock(base: str, ours: str, theirs: str) -> str:
    """The three sides of ``dvc.lock`` as one, stage by stage."""
    before, one, other = (_stages(text) for text in (base, ours, theirs))
    stages = {}
    for name in dict.fromkeys([*one, *other]):
        changed = one.get(name) != before.get(name)
        side = one if changed else other
        if name in side:
            stages[name] = side[name]
    lines, yaml = StringIO(), YAML()
    yaml.default_flow_style = False
    yaml.dump({"schema": "2.0", "stages": stages}, lines)
    return lines.getvalue()


def merge_params(base: str, ours: str, theirs: str) -> str:
    """The lines of both sides of ``params.yaml``.

    Raises:
        PrefactorError: both changed the same value: a person has to choose.
    """
    before, one, other = (_load(text, PARAMS) for text in (base, ours, theirs))
    wanted = _merged(before, one, other, ())
    for merged in (_by_lines(base, ours, theirs), _by_blocks(base, ours, theirs)):
        with suppress(PrefactorError):
            if _load(merged, PARAMS) == wanted:
                return merged
    raise PrefactorError(f"{PARAMS}: its sides do not go together line by line: mend it by hand, then `git add`")


def _by_lines(base: str, ours: str, theirs: str) -> str:
    """Lines of both sides; a line in the midst of both stands once."""
    return _merge_file("--union", base, ours, theirs)


def _by_blocks(base: str, ours: str, theirs: str) -> str:
    """Our lines, then theirs, whole: two new edits that were copied from one have most of their lines in common."""
    return HUNK.sub(r"\1\2", _merge_file("--diff3", base, ours, theirs))


def _merge_file(how: str, base: str, ours: str, theirs: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("ours", "base", "theirs")]
        for file, text in zip(files, (ours, base, theirs), strict=True):
            file.write_text(text, encoding="utf-8")
        words = ["git", "merge-file", "-p", how, *map(str, files)]
        return subprocess.run(words, capture_output=True, encoding="utf-8", check=False).stdout


def _merged(before: Any, one: Any, other: Any, place: tuple[str, ...]) -> Any:
    """By key, the side that changed it."""
    if one == other or other == before:
        return one
    if one == before:
        return other
    if not (isinstance(one, dict) and isinstance(other, dict)):
        key = ".".join(place)
        raise PrefactorError(f"{PARAMS}: {key} is {one!r} here and {other!r} there: keep one, then `git add`")
    old = before if isinstance(before, dict) else {}
    absent = object()
    values = {
        key: _merged(old.get(key, absent), one.get(key, absent), other.get(key, absent), (*place, str(key)))
        for key in dict.fromkeys([*one, *other])
    }
    return {key: value for key, value in values.items() if value is not absent}


def _stages(text: str) -> dict[str, Any]:
    value = _load(text, LOCK) if text else {}
    return dict(value.get("stages") or {})


def _load(text: str, name: str) -> Any:
    try:
        return YAML(typ="safe").load(text)
    except YAMLError as error:
        said = " ".join(str(error).split())[:120]
        raise PrefactorError(f"{name} of one side is no YAML ({said}): mend it there") from None


def _side(folder: Path, name: str, number: int) -> str | None:
    return _git(folder, "show", f":{number}:./{name}")


def _git(folder: Path, *words: str) -> str | None:
    """What git prints; None where it refuses."""
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, encoding="utf-8", check=False)
    except FileNotFoundError:
        raise PrefactorError("git is not installed, or not on PATH: install it") from None
    return done.stdout if done.returncode == 0 else None

"""``prefactor use``: a published decomposition in this project, so that ``dvc repro`` makes edits from it alone."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flows.around.environment import environment
from flows.around.errors import FlowError
from flows.around.repository import alone, check_files, free_stale_locks, settle_git
from prefactor.published.base import cached_base
from prefactor.published.find import Published, find
from prefactor.published.into import check_whole, merged_params, place, replaced
from prefactor.published.layout import STAGES
from prefactor.published.pin import PIN, check_pin, pin_of, read_pin, write_pin
from stages.check import fingerprints


@dataclass(frozen=True)
class Used:
    found: Published
    other_code: list[str]  # stages whose code here is another than that which made it
    replaced: list[str]


def use(
    source: str | None, revision: str | None = None, sha256: str | None = None, base: str | None = None,
    trust_remote_code: bool = False, *, agree: Callable[[Published, list[str]], bool],
) -> Used:  # fmt: skip
    """Put a published decomposition into the project in this folder, and have DVC take it as up to date.

    Args:
        source: as in :func:`find`; None: what is pinned.
        agree: is asked before files of the project are replaced, with what would be.

    Raises:
        PrefactorError: it cannot be had or used, the project's params contradict it, or other content is pinned under
            its name.
        FlowError: nothing is pinned, nobody agreed, or DVC failed.
    """
    root = Path()
    check_files()
    settle_git()
    pinned = read_pin(root)
    if source is None:
        if pinned is None:
            raise FlowError(f"there is no {PIN}: name what to use (a folder, or ORG/NAME on the Hub)")
        source, revision, sha256 = pinned.source, revision or pinned.revision, sha256 or pinned.sha256
    found = find(source, revision, sha256, trust_remote_code=trust_remote_code)
    check_pin(pinned, found)
    check_whole(found)
    params, sections = merged_params(root, found, base)
    pin = pin_of(found)
    others = [f"params.yaml: {name}" for name in sections] + replaced(root, found)
    if pinned is not None and pinned != pin:
        others.append(f"{PIN}: {pinned.name} {pinned.version}")
    checkpoint = None if found.index.base.included else cached_base(found.folder, found.index, base)
    if others and not agree(found, others):
        raise FlowError("nothing was changed: say --yes to have them replaced, or go where there is nothing to lose")
    with alone():
        free_stale_locks()
        place(root, found, checkpoint, params, bool(sections))
        _dvc("repro", "--single-item", "check")
        _dvc("commit", "--force", *STAGES)
        write_pin(root, pin)
    now, then = fingerprints(), found.index.code.stages
    return Used(found, [name for name in STAGES if then.get(name) != now[name]], others)


def _dvc(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words], env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()
        raise FlowError(f"dvc {words[0]} failed ({said[-1]}): mend that, then say `prefactor use` again")

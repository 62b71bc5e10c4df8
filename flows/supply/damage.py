"""What is not what it was when it was recorded: in the work tree, in the cache, at the remote; and how it heals.

The nearest good copy takes its place: of the work tree the cache's, of the cache the work tree's or the remote's, at
the remote the cache's. What has no good copy is named; the next run that needs it makes it again.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dvc.output import Output
from dvc.repo import Repo, lock_repo

from flows.recorded.integrity import cached, faults, name_of
from flows.recorded.outputs import oid_of
from flows.supply import transfer

TREE, CACHE, REMOTE = "work tree", "cache", "remote"


@dataclass(frozen=True)
class Damage:
    """One output that is damaged in one place; ``oids`` are the objects, where the place has objects.

    A cache that lacks what the work tree has is damaged, too: DVC would make it again.
    """

    place: str
    path: str
    stage: str
    oids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Healed:
    """A damage and where the good copy came from; empty where there was none."""

    damage: Damage
    source: str


def find(remote: bool) -> list[Damage]:
    """Read every recorded output, in the work tree and in the cache, and at the remote if asked for.

    Raises:
        RemoteError: the remote does not answer.
    """
    found = []
    with Repo(".", _wait_for_lock=True) as repo:
        outputs = _recorded(repo)
        for path, out in outputs.items():
            oid, stage = oid_of(out), out.stage.addressing
            good = out.exists and name_of(Path(path)) == oid
            bad = tuple(each for each in faults(repo, oid) if good or cached(repo, each).is_file())
            if bad:
                found.append(Damage(CACHE, path, stage, bad))
            if out.exists and not good:
                found.append(Damage(TREE, path, stage))
    if remote:
        for path, oids in transfer.examine(list(outputs)).items():
            found.append(Damage(REMOTE, path, outputs[path].stage.addressing, tuple(oids)))
    return found


def hidden(paths: Iterable[str]) -> set[str]:
    """Of these outputs, those in the work tree whose bytes are not as recorded, though DVC may believe so."""
    wanted = set(paths)
    with Repo(".", _wait_for_lock=True) as repo:
        return {
            path
            for path, out in _recorded(repo).items()
            if path in wanted and out.exists and name_of(Path(path)) != oid_of(out)
        }


def heal(damages: list[Damage]) -> list[Healed]:
    """Put good copies in the place of damaged ones, the cache first, which the others are healed from.

    Raises:
        RemoteError: the remote does not answer.
    """
    order = {CACHE: 0, TREE: 1, REMOTE: 2}
    ways = {CACHE: _cache, TREE: _tree, REMOTE: _remote}
    return [Healed(damage, ways[damage.place](damage)) for damage in sorted(damages, key=lambda d: order[d.place])]


def _cache(damage: Damage) -> str:
    with Repo(".", _wait_for_lock=True) as repo:
        for oid in damage.oids:
            cached(repo, oid).unlink(missing_ok=True)
        out = _recorded(repo)[damage.path]
        if out.exists and name_of(Path(damage.path)) == oid_of(out):
            with lock_repo(repo):
                out.commit()
            return TREE
    return REMOTE if _fetched(damage.path) else ""


def _tree(damage: Damage) -> str:
    with Repo(".", _wait_for_lock=True) as repo:
        out = _recorded(repo)[damage.path]
        here = not faults(repo, oid_of(out))
    if not (here or _fetched(damage.path)):
        return ""
    with Repo(".", _wait_for_lock=True) as repo, lock_repo(repo):
        remove(Path(damage.path))  # else DVC, which knows it by size and time, may leave it as it is
        _recorded(repo)[damage.path].checkout(force=True)
    return CACHE if here else REMOTE


def _remote(damage: Damage) -> str:
    with Repo(".", _wait_for_lock=True) as repo:
        whole = not faults(repo, oid_of(_recorded(repo)[damage.path]))
    transfer.discard(damage.oids)
    if whole:
        transfer.push([damage.path])
    return CACHE if whole else ""


def _fetched(path: str) -> bool:
    with Repo(".", _wait_for_lock=True) as repo:
        oid = oid_of(_recorded(repo)[path])
    if not transfer.default_remote() or not transfer.look([oid])[oid]:
        return False
    return not transfer.fetch([path])


def _recorded(repo: Repo) -> dict[str, Output]:
    return {str(out): out for stage in repo.index.stages for out in stage.outs if oid_of(out)}


def remove(path: Path) -> None:
    """Take away what stands at ``path``, if anything does."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

"""Where each recorded output is, whole: in the work tree, in the cache of this machine, at the remote."""

from dataclasses import dataclass

from dvc.repo import Repo

from flows import transfer
from flows.integrity import whole_in_cache
from flows.outputs import bytes_of


@dataclass(frozen=True)
class Held:
    """One output of ``dvc.lock``."""

    stage: str
    path: str
    oid: str
    size: int  # bytes
    here: bool
    cached: bool
    afar: bool  # at the remote; False where it was not asked


def holdings(remote: bool) -> list[Held]:
    """Every recorded output, in the order of ``dvc.yaml``; damaged objects of the cache are thrown out on the way.

    Raises:
        RemoteError: the remote was to be asked, and does not answer.
    """
    with Repo(".", _wait_for_lock=True) as repo:
        found = [
            Held(
                stage.addressing,
                str(out),
                oid,
                bytes_of(out),
                not out.workspace_status(),
                whole_in_cache(repo, oid),
                False,
            )
            for stage in repo.index.stages
            for out in stage.outs
            if (oid := out.hash_info.value if out.hash_info else None)
        ]
    afar = transfer.has([held.oid for held in found]) if remote else {}
    return [Held(**{**vars(held), "afar": afar.get(held.oid, False)}) for held in found]

"""Where each recorded output is, whole: in the work tree, in the cache of this machine, at the remote."""

from collections.abc import Sequence
from dataclasses import dataclass

from dvc.repo import Repo

from flows.recorded.integrity import whole_in_cache
from flows.recorded.outputs import Recorded, State
from flows.supply import transfer


@dataclass(frozen=True)
class Held:
    """One output of ``dvc.lock``."""

    output: Recorded
    here: bool
    cached: bool
    afar: bool  # at the remote; False where it was not asked


def holdings(outputs: Sequence[Recorded], remote: bool) -> list[Held]:
    """Of each output, in which places it is.

    Raises:
        RemoteError: the remote was to be asked, and does not answer.
    """
    afar = transfer.has([output.oid for output in outputs]) if remote else {}
    with Repo(".", _wait_for_lock=True) as repo:
        return [Held(o, o.state is State.HERE, whole_in_cache(repo, o.oid), afar.get(o.oid, False)) for o in outputs]

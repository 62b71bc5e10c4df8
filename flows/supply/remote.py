"""What DVC's remote can be asked for, in a repository of DVC; who asks is in another process (``transfer.py``)."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import httpx
from dvc.data_cloud import Remote
from dvc.exceptions import DvcException
from dvc.output import Output
from dvc.repo import Repo
from dvc_data.hashfile.db import HashFileDB, get_index
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.transfer import TransferResult
from dvc_data.hashfile.tree import Tree
from dvc_objects.errors import ObjectFormatError

from flows.recorded.integrity import FOLDER, cached, whole_in_cache
from flows.recorded.outputs import oid_of
from prefactor.machine.settings import remote_seconds

READ_ONLY = ("http", "https")
WEBDAV = ("webdav", "webdavs")


def look(repo: Repo, oids: Sequence[str]) -> dict[str, bool]:
    """Which of these objects are whole (of a folder, ``.dir``, with all that is in it) between cache and remote."""
    return _whole(repo, oids, lambda wanted: {oid for oid in wanted if repo.cache.local.exists(oid)})


def has(repo: Repo, oids: Sequence[str]) -> dict[str, bool]:
    """Which of these objects the remote has whole by itself."""
    return _whole(repo, oids, lambda wanted: set())


def _whole(repo: Repo, oids: Sequence[str], nearer: Callable[[set[str]], set[str]]) -> dict[str, bool]:
    """The lists of folders are fetched into the cache on the way; they are small."""
    odb = repo.cloud.get_remote_odb()
    here = _exist(odb, oids)
    folders = [oid for oid in oids if oid.endswith(".dir") and oid in here]
    repo.cloud.pull([HashInfo("md5", oid) for oid in folders])
    _arrived(repo, odb, folders)
    inside = {oid: _files(repo, oid) for oid in folders}
    wanted = {file for files in inside.values() for file in files}
    held = here | nearer(wanted)
    held |= _exist(odb, sorted(wanted - held))
    return {oid: oid in here and held.issuperset(inside.get(oid, ())) for oid in oids}


def _exist(odb: HashFileDB, oids: Sequence[str]) -> set[str]:
    """Those of the objects that the remote has. Where any failure is taken for absence, it is asked again.

    Over HTTP DVC does so, one object at a time; over WebDAV fsspec does, and one object tells whether it answers us.

    Raises:
        Exception: of the library of HTTP or WebDAV; the remote did not say that it lacks one.
    """
    found = set(odb.oids_exist(list(oids))) if oids else set()
    lacking = sorted(set(oids) - found)
    if odb.fs.protocol in WEBDAV:
        with suppress(FileNotFoundError):  # 404
            for oid in lacking[:1]:
                odb.fs.fs.info(odb.oid_to_path(oid))
    elif odb.fs.protocol in READ_ONLY:
        for oid in lacking:
            with suppress(FileNotFoundError):
                odb.fs.fs.cat_file(odb.oid_to_path(oid), start=0, end=1)
                found.add(oid)
    return found


def _arrived(repo: Repo, odb: HashFileDB, oids: Sequence[str]) -> None:
    """See that what the remote has whole is in the cache, after it was asked for.

    Raises:
        DvcException: not so, and DVC did not say it.
    """
    lacking = [oid for oid in oids if not cached(repo, oid).is_file()]
    for oid in lacking:
        there = oid in _exist(odb, [oid]) if odb.fs.protocol in READ_ONLY else odb.fs.exists(odb.oid_to_path(oid))
        if there and _digest(odb, oid) == oid.removesuffix(FOLDER):
            raise DvcException(f"{len(lacking)} of {len(oids)} files did not come")


def _files(repo: Repo, oid: str) -> list[str]:
    """The objects of a folder; what can never be held, if its list is damaged."""
    try:
        tree = Tree.load(repo.cache.local, HashInfo("md5", oid))
    except (ObjectFormatError, FileNotFoundError):
        return ["damaged"]
    return [entry.value for _, _, entry in tree if entry and entry.value]


def fetch(repo: Repo, paths: Sequence[str]) -> list[str]:
    """Bring these outputs into the cache; returns those that are damaged at the remote, and are left there.

    Not by ``Repo.fetch``, which looks through the whole DAG once for every target. DVC's ``verify`` looks at the bytes
    of what may be written to alone: in a folder that is a remote, nothing is.
    """
    objects = _objects(repo, paths)
    _moved(repo.cloud.pull(objects))
    _arrived(repo, repo.cloud.get_remote_odb(), [info.value for info in objects if info.value])
    return [path for path, out in _outs(repo, paths).items() if not whole_in_cache(repo, oid_of(out))]


def push(repo: Repo, paths: Sequence[str]) -> int:
    """Send these outputs to the remote; returns how many files it lacked.

    Files first, and by themselves: where the list of a folder is there, DVC takes its files to be there, too.
    """
    get_index(repo.cloud.get_remote_odb()).clear()  # what it remembers of them
    objects = _objects(repo, paths)
    files = {info for info in objects if not info.isdir}
    return _moved(repo.cloud.push(files)) + _moved(repo.cloud.push(objects - files))


def _objects(repo: Repo, paths: Sequence[str]) -> set[HashInfo]:
    return {info for out in _outs(repo, paths).values() for info in out.get_used_objs().get(None, ())}


def _outs(repo: Repo, paths: Sequence[str]) -> dict[str, Output]:
    return {str(out): out for stage in repo.index.stages for out in stage.outs if str(out) in set(paths)}


def _moved(result: TransferResult) -> int:
    if result.failed:
        raise DvcException(f"{len(result.failed)} of {len(result.failed) + len(result.transferred)} files did not pass")
    return len(result.transferred)


def examine(repo: Repo, paths: Sequence[str]) -> dict[str, list[str]]:
    """By output, the objects that the remote has and whose bytes are not what their names say; all of it is read."""
    odb = repo.cloud.get_remote_odb()
    found = {}
    for path in paths:
        # Not by `oids_exist`, which takes a damaged object of a folder away without a word.
        oids = [info.value for info in _objects(repo, [path]) if info.value]
        there = [oid for oid in oids if odb.fs.exists(odb.oid_to_path(oid))]
        found[path] = [oid for oid in there if _digest(odb, oid) != oid.removesuffix(FOLDER)]
    return {path: oids for path, oids in found.items() if oids}


def _digest(odb: HashFileDB, oid: str) -> str:
    digest = hashlib.md5()
    with odb.fs.open(odb.oid_to_path(oid), "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def discard(repo: Repo, oids: Sequence[str]) -> None:
    """Take objects away from the remote, so that whole ones can be sent in their place."""
    odb = repo.cloud.get_remote_odb()
    if odb.fs.protocol in READ_ONLY:
        raise DvcException("an HTTP server can only be read")
    for oid in oids:
        odb.delete(oid)


def probe(repo: Repo, writes: bool) -> None:
    """See that the remote answers and, if ``writes``, that it takes a few bytes; they are removed again."""
    remote = repo.cloud.get_remote()
    if remote.fs.protocol in READ_ONLY:
        _ask_http(remote)
        return
    if not writes:
        remote.odb.exists("0" * 32)
        return
    place = remote.fs.join(remote.path, ".prefactor-probe")
    remote.fs.makedirs(remote.path)
    remote.fs.pipe_file(place, b"prefactor")
    remote.fs.remove(place)


def _ask_http(remote: Remote) -> None:
    """See that somebody answers who lets us in: DVC takes silence, and a refusal, for absence."""
    client = remote.fs.fs_args["client_kwargs"]
    who = client.get("auth")
    given = httpx.head(
        remote.path, timeout=remote_seconds(), follow_redirects=True,
        headers=client.get("headers"), auth=(who.login, who.password) if who else None,
    )  # fmt: skip
    if given.status_code == httpx.codes.UNAUTHORIZED:  # 403 is often of folders that are not listed
        given.raise_for_status()


VERBS: dict[str, Callable[[Repo, Any], Any]] = {
    "look": look,
    "has": has,
    "fetch": fetch,
    "push": push,
    "probe": probe,
    "examine": examine,
    "discard": discard,
}

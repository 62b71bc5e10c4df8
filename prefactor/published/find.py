"""A published folder by name, by path or from the Hub, checked before anything in it is used."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

from prefactor.errors import PrefactorError
from prefactor.files.artifacts import MANIFEST, read_json, sha256, verify
from prefactor.model.target import TRUSTED
from prefactor.printable import visible
from prefactor.published.hub import download
from prefactor.published.index import Index, check_folder, read_index
from prefactor.published.layout import ARTIFACTS, CHECKPOINT, INDEX

PUBLISHED = Path("published")  # where `prefactor publish NAME` writes to, and NAME is looked for


@dataclass(frozen=True)
class Published:
    folder: Path
    index: Index
    source: str  # as it was asked for
    revision: str | None  # the Hub's commit; None of a folder
    sha256: str  # of its index, which has that of every file


def find(
    source: str, revision: str | None = None, pinned: str | None = None, kind: str = "decomposition",
    trust_remote_code: bool = False,
) -> Published:  # fmt: skip
    """What was published as ``source``, every file of it checked.

    Args:
        source: a folder (or ``file://`` and its path), a name in ``published/``, or ORG/NAME on the Hub.
        revision: of the Hub: a tag, a branch or a commit.
        pinned: the sha256 that it has to have, or its first digits (8 at least).
        trust_remote_code: whether its target may bring code that runs.

    Raises:
        PrefactorError: it cannot be had, is damaged, does not belong together, or is another than the pinned.
    """
    if pinned is not None and not re.fullmatch(r"[0-9a-f]{8,64}", pinned):
        raise PrefactorError(
            f"sha256 {pinned!r}: write 8 to 64 digits of 0-9 and a-f, as `prefactor publish` says them"
        )
    folder, commit = _folder(source, revision)
    index = read_index(folder, kind)
    digest = sha256(folder / INDEX)
    if pinned is not None and not digest.startswith(pinned):
        raise PrefactorError(
            f"{visible(source)}: its sha256 is {digest[:16]}, and not {pinned[:16]} as pinned: it was published anew "
            "under the same name; ask for the revision that was pinned, or pin this one if you trust it"
        )
    check_folder(folder, index)
    _check_belonging(folder, index)
    manifest = folder / CHECKPOINT / MANIFEST
    if not trust_remote_code and manifest.is_file() and read_json(manifest)["about"].get(TRUSTED):
        raise PrefactorError(
            f"{visible(source)}: its target brings code that runs when it is read: read {CHECKPOINT}/*.py, then say "
            "trust_remote_code=True (--trust-remote-code)"
        )
    return Published(folder, index, source, commit, digest)


def _check_belonging(folder: Path, index: Index) -> None:
    """Check that what was made from what is in ``folder`` was made from what is there now.

    Raises:
        PrefactorError: it was made from another, as another target's decomposition was.
    """
    for name in ARTIFACTS:
        if (folder / name).is_dir():
            try:
                verify(folder / name)
            except PrefactorError as error:
                raise PrefactorError(
                    f"{index.called} does not belong together: {str(error).partition(': rerun')[0]}: ask its publisher"
                ) from None


def _folder(source: str, revision: str | None) -> tuple[Path, str | None]:
    url = urlparse(source)
    if url.scheme == "file":
        source = unquote(url.path)
    elif "://" in source:
        raise PrefactorError(f"{source}: name a folder, or ORG/NAME on the Hub")
    for path in (Path(source).expanduser(), PUBLISHED / source):
        if path.is_dir():
            if revision is not None:
                raise PrefactorError(f"{source} is a folder here, which has no revision {revision}: leave it out")
            return path, None
    if source.count("/") != 1 or source.startswith((".", "/", "~")):
        raise PrefactorError(f"{source}: there is no such folder, nor {PUBLISHED / source}; the Hub's are ORG/NAME")
    return download(source, revision)

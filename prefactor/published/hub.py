"""The Hugging Face Hub: a published folder goes there as one commit with a tag, and comes from there by revision.

The token is read from the environment by ``huggingface_hub`` or here, and is in no message.
"""

import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

from prefactor.errors import PrefactorError
from prefactor.files.artifacts import MANIFEST
from prefactor.published.layout import INDEX

TOKEN = "HF_TOKEN"
Sort = Literal["model", "dataset"]  # of repositories
IDENTITY: dict[Sort, str] = {"model": INDEX, "dataset": MANIFEST}  # the file that has the sha256 of all others
SECRET = re.compile(r"hf_\w+|Bearer \S+")


class Versioned(Protocol):
    """What is uploaded: the tag that it gets, and what its commit is called."""

    @property
    def version(self) -> str: ...

    @property
    def called(self) -> str: ...


def upload(folder: Path, repo: str, what: Versioned, public: bool, sort: Sort = "model") -> str:
    """Make the repository ``repo`` hold what is in ``folder``, tagged with its version; returns the commit's hash.

    Raises:
        PrefactorError: there is no token, network or permission; the repository is public although it was not to be;
            or it has this version already, with other content.
    """
    token = token_for(repo)
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    _quiet()
    with said_plainly(f"--hub {repo}", token), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that tables of parquet would rather be a data set
        api.create_repo(repo, private=not public, exist_ok=True, repo_type=sort)
        if not public and not api.repo_info(repo, repo_type=sort).private:
            raise PrefactorError(
                f"--hub {repo}: it is public already: say --public if that is meant, or name another repository"
            )
        tags = {tag.name: tag.target_commit for tag in api.list_repo_refs(repo, repo_type=sort).tags}
        if what.version in tags:
            _check_same(folder, repo, what.version, token, sort)
            return tags[what.version]
        done = api.upload_folder(
            repo_id=repo, folder_path=folder, commit_message=what.called, delete_patterns=["*"], repo_type=sort
        )
        api.create_tag(repo, tag=what.version, revision=done.oid, repo_type=sort)
        return done.oid


def token_for(repo: str) -> str:
    """The token with which to write to ``repo``.

    Raises:
        PrefactorError: there is none, or the Hub could have no repository of this name.
    """
    check_repo(repo)
    if token := os.environ.get(TOKEN, "").strip():
        return token
    raise PrefactorError(
        f"--hub {repo}: {TOKEN} is not set: put an access token that may write there into the environment"
    )


def download(repo: str, revision: str | None) -> tuple[Path, str]:
    """The folder of ``repo`` in the cache of ``huggingface_hub``, and the commit that it is of.

    Raises:
        PrefactorError: it cannot be had.
    """
    check_repo(repo)
    from huggingface_hub import snapshot_download

    _quiet()
    token = os.environ.get(TOKEN, "").strip() or None
    with said_plainly(f"{repo} at revision {revision or 'main'}", token):
        folder = Path(snapshot_download(repo, revision=revision, token=token))
    return folder, folder.name


def check_repo(repo: str) -> None:
    """Whether the Hub could have a repository of this name.

    Raises:
        PrefactorError: it could not.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError:
        well = False
    else:
        well = repo.count("/") == 1
    if not well:
        raise PrefactorError(f"{repo!r} is no name on the Hub: write ORG/NAME, with letters, digits, dots and dashes")


def _quiet() -> None:
    """No bars where nobody watches: in a log each of their steps is a line."""
    from huggingface_hub.utils import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()


@contextmanager
def said_plainly(what: str, token: str | None) -> Iterator[None]:
    """Whatever goes wrong with the Hub within the block is one line, without the token.

    Raises:
        PrefactorError: in place of that error.
    """
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise _plain(what, error, token, "ask for access on its page, and set HF_TOKEN") from None
    except (errors.RevisionNotFoundError, errors.RemoteEntryNotFoundError) as error:
        raise _plain(what, error, token, "name a tag, a branch or a commit that it has") from None
    except errors.RepositoryNotFoundError as error:
        raise _plain(what, error, token, "mend the name; a private one needs an HF_TOKEN that may read it") from None
    except errors.HfHubHTTPError as error:
        code = error.response.status_code
        if code in (401, 403):
            remedy = "its HF_TOKEN may not do that: make one that may write there"
        elif code >= 500 or code == 429:
            remedy = "the Hub is busy or broken: try again later"
        else:
            remedy = "mend what it says"
        raise _plain(what, error, token, remedy) from None
    except PrefactorError:
        raise
    except Exception as error:
        if isinstance(error, OSError) or _is_transport(error):
            remedy = "the Hub cannot be reached: see to the network, HF_ENDPOINT and HF_HUB_OFFLINE"
            raise _plain(what, error, token, remedy) from None
        if isinstance(error, ValueError | RuntimeError):  # of a transfer: what caused it says more
            raise _plain(what, error.__cause__ or error, token, "try again") from None
        raise


def _is_transport(error: BaseException) -> bool:
    """Whether it is of the HTTP library that ``huggingface_hub`` has, which is another in each of its versions."""
    return any(kind.__name__ == "TransportError" for kind in type(error).__mro__)


def _plain(what: str, error: BaseException, token: str | None, remedy: str) -> PrefactorError:
    said = str(error).strip().splitlines() or [type(error).__name__]
    first = said[0] if len(said) == 1 else " ".join(said[:2])
    if token:
        first = first.replace(token, "***")
    return PrefactorError(f"{what}: {SECRET.sub('***', first).rstrip('. :')}: {remedy}")


def _check_same(folder: Path, repo: str, version: str, token: str, sort: Sort) -> None:
    from huggingface_hub import hf_hub_download

    name = IDENTITY[sort]
    there = Path(hf_hub_download(repo, name, revision=version, token=token, repo_type=sort))
    if there.read_bytes() != (folder / name).read_bytes():
        raise PrefactorError(
            f"--hub {repo}: it has a version {version} with other content, which somebody may rely on: "
            "publish under another --version"
        )

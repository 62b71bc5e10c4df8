"""``prefactor share init``: a remote for the team, tried before it is kept, and verified whenever it is read."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

import typer

from prefactor.cli.terminal import Folder, plainly
from prefactor.errors import PrefactorError

NAME = "team"
SECRETS = re.compile(r"password|secret|token|access_key_id|account_key|connection_string|passphrase|keyfile|user$")

app = typer.Typer(help="Share the cache through a DVC remote.", no_args_is_help=True)


@app.callback()
def share() -> None:
    """Share the cache through a DVC remote."""


@app.command()
@plainly
def init(
    url: Annotated[str, typer.Argument(help="A folder, or ssh://, s3://, gs://, azure://, webdavs://, https://.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="DVC's option of the remote, key=value; secrets go to .dvc/config.local."),
    ] = None,
    replace: Annotated[bool, typer.Option(help="Take the place of the remote that there is.")] = False,
    folder: Folder = Path("."),
) -> None:
    """Set the remote that the team shares; what is read from it is verified."""
    from team.project import project

    with project(folder):
        add_remote(url, set_ or (), replace)
        print(f"remote {NAME}: {url}; what is read from it is verified")
        print("next: prefactor push, then commit .dvc/config and dvc.lock")


def add_remote(url: str, options: Sequence[str], replace: bool) -> None:
    """Write the remote into ``.dvc/config`` (secrets: ``.dvc/config.local``), or leave all as it was.

    Raises:
        PrefactorError: the URL has a password in it, an option makes no sense, or there is another remote.
        RemoteError: the remote does not answer, or cannot be written.
    """
    from dvc.config import Config, ConfigError

    from flows import transfer

    if urlsplit(url).password:
        raise PrefactorError(
            "the URL has a password in it, which would be committed: leave it out, and say --set password=... "
            f"(kept in .dvc/config.local), or set it in the environment: {_bare(url)}"
        )
    shared, own = {"url": _placed(url), "verify": True}, {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals or not key.isidentifier():
            raise PrefactorError(f"--set {option}: write key=value, as in `dvc remote modify`")
        (own if SECRETS.search(key) else shared)[key] = value
    files = [Path(".dvc/config"), Path(".dvc/config.local")]
    before = {file: file.read_bytes() if file.is_file() else None for file in files}
    there = Config(".dvc")["remote"].get(NAME, {}).get("url")
    if there and not replace and _resolved(str(there)) != _resolved(url):
        raise PrefactorError(f"there is a remote {NAME} already ({there}): say --replace to change it to {_bare(url)}")
    try:
        with Config(".dvc").edit("repo") as config:
            values = cast(dict[str, Any], config)
            values.setdefault("remote", {})[NAME] = shared
            values.setdefault("core", {})["remote"] = NAME
        if own:
            with Config(".dvc").edit("local") as config:
                cast(dict[str, Any], config).setdefault("remote", {})[NAME] = own
        transfer.probe(writes=True)
    except BaseException as error:
        for file, content in before.items():
            file.unlink(missing_ok=True) if content is None else file.write_bytes(content)
        if isinstance(error, ConfigError):
            said = " ".join(str(error.__cause__ or error).split())
            raise PrefactorError(
                f"{_bare(url)}: {said}: mend the URL or --set (`dvc remote modify` has them)"
            ) from None
        raise


def _placed(url: str) -> str:
    """A folder as DVC keeps it: in the project as a path from ``.dvc``, else by its whole path."""
    if "://" in url:
        return url
    place = Path(url).expanduser().resolve()
    inside = place.is_relative_to(Path.cwd())
    return os.path.relpath(place, Path(".dvc").resolve()) if inside else str(place)


def _resolved(url: str) -> str:
    return url if "://" in url else str(Path(".dvc", url).resolve() if url.startswith("..") else Path(url).resolve())


def _bare(url: str) -> str:
    """Without what a person may have put before the host."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.password else url

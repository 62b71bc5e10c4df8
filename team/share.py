"""``prefactor share init``: a remote for the team, tried before it is kept, and verified whenever it is read."""

import os
import re
import sys
from collections.abc import Sequence
from getpass import getpass
from pathlib import Path
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

import typer

from flows.supply.trouble import SECRET
from prefactor.cli.terminal import Folder
from prefactor.errors import PrefactorError
from team.terminal import plainly

NAME = "team"
OWN = re.compile(rf"{SECRET.pattern}|keyfile|user$|path$|profile")  # options of which each person has values

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
        typer.Option(
            "--set",
            help="DVC's option of the remote, key=value. Who you are, secrets too, goes to .dvc/config.local; "
            "of a secret the key alone asks for its value, or reads a line of standard input.",
        ),
    ] = None,
    replace: Annotated[bool, typer.Option(help="Take the place of the remote that there is.")] = False,
    folder: Folder = Path("."),
) -> None:
    """Set the remote that the team shares; what is read from it is verified."""
    from team.project import project

    with project(folder):
        add_remote(url, set_ or (), replace)
        print(f"remote {NAME}: {url}; what is read from it is verified")
        read = urlsplit(url).scheme in ("http", "https")
        print(f"next: {'prefactor repro' if read else 'prefactor push, then commit .dvc/config and dvc.lock'}")


def add_remote(url: str, options: Sequence[str], replace: bool) -> None:
    """Write the remote into ``.dvc/config`` (who one is: ``.dvc/config.local``), or leave all as it was.

    Options of the same remote that are not named here stay, so that a teammate only says who that is.

    Raises:
        PrefactorError: the URL has a password in it, an option makes no sense, or there is another remote.
        RemoteError: the remote does not answer, or cannot be written.
    """
    from dvc.config import Config, ConfigError

    from flows.supply import transfer

    if urlsplit(url).password:
        raise PrefactorError(
            "the URL has a password in it, which would be committed: leave it out, and say --set password=... "
            f"(kept in .dvc/config.local), or set it in the environment: {_bare(url)}"
        )
    if not _placed(url).isascii():
        raise PrefactorError(
            f"{url}: has a letter that is not ASCII, which DVC's config cannot hold: name another place"
        )
    shared, own = {"url": _placed(url), "verify": True}, {}
    for option in options:
        key, value = _said(option)
        (own if OWN.search(key) else shared)[key] = value
    files = [Path(".dvc/config"), Path(".dvc/config.local")]
    before = {file: file.read_bytes() if file.is_file() else None for file in files}
    there = Config(".dvc")["remote"].get(NAME, {}).get("url")
    same = bool(there) and _resolved(str(there)) == _resolved(url)
    if there and not replace and not same:
        raise PrefactorError(
            f"there is a remote {NAME} already ({_bare(str(there))}): say --replace to change it to {_bare(url)}"
        )
    kept = same and not replace
    try:
        with Config(".dvc").edit("repo") as config:
            _put(cast(dict[str, Any], config), shared, kept)
            cast(dict[str, Any], config).setdefault("core", {})["remote"] = NAME
        if own or files[1].is_file():
            files[1].touch(mode=0o600)
            files[1].chmod(0o600)
            with Config(".dvc").edit("local") as config:
                _put(cast(dict[str, Any], config), own, kept)
        transfer.probe(writes=not same)  # who only reads may join
    except BaseException as error:
        for file, content in before.items():
            file.unlink(missing_ok=True) if content is None else file.write_bytes(content)
        if isinstance(error, ConfigError):
            said = " ".join(str(error.__cause__ or error).split())
            raise PrefactorError(
                f"{_bare(url)}: {said}: mend the URL or --set (`dvc remote modify` has them)"
            ) from None
        raise


def _put(config: dict[str, Any], values: dict[str, Any], kept: bool) -> None:
    """Set the remote's options, beside those that there are if they are to be ``kept``."""
    remotes = config.setdefault("remote", {})
    settings = {**(remotes.pop(NAME, {}) if kept else {}), **values}
    remotes.pop(NAME, None)
    if settings:
        remotes[NAME] = settings


def _said(option: str) -> tuple[str, str]:
    """Key and value; of a secret without one, what a person types or standard input says.

    Raises:
        PrefactorError: it is no option, or one that DVC's files cannot hold.
    """
    key, equals, value = option.partition("=")
    if not equals and SECRET.search(key):
        value = getpass(f"{key}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    elif not equals or not key.isidentifier():
        raise PrefactorError(f"--set {option}: write key=value, as in `dvc remote modify`")
    if not value or not value.isascii():
        wrong = "has a letter that is not ASCII, which DVC's config cannot hold" if value else "has no value"
        raise PrefactorError(f"--set {key}: {wrong}: say another")
    return key, value


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

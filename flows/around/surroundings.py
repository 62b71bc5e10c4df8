"""What `make run` finds around it: homes, caches, proxies, shells. What is unusable is replaced, or named.

Asked before Prefect and DVC are imported: both look at the environment when they are.
"""

import errno
import getpass
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from flows.around.errors import FlowError
from prefactor.machine.settings import check_settings, device_name
from prefactor.machine.trouble import trouble

OWN = Path(".runs")  # this machine's, known to neither git nor DVC
WRITTEN = (Path("."), Path("data"), Path(".dvc"), Path(".dvc/tmp"), OWN)
LEAST_FREE = 200_000_000  # bytes: an installed machine with less is about to have none
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def settle() -> list[str]:
    """Make the environment of this process and its children one in which a run works; returns what is worth a line.

    Raises:
        FlowError: something that only the user can put right.
        PrefactorError: a ``PREFACTOR_*`` variable makes no sense.
    """
    notes = check_settings()
    check_folders(WRITTEN)
    _own_name()
    _no_proxy_for_loopback()
    _temporary_files()
    _caches()
    _configuration()
    _prefect()
    if device_name() not in ("", "cpu"):
        from prefactor.machine.runtime import usable_device  # torch takes seconds to import

        usable_device()
    return notes


def writable(folder: Path) -> bool:
    """Whether a file can be made in ``folder``, which is made where it is missing."""
    try:
        _try(folder)
    except OSError:
        return False
    return True


def _try(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"x" * 4096)


def check_folders(folders: Iterable[Path]) -> None:
    """See that files can be made in each of them, with room for more.

    Raises:
        FlowError: not so.
    """
    for folder in folders:
        try:
            _try(folder)
        except OSError as error:
            error.filename = str(folder.absolute())
            raise FlowError(trouble(error) or f"{folder.absolute()} cannot be written: {error}") from None
        free = shutil.disk_usage(folder).free
        if free < LEAST_FREE:
            raise FlowError(
                f"{free // 1_000_000} MB are free on the disk of {folder.absolute()}, and a run needs "
                f"{LEAST_FREE // 1_000_000} or more: make room (`dvc gc -w` drops what no stage needs any longer)"
            )


def _own_name() -> None:
    """DVC asks for the user's name and libraries for a home; a container's user may have neither."""
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):
        os.environ["USER"] = os.environ["LOGNAME"] = str(os.getuid())
    home = os.path.expanduser("~")
    if not (os.path.isabs(home) and os.path.isdir(home) and os.access(home, os.R_OK | os.X_OK)):
        os.environ["HOME"] = _made(OWN / "home")


def _no_proxy_for_loopback() -> None:
    given = next(filter(None, map(os.environ.get, ("no_proxy", "NO_PROXY"))), "")
    hosts = [host.strip() for host in given.split(",") if host.strip()]
    if "*" not in hosts:
        hosts += [host for host in LOOPBACK if host not in hosts]
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(hosts)


def _temporary_files() -> None:
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError:
        folder = tempfile.tempdir = _made(OWN / "tmp")
    os.environ["TMPDIR"] = folder


def _caches() -> None:
    if not writable(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")):
        os.environ["XDG_CACHE_HOME"] = _made(OWN / "cache")
    if "HF_HOME" in os.environ and not writable(Path(os.environ["HF_HOME"])):
        del os.environ["HF_HOME"]  # it is in XDG_CACHE_HOME then
    if not writable(Path(os.environ.get("DVC_SITE_CACHE_DIR") or "/var/tmp/dvc") / "repo"):
        os.environ["DVC_SITE_CACHE_DIR"] = _made(Path(".dvc/tmp/site"))


def _configuration() -> None:
    folder = os.environ.get("DVC_GLOBAL_CONFIG_DIR") or Path(
        os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config", "dvc"
    )
    try:
        Path(folder, "config").read_bytes()
    except FileNotFoundError:
        pass
    except OSError:  # another's, or no folder
        os.environ["DVC_GLOBAL_CONFIG_DIR"] = _made(OWN / "config")


def _prefect() -> None:
    """Prefect writes beside this run's files, and reads the profile that its user has where it can be read."""
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    profiles = Path(os.environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml")
    own = _made(OWN / "prefect")
    try:
        profiles.read_bytes()
    except OSError:
        profiles = Path(own, "profiles.toml")
    os.environ["PREFECT_HOME"], os.environ["PREFECT_PROFILES_PATH"] = own, str(profiles)


def _made(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder.absolute())

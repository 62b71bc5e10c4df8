"""What ``prefactor doctor`` looks at, one function a question. None of them changes anything."""

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from flows.around.errors import FlowError
from flows.around.surroundings import LEAST_FREE, writable
from prefactor.errors import PrefactorError
from prefactor.machine.settings import check_settings
from prefactor.machine.trouble import trouble

GOOD, NOTE, BAD = "ok", "note", "wrong"
SHOWN = ("torch", "transformers", "dvc", "prefect")


@dataclass(frozen=True)
class Finding:
    """One line of the table; ``remedy`` is empty where all is well."""

    state: str
    about: str
    said: str
    remedy: str = ""


def examine(integrity: bool) -> list[Finding]:
    """Ask every question; one that ends in an error is a finding, too."""
    questions: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("versions", _versions), ("git", _git), ("files", _files), ("params", _params), ("variables", _variables),
        ("locks", _locks), ("disk", _disk), ("device", _device), ("remote", _remote), ("Prefect", _prefect),
    ]  # fmt: skip
    if integrity:
        questions.append(("cache", _cache))
    findings = []
    for about, ask in questions:
        try:
            findings.extend(ask())
        except (PrefactorError, FlowError) as error:
            said, _, remedy = str(error).rpartition(": ")
            findings.append(Finding(BAD, about, said or remedy, remedy if said else ""))
        except Exception as error:  # of a library that is itself what is wrong
            said = trouble(error) or f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            findings.append(Finding(BAD, about, said, "`make setup` brings back the versions that are known to work"))
    return findings


def _versions() -> Iterator[Finding]:
    wrong = 0
    for line in importlib.metadata.requires("prefactor") or []:
        wanted = Requirement(line)
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            have = importlib.metadata.version(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            have = ""
        if not have or not wanted.specifier.contains(have, prereleases=True):
            wrong += 1
            said = f"{wanted.name} {have}, wanted is {wanted.specifier}" if have else f"{wanted.name} is not installed"
            yield Finding(BAD, "versions", said, "make setup")
    if not wrong:
        versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in SHOWN)
        yield Finding(GOOD, "versions", f"Python {sys.version.split()[0]}, {versions}")


def _git() -> Iterator[Finding]:
    if not shutil.which("git"):
        yield Finding(BAD, "git", "git is not on PATH", "install git")
    elif not any((folder / ".git").exists() for folder in (Path.cwd(), *Path.cwd().parents)):
        yield Finding(NOTE, "git", "no repository: nothing is shared, DVC goes without", "git init")
    else:
        yield Finding(GOOD, "git", "a repository")


def _files() -> Iterator[Finding]:
    from flows.around.repository import check_files

    check_files()
    yield Finding(GOOD, "files", "dvc.yaml, dvc.lock, params.yaml and .dvc/config can be read")
    for folder in (Path("."), Path(".dvc/tmp"), Path(".runs")):
        if not writable(folder):
            yield Finding(BAD, "files", f"{folder.absolute()} cannot be written", "make it writable (`chown`, `chmod`)")


def _params() -> Iterator[Finding]:
    from stages.check import read_pipeline

    read_pipeline()
    yield Finding(GOOD, "params", "params.yaml fits together")


def _variables() -> Iterator[Finding]:
    lines = check_settings()
    for line in lines:
        yield Finding(NOTE, "variables", line, "unset it, or mend its name")
    if not lines:
        used = sorted(name for name in os.environ if name.startswith("PREFACTOR_") and "KEY" not in name)
        yield Finding(GOOD, "variables", ", ".join(f"{name}={os.environ[name]}" for name in used) or "none is set")


def _locks() -> Iterator[Finding]:
    from flows.around.repository import occupant, stale_locks

    if process := occupant():
        yield Finding(NOTE, "locks", f"a run works here (process {process})", "wait for its end")
        return
    dead = stale_locks()
    if dead:
        said = f".dvc/tmp/rwlock names {len(dead)} processes that are gone ({', '.join(map(str, dead))})"
        yield Finding(NOTE, "locks", said, "none: the next run removes it")
    else:
        yield Finding(GOOD, "locks", "nobody works here, and nothing is left of those who did")


def _disk() -> Iterator[Finding]:
    from dvc.repo import Repo

    with Repo(".") as repo:
        cache = Path(repo.cache.local.path)
    places = (Path.cwd(), next(place for place in (cache, *cache.parents) if place.is_dir()))
    for folder in {place.stat().st_dev: place for place in reversed(places)}.values():
        free = shutil.disk_usage(folder).free
        state = BAD if free < LEAST_FREE else NOTE if free < 10 * LEAST_FREE else GOOD
        remedy = "" if state == GOOD else "make room there"
        yield Finding(state, "disk", f"{free / 1e9:.1f} GB free at {folder}", remedy)


def _device() -> Iterator[Finding]:
    import torch

    from prefactor.machine.memory import device_memory
    from prefactor.machine.runtime import usable_device

    device = usable_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    yield Finding(GOOD, "device", f"{name}, {device_memory(device) / 2**30:.1f} GiB of memory to plan with")


def _remote() -> Iterator[Finding]:
    from dvc.config import Config

    from flows.supply import transfer

    name = transfer.default_remote()
    if not name:
        yield Finding(NOTE, "remote", "none: what is made here stays here", "prefactor share init URL")
        return
    if not Config(".dvc")["remote"].get(name, {}).get("verify"):
        said = f"{name} is not verified: DVC takes a truncated object"
        yield Finding(BAD, "remote", said, f"dvc remote modify {name} verify true")
    transfer.probe(writes=False)
    yield Finding(GOOD, "remote", f"{name} ({transfer.remote_url()}) answers")


def _prefect() -> Iterator[Finding]:
    from flows.around.secret import without_secrets
    from flows.serving.prefect_import import imported

    (server,) = imported("flows.serving.server")
    url = server.PREFECT_API_URL.value()
    if not url:
        yield Finding(GOOD, "Prefect", "no server is configured: each run takes one of its own")
    elif why := server.silence(url):
        yield Finding(NOTE, "Prefect", why, "none: a run takes a server of its own")
    else:
        yield Finding(GOOD, "Prefect", f"the server at {without_secrets(url)} answers")


def _cache() -> Iterator[Finding]:
    from flows.supply import damage

    found = damage.find(remote=False)
    for each in found:
        yield Finding(BAD, "cache", f"{each.path} is damaged in the {each.place}", "prefactor verify --heal")
    if not found:
        yield Finding(GOOD, "cache", "every recorded output is as it was made, in the work tree and in the cache")

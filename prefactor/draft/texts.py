"""What texts there are: by domain the files, and how much is in them."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from prefactor.config.corpus import FileSet, FilesText
from prefactor.corpus import files
from prefactor.corpus.gather import characters_of
from prefactor.corpus.listing import listing, suffix_of
from prefactor.errors import PrefactorError


@dataclass(frozen=True)
class Texts:
    entries: tuple[FileSet, ...]
    characters: Counter[str]  # of different documents, by domain


def texts_in(folder: Path, text: str = "text", domain_column: str | None = None) -> Texts:
    """The texts in ``folder``, counted by reading them once.

    Args:
        folder: has a file or a folder a domain, called as the domain is (``de.txt``, ``de.jsonl.gz``, ``de/``); or with
            ``domain_column`` it is anything that ``corpus.text.files`` takes.
        text: the column with the text, of files that have columns.
        domain_column: the column with the domain.

    Raises:
        PrefactorError: there are none, or a name is none for a domain.
    """
    if domain_column is not None:
        entries = (FileSet(path=str(folder), text=text, domain_column=domain_column),)
    else:
        entries = tuple(_entries(folder, text))
    members = listing(FilesText(source="files", files=entries), files.READERS).members
    found = characters_of(row for entry, path in members for row in files.rows(entry, path))
    for entry in entries:
        if entry.domain is not None and not found[entry.domain]:
            raise PrefactorError(f"{entry.path}: there is no text in it; add some, or take it away")
    if not found:
        raise PrefactorError(f"{folder}: no row of its files has both a text and a domain; mend them")
    return Texts(entries, found)


def _entries(folder: Path, text: str) -> list[FileSet]:
    if not folder.is_dir():
        remedy = "name its column of domains (--domain-column)" if folder.is_file() else "mend the path"
        raise PrefactorError(f"{folder} is no folder with a file or a folder a domain; {remedy}")
    entries = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or (path.is_file() and suffix_of(path) not in files.READERS):
            continue
        domain = path.name if path.is_dir() else path.name.split(".")[0]
        try:
            entries.append(FileSet(path=str(path), text=text, domain=domain))
        except ValidationError as error:
            said = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise PrefactorError(f"{path}: {said}; rename it") from None
    if not entries:
        raise PrefactorError(
            f"{folder} has no file that ends in {', '.join(files.READERS)} and no folder; put a file a domain there, "
            "called as the domain is (de.txt)"
        )
    return entries

"""The rules for names: of edits, shortlists and baselines, which become folders and DVC stages; and of domains.

Every door asks here: params, ``prefactor edit --save``, and the tags that text comes with.
"""

import re
import unicodedata
from collections.abc import Collection
from typing import Annotated

from pydantic import AfterValidator

from prefactor.printable import hidden

LONGEST = 60  # characters
_ENTRY = re.compile(r"[a-z][a-z0-9-]*")
# YAML, or an older YAML, reads the first as values; Windows keeps the others for devices.
_TAKEN = {"true", "false", "null", "yes", "no", "on", "off"}
_TAKEN |= {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}


def entry_name(name: str) -> str:
    """The name of an edit, a shortlist or a baseline, as it is: a folder, a DVC stage and a word on a command line.

    Raises:
        ValueError: it cannot be all of these; with the remedy.
    """
    if not _ENTRY.fullmatch(name) or len(name) > LONGEST:
        raise ValueError(
            f"it names a folder and a DVC stage; write it with a-z, 0-9 and -, a letter first, in at most {LONGEST}"
        )
    if name in _TAKEN:
        raise ValueError("YAML or the file system means something else by this word; add another to it, with a -")
    return name


def domain_name(name: str) -> str:
    """The name of a domain in composed characters (NFC), so that it is one name however its letters are encoded.

    It may have blanks, signs and any letters: a query puts it in quotes.

    Raises:
        ValueError: nobody could write it in a query; with the remedy.
    """
    name = unicodedata.normalize("NFC", name)
    if not name or name != " ".join(name.split()) or any(map(hidden, name)):
        raise ValueError(f"the domain {name!r}: write a tag without control characters and with single blanks inside")
    if '"' in name or name.startswith("-"):
        raise ValueError(f'the domain {name!r}: a query cannot name it; write a tag without " and without a leading -')
    if not name.strip("\"'():;,."):
        raise ValueError(f"the domain {name!r}: labels drop such marks; write a tag that has something else in it")
    if len(name) > LONGEST:
        raise ValueError(f"the domain {name[:20]!r}...: it has {len(name)} characters; write at most {LONGEST}")
    return name


def told_apart(domains: Collection[str]) -> None:
    """Check that no two ``domains`` can be taken for each other, in a label or in a table.

    Raises:
        ValueError: two differ by case alone, or have a column in common; with the remedy.
    """
    folded: dict[str, str] = {}
    for domain in domains:
        other = folded.setdefault(domain.casefold(), domain)
        if other != domain:
            raise ValueError(f"the domains {other!r} and {domain!r} differ by case alone; rename one of the two")
        if domain.startswith("error_") and domain.removeprefix("error_") in domains:
            raise ValueError(
                f"the domain {domain!r} shares a column with the errors of {domain.removeprefix('error_')!r}; rename it"
            )


EntryName = Annotated[str, AfterValidator(entry_name)]
DomainName = Annotated[str, AfterValidator(domain_name)]

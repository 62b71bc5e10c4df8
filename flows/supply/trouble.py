"""What the library of a remote says, as a cause and a remedy in one line, and whether another try may help."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

SECRET = re.compile(r"password|secret|token|(?<!kms)_key(_id)?$|connection_string|passphrase")  # names of options
ADVICE = re.compile(r"\s*For more information check: \S+|[.:\s]+$")
REMEDIES = (  # of what another try does not change
    (r"requires .*dvc[-\[]|is supported, but requires|ModuleNotFoundError|No module named",
     "install what it names (`pip install 'dvc[s3]'`, ssh, webdav, gs, azure)"),
    (r"NoSuchBucket|bucket does not exist", "mend its name, or make the bucket"),
    (r"\b409\b", "the server lacks the folder above it: make it there, or mend the URL"),
    (r"\b(405|501)\b|can only be read|read-only",
     "what it serves can be fetched, not changed: push from a project that reaches the same place by ssh, s3, "
     "webdav or as a folder"),
    (r"denied|forbidden|not authori[sz]ed|unauthori[sz]ed|credential|authentication|InvalidAccessKeyId"
     r"|SignatureDoesNotMatch|ExpiredToken|Passphrase|private key|\b40[13]\b",
     "say who you are (`prefactor share init` with the same URL and --set ...; docs/sharing.md says what)"),
)  # fmt: skip
PASSING = "look after the remote (`prefactor doctor`), then the same again: what came is kept"


def told(said: str, settled: bool = False) -> tuple[str, bool]:
    """A line for a person, and whether another try may help.

    Args:
        settled: nothing but a change of its settings helps.
    """
    cause = ADVICE.sub("", said)
    for pattern, remedy in REMEDIES:
        if re.search(pattern, cause, re.IGNORECASE):
            return f"{cause}: {remedy}", False
    return f"{cause}: {PASSING}", not settled


def without_secrets(line: str, settings: Mapping[str, object]) -> str:
    """``line`` without what the remote's settings hold back, should a server or a library repeat it."""
    hidden = [str(value) for key, value in settings.items() if SECRET.search(key) and not isinstance(value, bool)]
    hidden.append(urlsplit(str(settings.get("url", ""))).password or "")
    for secret in sorted(filter(None, hidden), key=len, reverse=True):
        line = line.replace(secret, "***")
    return line

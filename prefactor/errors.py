"""Errors a user can act on. Each message is one line: the offender, its value, and the remedy."""

from prefactor.printable import visible


class PrefactorError(Exception):
    """Something the user can put right: bad params, missing text, a damaged artifact.

    The message is one line, whatever the names and values in it: what would break it, or act on a terminal, is escaped.
    """

    def __init__(self, message: str) -> None:
        super().__init__(visible(message))


class Unavailable(PrefactorError):
    """What a network serves does not answer now, and may later: the same work is worth another try."""


class ParamsError(PrefactorError):
    """A key of ``params.yaml`` that is unknown, of the wrong type, or at odds with another key."""

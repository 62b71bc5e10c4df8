"""Errors a user can act on. Each message is one line: the offender, its value, and the remedy."""


class PrefactorError(Exception):
    """Something the user can put right: bad params, missing text, a damaged artifact."""


class ParamsError(PrefactorError):
    """A key of ``params.yaml`` that is unknown, of the wrong type, or at odds with another key."""

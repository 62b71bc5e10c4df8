"""What is asked of DVC's remote, in a process of its own.

``python -m flows.supply.transfer_process VERB REQUEST ANSWER``: REQUEST and ANSWER are file descriptors of JSON. The
process leads its group and ends with whoever started it (``watch_parent``): a library that waits for a remote for ever
can then be ended from outside.
"""

import json
import logging
import os
import sys
from typing import Any

from dvc.config import ConfigError
from dvc.exceptions import DvcException
from dvc.repo import Repo

from flows.around.watch import watch_parent
from flows.supply.remote import VERBS
from flows.supply.trouble import told
from prefactor.machine.trouble import trouble


class _Heard(logging.Handler):
    """DVC tells the cause of a failed transfer in its log, and only a count in its error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        cause = record.exc_info[1] if record.exc_info else None
        said = " ".join(str(cause or record.getMessage()).split())
        self.lines.append(said or type(cause).__name__)


def answer(verb: str, request: Any) -> dict[str, Any]:
    """``{"value"}``, or ``{"error", "passing"}``: cause and remedy in a line, and whether another try may help."""
    heard = _Heard()
    logging.getLogger("dvc").setLevel(logging.ERROR)
    for name in ("dvc", "dvc_data", "dvc_objects"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [heard], False
    try:
        with Repo(".", _wait_for_lock=True) as repo:
            return {"value": VERBS[verb](repo, request)}
    except Exception as error:  # whatever a remote's library raises
        causes = [line for line in heard.lines if line] + [_said(error)]
        system = None if isinstance(error, ConnectionError | TimeoutError) else trouble(error)
        if system:
            return {"error": system, "passing": False}
        line, passing = told(trouble(error) or causes[0], isinstance(error, ConfigError))
        return {"error": line, "passing": passing}


def _said(error: BaseException) -> str:
    """The innermost cause that says something."""
    said = ""
    cause: BaseException | None = error
    while cause is not None:
        own = " ".join(str(cause).split())
        if own and not (isinstance(cause, DvcException) and said):
            said = own
        cause = cause.__cause__ or cause.__context__
    return said or type(error).__name__


def main(verb: str, request: str, reply: str) -> None:
    watch_parent()
    with os.fdopen(int(request), encoding="utf-8") as file:
        wanted = json.load(file)
    given = answer(verb, wanted)
    with os.fdopen(int(reply), "w", encoding="utf-8") as file:
        json.dump(given, file)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""How a command of ours ends: with an exit code, and where it went wrong with one line on standard error."""

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from flows.around.errors import FlowError, Interrupted
from prefactor.errors import PrefactorError
from prefactor.machine.trouble import trouble

TRACE = Path(".runs/traceback.txt")


def ended(work: Callable[[], None], interrupted: str) -> int:
    """Do ``work``; returns the exit code. ``interrupted`` is what Ctrl-C says where ``work`` does not hear it."""
    try:
        work()
    except BrokenPipeError:
        return _refuse("nobody reads the output any longer", Interrupted.code)
    except (PrefactorError, FlowError) as error:
        return _refuse(str(error), getattr(error, "code", 2))
    except KeyboardInterrupt:
        return _refuse(interrupted, Interrupted.code)
    except Exception as error:
        line = trouble(error) or from_dvc(error)
        return _refuse(line, 2) if line else _refuse(_unforeseen(error), 1)
    return 0


def _refuse(line: str, code: int) -> int:
    with suppress(OSError):
        print(f"prefactor: error: {line}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # let the last flush, at exit, succeed
    return code


def from_dvc(error: Exception) -> str | None:
    """What DVC has to say, on one line: what it cannot read, or who keeps it from working."""
    from dvc.config import ConfigError
    from dvc.exceptions import DvcException
    from dvc.utils.strictyaml import YAMLValidationError
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if not isinstance(error, DvcException):
        return None
    said, remedy = str(error), ""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, YAMLValidationError):
            said = f"{error}: {cause.exc}"
        if isinstance(cause, YAMLError | YAMLValidationError):
            remedy = ": put it right, or bring it back (`git checkout`)"
        if isinstance(cause, ConfigError):
            remedy = ": mend .dvc/config, .dvc/config.local or ~/.config/dvc/config"
        if isinstance(cause, MarkedYAMLError) and cause.problem_mark:
            said = f"{error}: line {cause.problem_mark.line + 1}: {cause.problem}"
        cause = cause.__cause__ or cause.__context__
    return f"DVC: {' '.join(said.split()).rstrip('.')}{remedy}"


def _unforeseen(error: Exception) -> str:
    """One line for what nobody thought of; the whole of it is kept for whoever mends it."""
    said = " ".join(str(error).split()) or "no message"
    try:
        TRACE.parent.mkdir(exist_ok=True)
        TRACE.write_text("".join(traceback.format_exception(error)), encoding="utf-8", errors="backslashreplace")
    except OSError:
        traceback.print_exception(error)
        return f"{type(error).__name__}: {said}"
    return f"{type(error).__name__}: {said}; {TRACE} has the traceback; what is finished is kept, run again to go on"

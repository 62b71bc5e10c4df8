"""What every command of this package begins and ends with: surroundings settled, errors as a line and a code."""

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, suppress
from importlib import import_module
from io import StringIO
from pathlib import Path
from types import ModuleType

from flows import surroundings
from flows.environment import environment
from flows.errors import FlowError, Interrupted
from flows.waiting import waiting
from prefactor.errors import PrefactorError
from prefactor.machine.trouble import trouble

TRACE = Path(".runs/traceback.txt")


def settle() -> None:
    """Look at the folder, the params and the machine, before Prefect or DVC is imported; says what is worth a line.

    Raises:
        PrefactorError: params, or a variable ``PREFACTOR_*``, are wrong.
        FlowError: something else to put right.
    """
    from flows.repository import check_files, settle_git

    with waiting("params are read"):
        if Path("params.yaml").is_file():  # else reading it says that this is the wrong folder
            check_files()
        from stages.check import read_pipeline

        read_pipeline()
        notes = surroundings.settle()
        environment()  # the stages' is the one of this moment
        notes += settle_git()
    for note in notes:
        print(f"prefactor: {note}", file=sys.stderr, flush=True)


def import_prefect(*names: str) -> list[ModuleType]:
    """Import modules that import Prefect, which reads every setting that it finds.

    Raises:
        FlowError: one of them makes no sense.
    """
    from pydantic import ValidationError
    from pydantic_settings.exceptions import SettingsError

    chatter = StringIO()  # of plugins that stumble over the same setting first
    try:
        with redirect_stderr(chatter):
            modules = [import_module(name) for name in names]
    except (ValidationError, SettingsError) as error:
        raise FlowError(
            f"Prefect's settings: {_first(error)}: put it right where it is set "
            "(environment, .env, prefect.toml, or a profile: `prefect config unset`)"
        ) from None
    print(chatter.getvalue(), end="", file=sys.stderr, flush=True)
    return modules


def exit_code(call: Callable[[], None], begun: str) -> int:
    """Call; what stops it becomes a line on standard error, and the code to exit with.

    Args:
        begun: what an interruption came before, in words.
    """
    try:
        call()
    except BrokenPipeError:
        return _refuse("nobody reads the output any longer", Interrupted.code)
    except (PrefactorError, FlowError) as error:
        return _refuse(str(error), getattr(error, "code", 2))
    except KeyboardInterrupt:
        return _refuse(f"interrupted before any {begun} began", Interrupted.code)
    except Exception as error:
        line = trouble(error) or _from_dvc(error)
        return _refuse(line, 2) if line else _refuse(_unforeseen(error), 1)
    return 0


def _first(error: Exception) -> str:
    """The first thing wrong: its name and value, where pydantic says them."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    # Without a name it is of all that there are.
    return f"{name} = {first['input']!r}: {first['msg']}" if name else first["msg"]


def _refuse(line: str, code: int) -> int:
    with suppress(OSError):
        print(f"prefactor: error: {line}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # let the last flush, at exit, succeed
    return code


def _from_dvc(error: Exception) -> str | None:
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

"""Errors of DVC and Prefect on the command line, as one line like those of the library."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flows.around.ending import from_dvc
from flows.around.errors import FlowError
from prefactor.cli import terminal
from prefactor.errors import PrefactorError


def plainly(command: Callable[..., None]) -> Callable[..., None]:
    """An error the user can act on is one line and exit code 2."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except FlowError as error:
            raise PrefactorError(str(error)) from None
        except Exception as error:
            line = from_dvc(error)
            if line is None:
                raise
            raise PrefactorError(line) from None

    return terminal.plainly(run)

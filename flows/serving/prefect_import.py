"""Import what imports Prefect, which reads every setting that it finds, and names the one that makes no sense."""

import importlib
import sys
from contextlib import redirect_stderr
from io import StringIO
from types import ModuleType

from flows.around.errors import FlowError


def imported(*names: str) -> list[ModuleType]:
    """The modules of these names.

    Raises:
        FlowError: one of Prefect's settings makes no sense.
    """
    from pydantic import ValidationError
    from pydantic_settings.exceptions import SettingsError

    chatter = StringIO()  # of plugins that stumble over the same setting first
    try:
        with redirect_stderr(chatter):
            modules = [importlib.import_module(name) for name in names]
    except (ValidationError, SettingsError) as error:
        raise FlowError(
            f"Prefect's settings: {_first(error)}: put it right where it is set "
            "(environment, .env, prefect.toml, or a profile: `prefect config unset`)"
        ) from None
    print(chatter.getvalue(), end="", file=sys.stderr, flush=True)
    return modules


def _first(error: Exception) -> str:
    """The first thing wrong: its name and value, where pydantic says them."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    # Without a name it is of all that there are.
    return f"{name} = {first['input']!r}: {first['msg']}" if name else first["msg"]

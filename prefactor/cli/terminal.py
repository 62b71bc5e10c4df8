"""What all commands share: options, errors as one line, tables wide enough for a log, JSON for machines.

Whatever was read from a file is printed through ``visible``; JSON escapes by itself.
"""

import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from prefactor.errors import PrefactorError
from prefactor.machine.trouble import trouble
from prefactor.printable import visible

Folder = Annotated[Path, typer.Option("--folder", "-C", help="The folder with params.yaml and data/.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output, and nothing else.")]
MOST = 20  # rows shown unless told
LEAST_WIDTH = 100  # columns: a narrower terminal breaks lines, and no figure is cut short


def plainly(command: Callable[..., None]) -> Callable[..., None]:
    """An error the user can act on is one line and exit code 2, as in the stages."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (PrefactorError, OSError, RuntimeError, MemoryError) as error:
            line = str(error) if isinstance(error, PrefactorError) else trouble(error)
            if line is None:
                raise
            print(f"prefactor: error: {visible(line)}", file=sys.stderr)
            raise typer.Exit(2) from None

    return run


def number(value: float | None, form: str) -> str:
    return "" if value is None or value != value else format(value, form)


def print_json(value: Any) -> None:
    """Arrays as lists, and a figure that is not known as null: JSON has no NaN."""

    def plain(item: Any) -> Any:
        if hasattr(item, "tolist"):
            item = item.tolist()
        if isinstance(item, dict):
            return {key: plain(member) for key, member in item.items()}
        if isinstance(item, list | tuple):
            return [plain(member) for member in item]
        if isinstance(item, float) and item != item:
            return None
        return item if isinstance(item, str | int | float | bool | None) else str(item)

    print(json.dumps(plain(value), ensure_ascii=False, indent=1))


def screen() -> Console:
    """For plain text: what stands in square brackets or between colons is data, and no style or emoji."""
    # A log has no width of its own, and these tables need more than 80 columns: a narrower terminal wraps their rows.
    wide = Console(markup=False, emoji=False).width if sys.stdout.isatty() else 140
    return Console(width=max(wide, LEAST_WIDTH), markup=False, emoji=False)

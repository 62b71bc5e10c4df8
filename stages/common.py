"""What every stage script shares: its typed params, and errors as one line with an exit code of their kind."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from prefactor.config.params import read_params, section
from prefactor.errors import PrefactorError, Unavailable
from prefactor.machine.streams import settle_streams
from prefactor.machine.trouble import trouble

__all__ = [
    "AGAIN", "CHECKPOINT", "COMPONENTS", "DATA", "NET", "RUNS", "TEXT", "read_params", "refuse", "run", "section",
]  # fmt: skip

DATA = Path("data")  # what the stages write, kept by DVC
CHECKPOINT, COMPONENTS, NET = (DATA / part for part in ("target/checkpoint", "decompose/components", "importance/net"))
TEXT = DATA / "text"  # the gate behind the corpus: it also names the tokens that later stages work with
AGAIN = 75  # exit code of what may go well later (EX_TEMPFAIL of sysexits.h)
RUNS = Path(".runs")  # checkpoints of stages that were interrupted: of this machine, known to neither git nor DVC


def run(main: Callable[..., None]) -> None:
    """Call ``main`` with the command line's words; an error the user can act on is one line and exit code 2.

    Where it is only that something does not answer at this moment, the exit code is ``AGAIN``.
    """
    settle_streams()
    try:
        main(*sys.argv[1:])
    except Unavailable as error:
        refuse(str(error), AGAIN)
    except PrefactorError as error:
        refuse(str(error))
    except Exception as error:
        line = trouble(error)
        if line is None:
            raise
        refuse(line)


def refuse(line: str, code: int = 2) -> NoReturn:
    """Say ``line`` and end with exit code ``code``."""
    print(f"prefactor: error: {line}", file=sys.stderr)
    sys.exit(code)

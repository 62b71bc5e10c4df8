"""What a flow that fails does about it: an artifact with the remedy, and the command that its user has named."""

import subprocess
import sys
from typing import Any

from flows.around.environment import environment
from flows.page.artifacts import leave_failure
from prefactor.errors import PrefactorError
from prefactor.machine.settings import ON_FAILURE, on_failure
from prefactor.printable import visible

PATIENCE = 60.0  # seconds that the command has


def tell_failure(flow: Any, flow_run: Any, state: Any) -> None:
    """Prefect's hook of a flow run that failed; nothing that goes wrong here hides why the run did."""
    error = state.result(raise_on_failure=False)
    if not isinstance(error, BaseException):
        error = RuntimeError(state.message or "it failed")
    leave_failure(error)
    call(flow.name, str(error))


def call(name: str, line: str) -> None:
    """Run ``PREFACTOR_ON_FAILURE``, without a shell, with the flow's name and the error's line as arguments."""
    try:
        words = on_failure()
        if not words:
            return
        done = subprocess.run(
            [*words, name, visible(line)], env=environment(), stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False
        )
        said = f"it ended with {done.returncode}" if done.returncode else ""
    except subprocess.TimeoutExpired:
        said = f"it took longer than {PATIENCE:g} s, and was ended"
    except PrefactorError as error:
        said = str(error)
    except (OSError, ValueError) as error:
        said = str(error)
    if said:
        print(f"prefactor: {ON_FAILURE}: {visible(said)}", file=sys.stderr, flush=True)

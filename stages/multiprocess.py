"""Start a stage in several processes that share its work (``prefactor/machine/processes.py``)."""

import os
import sys
from collections.abc import Callable

from prefactor.errors import PrefactorError
from prefactor.machine.processes import leave
from prefactor.machine.settings import processes
from stages.common import refuse, run


def run_processes(main: Callable[..., None]) -> None:
    """As :func:`stages.common.run`, in ``PREFACTOR_PROCESSES`` processes."""
    count = 1
    if "WORLD_SIZE" not in os.environ:
        try:
            count = processes()
        except PrefactorError as error:
            refuse(str(error))
    if count != 1:
        spec = sys.modules["__main__"].__spec__
        assert spec is not None  # stages are started as modules
        together = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}", "-m", spec.name]
        os.execv(sys.executable, [sys.executable, *together, *sys.argv[1:]])
    run(main)
    leave()

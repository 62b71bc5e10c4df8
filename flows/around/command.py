"""What every command of this package begins with: surroundings settled, before Prefect or DVC is imported."""

import sys
from pathlib import Path

from flows.around import surroundings
from flows.around.environment import environment
from flows.around.waiting import waiting


def settle() -> None:
    """Look at the folder, the params and the machine; says what is worth a line.

    Raises:
        PrefactorError: params, or a variable ``PREFACTOR_*``, are wrong.
        FlowError: something else to put right.
    """
    from flows.around.repository import check_files, settle_git

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

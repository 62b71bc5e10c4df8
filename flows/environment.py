"""The environment that stages run in."""

import os
import sys
from pathlib import Path


def environment() -> dict[str, str]:
    """The stages' commands say ``python``: let that be this one, whether or not its environment is activated.

    Progress bars that libraries redraw in place are off; stages print lines.
    """
    here = str(Path(sys.executable).parent)
    path = os.pathsep.join([here, os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", "TQDM_DISABLE": "1"}

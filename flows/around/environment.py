"""The environment that stages run in."""

import os
import sys
from functools import cache
from pathlib import Path


@cache
def _inherited() -> dict[str, str]:
    return dict(os.environ)


def environment() -> dict[str, str]:
    """This process's environment as it was when first asked for: what is set later is for Prefect alone.

    The stages' commands say ``python``: let that be this one, whether or not its environment is activated. They are
    written for sh, whatever shell the user has, and the flow reads UTF-8. Progress bars that libraries redraw in place
    are off; stages print lines.
    """
    inherited = _inherited()
    here = str(Path(sys.executable).parent)
    return {
        **inherited,
        "PATH": os.pathsep.join([here, inherited.get("PATH") or os.defpath]),
        "SHELL": "/bin/sh",
        "PYTHONUTF8": "1",
        "PYTHONIOENCODING": "utf-8:backslashreplace",
        "PYTHONUNBUFFERED": "1",
        "TQDM_DISABLE": "1",
    }

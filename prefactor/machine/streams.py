"""Standard output and error of any encoding: a character that it lacks is shown as an escape, and stops nothing."""

import os
import sys
from typing import TextIO


def settle_streams() -> None:
    """Let ``print`` never fail for want of a character, or because a stream was closed before the start."""
    for name in ("stdout", "stderr"):
        stream: TextIO | None = getattr(sys, name)
        if stream is None:  # `>&-`
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (it stays as long as the process)
            setattr(sys, name, stream)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # pyright: ignore[reportAttributeAccessIssue]

"""Notes what a stage opens under data/, a line each in ``opened.log``: on PYTHONPATH where a test asks for it."""

import os
import sys

WORDS = sys.orig_argv[1:]
if WORDS[:1] == ["-m"] and WORDS[1].startswith("stages."):
    log = os.open("opened.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def note(event: str, arguments: tuple) -> None:
        if event == "open" and isinstance(arguments[0], str | os.PathLike):
            path = os.path.relpath(os.fspath(arguments[0]))
            if path.startswith("data" + os.sep):
                os.write(log, f"{' '.join(WORDS[1:])}\t{path}\n".encode())

    sys.addaudithook(note)

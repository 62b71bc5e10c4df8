"""What the operating system refuses, as one line: a full disk, a folder that may not be written, too many files."""

import errno
import os
import re

from prefactor.printable import visible

REMEDIES = {
    errno.ENOSPC: "make room on that disk",
    errno.EDQUOT: "make room, or ask for a larger quota",
    errno.EFBIG: "allow larger files (`ulimit -f unlimited`)",
    errno.EROFS: "work in a folder that can be written",
    errno.EACCES: "give this user the right to it (`chown`, `chmod`), or work in a folder of your own",
    errno.EPERM: "give this user the right to it (`chown`, `chmod`), or work in a folder of your own",
    errno.EMFILE: "allow more open files (`ulimit -n 4096`)",
    errno.ENFILE: "close other programs: the machine has too many files open",
    errno.ENOMEM: "make memory free, or ask for less at once",
    errno.EAGAIN: "allow more processes (`ulimit -u`), or more of them in this container",
    errno.EIO: "look after that disk",
    errno.ENOTDIR: "a file stands where a folder is needed: move it away",
    errno.ENAMETOOLONG: "work in a folder with a shorter path",
    errno.ELOOP: "links lead in a circle there: mend them",
    errno.ESTALE: "the network share has gone: mount it again",
}

_TEXTS = {  # what libraries say that keep no number
    r"os error (\d+)": None,
    r"\[Errno (\d+)\]": None,
    r"database or disk is full|No space left on device": errno.ENOSPC,
    r"can't start new thread": errno.EAGAIN,
    r"Cannot allocate memory|not enough memory|out of memory": errno.ENOMEM,
}


def trouble(error: BaseException) -> str | None:
    """One line on what the system refused, with the file where there is one, and the remedy.

    The error itself is looked at, and what it was raised from; ``None`` where the system refused nothing known.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        number = _number(cause)
        if number in REMEDIES:
            name = getattr(cause, "filename", None)
            where = "" if name is None else f"{visible(os.fsdecode(name) if isinstance(name, bytes) else str(name))}: "
            return f"{where}{os.strerror(number)}: {REMEDIES[number]}"
        cause = cause.__cause__ or cause.__context__
    return None


def _number(error: BaseException) -> int:
    """The system's number of ``error``, 0 where it has none."""
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    if isinstance(error, OSError) and error.errno:
        return error.errno
    for pattern, number in _TEXTS.items():
        found = re.search(pattern, str(error))
        if found:
            return number or int(found[1])
    return 0

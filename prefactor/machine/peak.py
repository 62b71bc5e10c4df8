"""The most memory that this process has had."""

import resource
import sys


def peak_memory() -> int:
    """Bytes of main memory at most, so far; what a GPU has is not in it."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024

"""Leads a group as a stage does, starts a process that prints nothing, and is killed alone."""

import os
import signal
import subprocess

from flows.around.watch import watch_parent

if __name__ == "__main__":
    watch_parent()
    child = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(child.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

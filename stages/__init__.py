"""One thin script a stage, started as ``python -m stages.NAME``: load, call, check, save."""

import os

# Read once, when torch is imported. Threads that wait for one another are to sleep: by itself OpenMP has them spin, and
# beside any other job two of them then take several times as long as one.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

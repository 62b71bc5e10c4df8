"""One thin script a stage, started as ``python -m stages.NAME``: load, call, check, save."""

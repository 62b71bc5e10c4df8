"""How a label is put to the test: the names of its scores, in ``score/scores.parquet`` and wherever they are shown."""

TESTS = ("detection", "fuzzing", "intruder", "agreement")

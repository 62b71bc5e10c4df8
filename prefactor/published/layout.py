"""What a published decomposition has in it, and where: a project's ``data/`` and ``params.yaml``, less the edits."""

from pathlib import Path

LAYOUT = 1  # of the folder; another number is another arrangement of files, which this code does not read
INDEX = "prefactor.json"
CARD = "README.md"
SPLITS = ("train", "harvest", "select", "fit", "eval")

# The stages that make a decomposition with its labels, in the order in which they run.
STAGES = ("corpus", "text", "target", "locate", "decompose", "importance", "harvest", "effects", "label", "score")
SECTIONS = tuple(stage for stage in STAGES if stage != "text")  # of params.yaml, that it was made by

CHECKPOINT = "data/target/checkpoint"
# Without these there is nothing to edit with.
NEEDED = (
    "data/corpus/tokenizer", "data/decompose/components", "data/importance/net", "data/harvest/subcomponents",
    "data/label/labels",
)  # fmt: skip
HOLD_TEXT = (
    *(f"data/corpus/{split}" for split in SPLITS),
    "data/harvest/examples", "data/harvest/held_out", "data/harvest/sample",
)  # fmt: skip
FURTHER = (
    "data/text/used", "data/locate/table", "data/locate/modules", "data/locate/best", "data/decompose/net",
    "data/effects/effects", "data/score/scores",
)  # fmt: skip
ARTIFACTS = (*NEEDED, CHECKPOINT, *HOLD_TEXT, *FURTHER)  # folders, each with a manifest of its own

NEEDED_FILES = ("data/target/bars.json", "data/corpus/metrics.json")
FILES = (
    *NEEDED_FILES, "data/text/valid.txt", "data/label/overrides.yaml",
    *(f"data/{stage}/metrics.json" for stage in STAGES if stage not in ("corpus", "text")),
    *(f"data/{stage}/cost.json" for stage in STAGES if stage != "text"),
    "data/decompose/curve.parquet", "data/importance/curve.parquet", "data/importance/depth.parquet",
)  # fmt: skip
# Folders that DVC has as outputs and that may be empty: a figure of every step, of no use to anyone later.
EMPTY = ("data/decompose/live", "data/importance/live")


def inside(path: Path | str, folder: str) -> bool:
    """Whether ``path``, from the root, lies in ``folder``."""
    return str(path).startswith(f"{folder}/")

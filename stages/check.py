"""Is ``params.yaml`` right, all of it, and which stages' code is another than before?

Asked before anything else runs, so that no mistake costs an hour or an output.

Reads  params.yaml, and the sources of prefactor/ and stages/. Writes a file a stage, ``data/check/<stage>.txt``: the
hash of the code that its script runs. Each stage depends on its own file, so that a reworded comment reruns this
check alone, and a changed line the stages that run it.
"""

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from prefactor.config.base import parse
from prefactor.config_check.pipeline import PipelineConfig, check
from prefactor.files.artifacts import atomic
from stages.closure import fingerprint
from stages.common import DATA, read_params, run, section

CHECKS = DATA / "check"
# Keys that stages, and DVC, read by themselves: to be written out, whatever their defaults.
READ_ALONE = ("decompose.modules", "decompose.logits", "decompose.objective")
STAGES = (
    "corpus", "text", "target", "locate", "decompose", "importance", "harvest", "effects", "label", "score",
    "shortlist", "candidates", "selection", "edit", "baseline", "evaluate", "report",
)  # fmt: skip


def read_pipeline() -> PipelineConfig:
    """Every section of ``params.yaml``, typed and checked against the others.

    Raises:
        ParamsError: the first thing wrong, as one line with key, value and remedy.
    """
    config: PipelineConfig = parse(TypeAdapter(PipelineConfig), read_params(), "")
    check(config)
    for key in READ_ALONE:
        section(key, Any)
    return config


def fingerprints(root: Path = Path()) -> dict[str, str]:
    """By stage, the hash of the code that its script runs."""
    return {stage: fingerprint(Path("stages", f"{stage}.py"), root) for stage in STAGES}


def main() -> None:
    read_pipeline()
    for stage, value in fingerprints().items():
        with atomic(CHECKS / f"{stage}.txt") as temporary:
            temporary.write_text(f"{value}\n", encoding="utf-8")


if __name__ == "__main__":
    run(main)

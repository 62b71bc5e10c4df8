"""Has the corpus as much text as every later stage asks for? Asked before the first of them runs.

Reads  params.yaml; corpus: metrics (tokens by split and domain). Writes valid.txt, always the same.
"""

from prefactor.config_check.pipeline import check_positions, check_text
from prefactor.files.artifacts import atomic, read_entry, read_json
from stages.check import read_pipeline
from stages.common import DATA, run


def main() -> None:
    config, metrics = read_pipeline(), DATA / "corpus" / "metrics.json"
    check_text(config, read_entry(metrics, "tokens"))
    check_positions(config, read_json(metrics).get("positions"))
    with atomic(DATA / "text" / "valid.txt") as temporary:
        temporary.write_text("the corpus has enough text\n", encoding="utf-8")


if __name__ == "__main__":
    run(main)

"""Has the corpus as much text as every later stage asks for? Asked before the first of them runs.

Reads  params.yaml; corpus: metrics (tokens by split and domain), and where later stages work with the tokens that the
corpus has, the blocks of every split. Writes valid.txt, always the same; used/, those tokens, none where stages work
with all.
"""

from prefactor.config.corpus import SPLITS
from prefactor.config_check.pipeline import check_positions, check_text
from prefactor.corpus.blocks import read_blocks
from prefactor.corpus.used import used_tokens, write_used
from prefactor.files.artifacts import atomic, read_entry, read_json
from stages.check import read_pipeline
from stages.common import DATA, run


def main() -> None:
    config, metrics = read_pipeline(), DATA / "corpus" / "metrics.json"
    check_text(config, read_entry(metrics, "tokens"))
    check_positions(config, read_json(metrics).get("positions"))
    wanted = SPLITS if config.decompose.logits == "corpus" else ()
    write_used(DATA / "text", used_tokens(read_blocks(DATA / "corpus", split) for split in wanted))
    with atomic(DATA / "text" / "valid.txt") as temporary:
        temporary.write_text("the corpus has enough text\n", encoding="utf-8")


if __name__ == "__main__":
    run(main)

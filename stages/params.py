"""Is ``params.yaml`` right, all of it? Asked before anything else runs, so that no mistake costs an hour or an output.

Reads  params.yaml. Writes valid.txt, always the same: other stages wait for it and never rerun because of it.
"""

from pydantic import TypeAdapter

from prefactor.config.base import parse
from prefactor.config_check.pipeline import PipelineConfig, check
from prefactor.files.artifacts import atomic
from stages.common import DATA, read_params, run


def read_pipeline() -> PipelineConfig:
    """Every section of ``params.yaml``, typed and checked against the others.

    Raises:
        ParamsError: the first thing wrong, as one line with key, value and remedy.
    """
    config: PipelineConfig = parse(TypeAdapter(PipelineConfig), read_params(), "")
    check(config)
    return config


def main() -> None:
    read_pipeline()
    with atomic(DATA / "params" / "valid.txt") as temporary:
        temporary.write_text("params.yaml is valid\n", encoding="utf-8")


if __name__ == "__main__":
    run(main)

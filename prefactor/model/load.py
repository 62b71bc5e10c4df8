"""A target that exists: read from a local folder or the Hub, and kept as a standard checkpoint."""

import shutil
from pathlib import Path
from typing import Any

from prefactor.config.target import LoadTarget
from prefactor.corpus.tokenizer_file import write_for_model
from prefactor.files.artifacts import MANIFEST, Origin, write_manifest
from prefactor.files.model_config import check_fits, positions_of
from prefactor.model.at_once import vocabulary_of
from prefactor.model.pretrained import read_pretrained
from prefactor.model.target import TRUSTED
from prefactor.model.verified import check_saved, check_target


def load_target(config: LoadTarget, vocabulary: int, block: int) -> Any:
    """A causal language model of ``transformers`` from a local folder or the Hub, in float32.

    Args:
        vocabulary: the highest token id of the corpus's tokenizer plus 1.
        block: tokens of a block.

    Raises:
        PrefactorError: it cannot be found or read, is no whole causal language model, or cannot read the corpus.
    """
    where = f"params.yaml: target.model.name = {config.name!r}"
    model = read_pretrained(
        config.name, where, revision=config.revision, trust_remote_code=config.trust_remote_code, file=config.file
    )
    check_fits(vocabulary, block, vocabulary_of(model), positions_of(model.config), where)
    check_target(model, where)
    return model


def save_target(
    model: Any, corpus: Path, folder: Path, trust_remote_code: bool = False, made_from: Origin | None = None
) -> None:
    """Save a checkpoint that stock ``AutoModelForCausalLM`` and ``AutoTokenizer`` load, with a manifest in it.

    Args:
        corpus: the corpus stage's folder; its tokenizer goes with the model.
        trust_remote_code: whether the checkpoint brings code that was trusted; noted, for those who read it later.

    Raises:
        PrefactorError: what was saved does not read back as ``model``.
    """
    shutil.rmtree(folder, ignore_errors=True)  # no shard of another model stays, and no link is written through
    model.save_pretrained(folder)
    write_for_model(corpus, folder)
    check_saved(model, folder, trust_remote_code)
    outputs = sorted(path.name for path in folder.iterdir() if path.name != MANIFEST)
    write_manifest(folder, outputs, {TRUSTED: True} if trust_remote_code else None, made_from)

"""A target that exists: read from a local folder or the Hub, and kept as a standard checkpoint."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from prefactor.config.target import LoadTarget
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import MANIFEST, Origin, write_manifest


def load_target(config: LoadTarget) -> Any:
    """A causal language model of ``transformers`` from a local folder or the Hub, in float32.

    Raises:
        PrefactorError: it cannot be found or read.
    """
    try:
        model = AutoModelForCausalLM.from_pretrained(
            config.name, revision=config.revision, trust_remote_code=config.trust_remote_code, dtype=torch.float32,
            use_safetensors=True,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise PrefactorError(f"target.model.name = {config.name!r} cannot be loaded: {first}") from error
    return model.eval()


def save_target(model: Any, tokenizer: Tokenizer, folder: Path, made_from: Origin | None = None) -> None:
    """Save a checkpoint that stock ``AutoModelForCausalLM`` and ``AutoTokenizer`` load, with a manifest in it.

    Raises:
        PrefactorError: the tokenizer has more tokens than the model has embeddings.
    """
    rows = model.get_input_embeddings().weight.shape[0]
    if tokenizer.get_vocab_size() > rows:
        raise PrefactorError(
            f"the corpus tokenizer has {tokenizer.get_vocab_size()} tokens, the target only {rows} embeddings: set "
            "corpus.tokenizer to {source: target, name: ...} with the target's own name"
        )
    model.save_pretrained(folder, safe_serialization=True)
    bos = tokenizer.id_to_token(model.config.bos_token_id or 0)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=bos, eos_token=bos).save_pretrained(folder)
    write_manifest(folder, sorted(p.name for p in folder.iterdir() if p.name != MANIFEST), made_from=made_from)

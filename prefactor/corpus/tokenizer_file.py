"""The tokenizer on disk: a Hugging Face ``tokenizers`` file in a folder of its own."""

from pathlib import Path

import tokenizers
from tokenizers import Tokenizer

from prefactor.files.artifacts import atomic, verify, write_manifest

TOKENIZER = Path("tokenizer", "tokenizer.json")


def write_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    """Write ``tokenizer/`` of the corpus stage's ``folder``."""
    with atomic(folder / TOKENIZER) as temporary:
        tokenizer.save(str(temporary))
    write_manifest(folder / TOKENIZER.parent, [TOKENIZER.name], {"tokenizers": tokenizers.__version__})


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer in the corpus stage's ``folder``, checked against its manifest.

    Raises:
        PrefactorError: it is missing or damaged.
    """
    verify(folder / TOKENIZER.parent, only=[TOKENIZER.name])
    return Tokenizer.from_file(str(folder / TOKENIZER))

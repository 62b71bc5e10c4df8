"""The tokenizer on disk: a Hugging Face ``tokenizers`` file in a folder of its own, and beside it a target's own files.

A loaded target's tokenizer is kept file by file, as ``transformers`` saves it, so that the checkpoints that are made of
the target have the very same one: its special tokens, its chat template and all.
"""

from collections.abc import Mapping
from pathlib import Path

import tokenizers
from tokenizers import Tokenizer

from prefactor.files.artifacts import MANIFEST, atomic, read_json, verify, write_manifest

TOKENIZER = Path("tokenizer", "tokenizer.json")


def write_tokenizer(folder: Path, tokenizer: Tokenizer, files: Mapping[str, bytes] | None = None) -> None:
    """Write ``tokenizer/`` of the corpus stage's ``folder``; ``files`` by name, if it is a target's own."""
    if files is None:
        with atomic(folder / TOKENIZER) as temporary:
            tokenizer.save(str(temporary))
        names = [TOKENIZER.name]
    else:
        for name, content in files.items():
            with atomic(folder / TOKENIZER.parent / name) as temporary:
                temporary.write_bytes(content)
        names = sorted(files)
    write_manifest(folder / TOKENIZER.parent, names, {"tokenizers": tokenizers.__version__})


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer in the corpus stage's ``folder``, checked against its manifest; it cuts and pads nothing.

    Raises:
        PrefactorError: it is missing or damaged.
    """
    verify(folder / TOKENIZER.parent, only=[TOKENIZER.name])
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def vocabulary_of(tokenizer: Tokenizer) -> int:
    """The number of ids, the highest one plus 1."""
    return max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1


def write_for_model(folder: Path, checkpoint: Path) -> None:
    """Put the tokenizer of the corpus stage's ``folder`` into ``checkpoint``, for stock ``AutoTokenizer``.

    A target's own goes there byte for byte. Of one trained here the separator, id 0, becomes bos and eos.

    Raises:
        PrefactorError: it is missing or damaged.
    """
    verify(folder / TOKENIZER.parent)
    names = list(read_json(folder / TOKENIZER.parent / MANIFEST)["files"])
    if names != [TOKENIZER.name]:
        for name in names:
            with atomic(checkpoint / name) as temporary:
                temporary.write_bytes((folder / TOKENIZER.parent / name).read_bytes())
        return
    from transformers import PreTrainedTokenizerFast  # takes seconds; who only reads tokens needs none

    backend = read_tokenizer(folder)
    separator = backend.id_to_token(0)
    PreTrainedTokenizerFast(tokenizer_object=backend, bos_token=separator, eos_token=separator).save_pretrained(
        checkpoint
    )

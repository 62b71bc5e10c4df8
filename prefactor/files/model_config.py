"""What a model's ``config.json`` says of the text that it takes, and errors of ``transformers`` as one line."""

from typing import Any

from prefactor.errors import PrefactorError

# How families name the longest text that they were made for. Where it is none of these, no position has a number.
POSITIONS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length", "max_seq_length")


def read_config(trust_remote_code: bool, where: str, **source: Any) -> Any:
    """The config of a model, which the arguments ``source`` of ``from_pretrained`` name.

    Raises:
        PrefactorError: it cannot be read; ``where`` begins the message.
    """
    from transformers import AutoConfig  # here, since it takes seconds and the default does not need it

    try:
        return AutoConfig.from_pretrained(**source, trust_remote_code=trust_remote_code)
    except Exception as error:  # whatever a library makes of a stranger's file
        raise cannot_load(error, where) from error


def positions_of(config: Any) -> int | None:
    """The longest text in tokens that a model of ``config`` was made for; None where it names no limit.

    A sliding window is none: it bounds how far attention reaches, not how long a text may be.
    """
    text = config.get_text_config()
    found = [value for key in POSITIONS if isinstance(value := getattr(text, key, None), int) and value > 0]
    return found[0] if found else None


def embeddings_of(config: Any) -> int | None:
    """The number of token ids that have an embedding, as far as ``config`` says."""
    return getattr(config.get_text_config(), "vocab_size", None)


def check_fits(vocabulary: int, block: int, embeddings: int | None, positions: int | None, where: str) -> None:
    """Check that blocks of the corpus can go through the model.

    Raises:
        PrefactorError: a token id has no embedding, or ``corpus.block`` is longer than the model's positions.
    """
    if embeddings is not None and vocabulary > embeddings:
        raise PrefactorError(
            f"{where}: the tokenizer has ids up to {vocabulary - 1}, the model only {embeddings} embeddings; take the "
            f"tokens from {embeddings} on out of the tokenizer, or save a model with more embeddings "
            f"(`resize_token_embeddings({vocabulary})`) and name that"
        )
    if positions is not None and block > positions:
        raise PrefactorError(
            f"{where}: the model was made for texts of at most {positions} tokens, and corpus.block = {block}; set "
            f"corpus.block to at most {positions}"
        )


def cannot_load(error: Exception, where: str) -> PrefactorError:
    """The error that says why ``transformers`` could not load something, in one line with a remedy."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    said = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    if "trust_remote_code" in str(error):
        said, remedy = "it brings code of its own", "read that code, and set trust_remote_code if you trust it"
    elif "Unrecognized configuration class" in str(error):
        kind = str(error).partition("class '")[2].partition("'")[0].rpartition(".")[2]
        said, remedy = f"{kind} is of no causal language model", "name a model that continues text"
    elif isinstance(error, ImportError):
        remedy = "install what it asks for, or name a checkpoint that is not quantised"
    elif isinstance(error, KeyError | TypeError | AttributeError | AssertionError | NotImplementedError):
        said, remedy = f"{type(error).__name__}: {said}", "its config does not go with this version of transformers"
    else:
        remedy = "mend its name or revision, or its files"
    return PrefactorError(f"{where}: it cannot be loaded ({said}); {remedy}")

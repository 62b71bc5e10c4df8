"""A token, named by its text."""

from tokenizers import Tokenizer

from prefactor.errors import PrefactorError


def token_of(tokenizer: Tokenizer, text: str) -> int:
    """The id of the one token that ``text`` is.

    Raises:
        PrefactorError: it is none, or more than one.
    """
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    parts = [tokenizer.decode([i]) for i in ids]
    if len(ids) != 1 or parts[0].strip() != text.strip():  # one id may also stand for a text that is unknown
        shown = " ".join(map(repr, parts))
        raise PrefactorError(f"toward {text!r} reads as {len(ids)} tokens ({shown}): write text that is one token")
    return ids[0]

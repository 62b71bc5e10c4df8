"""Texts that models, corpora and people wrote, on their way to a terminal: nothing in them may act on it."""

import unicodedata


def hidden(character: str) -> bool:
    """Whether it breaks a line, turns its direction, speaks to the terminal, shows nothing, or is no text at all."""
    kind = unicodedata.category(character)
    return kind[0] == "C" or kind in ("Zl", "Zp")


def visible(text: str) -> str:
    """``text`` on one line, with every hidden character as an escape that can be seen: ESC as ``\\x1b``."""
    return "".join(_escape(character) if hidden(character) else character for character in text)


def one_line(text: str, *, most: int | None = None) -> str:
    """``text`` as it is.

    Args:
        most: characters it may have.

    Raises:
        ValueError: it has a hidden character, or more characters than that.
    """
    if any(map(hidden, text)):
        raise ValueError("write one line without control characters")
    if most is not None and len(text) > most:
        raise ValueError(f"write at most {most} characters")
    return text


def _escape(character: str) -> str:
    return "⏎" if character == "\n" else character.encode("unicode_escape").decode("ascii")

"""A page in one file: scripts that share a scope, styles, and data that no text in it can break out of.

Nothing is built and nothing is fetched. Scripts are plain files in the order given, after how numbers are written
(``words.js``); Preact with htm (``vendor/``) is the only library, and comes first in a scope of its own.
"""

import base64
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LIBRARY = HERE / "vendor" / "htm-preact.js"
WORDS = HERE / "words.js"
BASE_STYLE = HERE / "base.css"


def bundle(scripts: Sequence[Path]) -> str:
    """The text of one script element: the library, then ``words.js`` and ``scripts`` in one function."""
    own = "\n".join(path.read_text(encoding="utf-8") for path in (WORDS, *scripts))
    text = f'{LIBRARY.read_text(encoding="utf-8")}\n(() => {{\n"use strict";\n{own}\n}})();\n'
    if "</script" in text.lower():
        raise ValueError("a script must not have '</script' in its text: it would end there")
    return text


def style(sheets: Sequence[Path]) -> str:
    """The text of one style element: the shared colours and shapes, then ``sheets``."""
    return "\n".join(path.read_text(encoding="utf-8") for path in (BASE_STYLE, *sheets))


def as_json(value: Any) -> str:
    """``value`` for a script element of type ``application/json``: no ``<`` in any text ends the element.

    Raises:
        ValueError: a number is not finite, which JSON does not have.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def packed(value: Any) -> str:
    """``value`` as base64 of gzipped JSON, which a browser unpacks by itself; equal values give equal text."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode("ascii")

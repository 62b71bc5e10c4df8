"""Which domains are languages, and what these are called.

Domains are free strings, and many short words are codes of some language (``new`` is Newari, ``war`` is Waray). So a
tag is a language's only where it is written as such tags are: two small letters of ISO 639-1 (``de``), or a language
of two or three with a script or a region behind it, each in its own case (``pt-BR``, ``zh_Hant``, ``ceb-PH``,
``es-419``). Whoever has a domain of two letters that is no language (``os``) gives it a longer tag.
"""

import re
from functools import cache

from babel import Locale

_ISO_639_1 = re.compile(r"[a-z]{2}")
_SUBTAGS = re.compile(r"([a-z]{2,3})(?:[-_]([A-Z][a-z]{3}))?(?:[-_]([A-Z]{2}|\d{3}))?")
_WORD = re.compile(r"\w+")
_NOT_ONE = frozenset({"und", "mul", "zxx", "mis"})  # codes for no language, for several and for an unknown one


@cache
def is_language(domain: str) -> bool:
    """Whether ``domain`` is the tag of a language, by the rule above."""
    return _named(domain) is not None


@cache
def language_name(domain: str) -> str:
    """``de`` -> ``German``, ``pt-BR`` -> ``Brazilian Portuguese``, ``code`` -> ``code``: a language's English name."""
    return _named(domain) or domain


def one_word(domain: str) -> str:
    """The domain as one word of a label: ``German``, ``Brazilian-Portuguese``, ``code-review``."""
    return "-".join(_WORD.findall(language_name(domain)) if is_language(domain) else domain.split())


def _named(domain: str) -> str | None:
    english = Locale("en")
    if _ISO_639_1.fullmatch(domain):
        return english.languages.get(domain)
    parts = _SUBTAGS.fullmatch(domain)
    if parts is None or not any(parts.groups()[1:]) or parts[1] in _NOT_ONE:
        return None
    code, script, region = parts.groups()
    names = [english.languages.get(code), script and english.scripts.get(script)]
    names += [region and english.territories.get(region)]
    if any(part and not name for part, name in zip(parts.groups(), names, strict=True)):
        return None
    whole = english.languages.get("_".join(part for part in parts.groups() if part))
    return whole or f"{names[0]} ({', '.join(name for name in names[1:] if name)})"

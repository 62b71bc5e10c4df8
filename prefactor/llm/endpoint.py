"""Which endpoint is asked: base URL, model and key, from the environment and from nowhere else."""

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from prefactor.errors import PrefactorError

URL, MODEL, KEY = "PREFACTOR_LLM_URL", "PREFACTOR_LLM_MODEL", "PREFACTOR_LLM_KEY"
NO_KEY = "none"  # servers of one's own look at none, but the client sends one


@dataclass(frozen=True)
class Endpoint:
    """``base_url`` up to and with ``/v1``. The key is in no ``repr``; what others wrote goes through :meth:`scrub`."""

    base_url: str
    model: str
    key: str = field(default=NO_KEY, repr=False)

    def scrub(self, text: str) -> str:
        """``text`` without the key, for all that is kept, printed or raised."""
        return text if self.key == NO_KEY else text.replace(self.key, "[key]")


def from_environment() -> Endpoint:
    """The endpoint of ``PREFACTOR_LLM_URL``, ``PREFACTOR_LLM_MODEL`` and, where one is needed, ``PREFACTOR_LLM_KEY``.

    Raises:
        PrefactorError: a variable is missing, or could not be used.
    """
    url, model = _required(URL, "http://localhost:8000/v1"), _required(MODEL, "the name the endpoint knows it by")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise PrefactorError(f"{URL} is no http address: write it like http://localhost:8000/v1")
    if "@" in parts.netloc or parts.query:  # an address gets into error messages, a key must not
        raise PrefactorError(f"{URL} holds more than an address: put the key into {KEY}")
    key = os.environ.get(KEY, "").strip() or NO_KEY
    if not (key.isascii() and key.isprintable()):
        raise PrefactorError(f"{KEY} holds characters that no key has: copy it again")
    return Endpoint(url.rstrip("/"), model, key)


def _required(name: str, example: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise PrefactorError(f"{name} is not set, and kind llm needs it: export {name}=... ({example})")
    return value

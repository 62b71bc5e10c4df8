"""Answers that were paid for, kept under a hash of everything that decides them."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from prefactor.files.artifacts import write_json


@dataclass(frozen=True)
class Question:
    """All that decides an answer. Not the address: a server that moved gives the same ones.

    ``schema`` is part of it also where the endpoint takes none, since the answer is validated against it anyway.
    """

    model: str
    messages: tuple[tuple[str, str], ...]  # (role, text)
    schema: str
    max_tokens: int
    temperature: float
    attempt: int  # from 1

    @property
    def key(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


class Usage(BaseModel):
    """Tokens, as the server counts them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    input: int
    output: int


class Answer(BaseModel):
    """What the model wrote, usable or not. ``usage`` is null where the server did not say.

    ``free`` and ``lost`` count what was sent for it before and brought no answer: at no cost, and perhaps billed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    content: str
    finish_reason: str
    refusal: str = ""
    usage: Usage | None = None
    free: int = 0
    lost: int = 0


class Cache:
    """A file an answer in ``folder``. Safe to share between threads that ask different questions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, question: Question) -> Answer | None:
        """The kept answer; none where there is no file, or a damaged one."""
        try:
            return Answer.model_validate_json(self._path(question).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def put(self, question: Question, answer: Answer) -> None:
        write_json(self._path(question), answer.model_dump())

    def _path(self, question: Question) -> Path:
        return self.folder / f"{question.key}.json"


def clean(text: str) -> str:
    """``text`` as UTF-8 can hold it: a server's JSON may contain halves of characters."""
    return text.encode("utf-8", "replace").decode("utf-8")

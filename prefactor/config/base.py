"""What every parameter section has in common: frozen, strict, and errors that name key, value and remedy."""

import json
import re
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from prefactor.config.explain import explain
from prefactor.config.plain import check_plain
from prefactor.errors import ParamsError


class Config(BaseModel):
    """Frozen, and a key it does not know is an error: a typo dies at load, not after an hour."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{text!r} is no regular expression ({error}); mend it") from None
    return text


def _gguf(text: str) -> str:
    path = PurePosixPath(text)
    if path.suffix != ".gguf" or path.is_absolute() or ".." in path.parts or "\\" in text:
        raise ValueError(f"{text!r} is no GGUF file of a model's folder; write its name there, as model.gguf")
    return text


def _distinct(values: tuple[int, ...]) -> tuple[int, ...]:
    for place, value in enumerate(values):
        if value in values[:place]:
            raise ValueError(f"it has {value} twice; write each number once")
    return values


Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what both numpy and torch take
Betas = tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]]  # of Adam
Counts = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1), AfterValidator(_distinct)]
GgufName = Annotated[str, AfterValidator(_gguf)]  # a file in a model's folder
Pattern = Annotated[str, AfterValidator(_pattern)]  # a regular expression


def parse(kind: TypeAdapter[Any], value: Any, where: str) -> Any:
    """Validate ``value`` as ``kind``; ``where`` is its path in ``params.yaml`` for the error message.

    Strict: ``"1500"`` or ``true`` is no whole number. (Through JSON, because pydantic's strict mode would
    otherwise refuse a list where a tuple is declared.)

    Raises:
        ParamsError: the first thing wrong, as one line with key, value and remedy.
    """
    check_plain(value, where)
    try:
        return kind.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        # A misspelt key is both unknown and missing; "unknown" can name the remedy.
        errors = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        raise ParamsError(explain(kind, value, where, errors)) from None

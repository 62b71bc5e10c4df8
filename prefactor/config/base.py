"""What every parameter section has in common: frozen, strict, and errors that name key, value and remedy."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from prefactor.config.explain import explain
from prefactor.errors import ParamsError


class Config(BaseModel):
    """Frozen, and a key it does not know is an error: a typo dies at load, not after an hour."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def parse(kind: TypeAdapter[Any], value: Any, where: str) -> Any:
    """Validate ``value`` as ``kind``; ``where`` is its path in ``params.yaml`` for the error message.

    Strict: ``"1500"`` or ``true`` is no whole number. (Through JSON, because pydantic's strict mode would
    otherwise refuse a list where a tuple is declared.)

    Raises:
        ParamsError: the first thing wrong, as one line with key, value and remedy.
    """
    try:
        return kind.validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError as error:
        # A misspelt key is both unknown and missing; "unknown" can name the remedy.
        errors = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        raise ParamsError(explain(kind, value, where, errors)) from None

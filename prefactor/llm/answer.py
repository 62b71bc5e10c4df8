"""Is an answer of the asked form?"""

import re
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from prefactor.llm.cache import Answer

T = TypeVar("T", bound=BaseModel)

FENCE = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)


class Malformed(Exception):
    """The answer cannot be used; the text says why in words of ours alone, since the model is told as much."""


def read(answer: Answer, kind: type[T]) -> T:
    """The answer as ``kind``: JSON, bare or in one fence, without a key too many or a value of another type.

    Raises:
        Malformed: it is cut off, refused, empty, no JSON, or breaks the schema.
    """
    if answer.finish_reason == "length":
        raise Malformed("it was cut off at output_tokens")
    if answer.refusal or answer.finish_reason == "content_filter":
        raise Malformed("it was a refusal")
    text = answer.content.strip()
    if not text:
        raise Malformed("it was empty")
    fenced = FENCE.fullmatch(text)
    try:
        return kind.model_validate_json(fenced[1] if fenced else text, strict=True, extra="forbid")
    except ValidationError as error:
        raise Malformed(_explained(error, kind)) from None


def _explained(error: ValidationError, kind: type[BaseModel]) -> str:
    """The first thing wrong. Pydantic's message where it does not quote the answer."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return "it was no JSON"
    if first["type"] == "extra_forbidden":
        return f"it had other keys than {', '.join(kind.model_fields)}"
    where = [str(part) for part in first["loc"][:1] if part in kind.model_fields]
    message = first["msg"].removeprefix("Value error, ")
    return ": ".join([*where, message[0].lower() + message[1:]])

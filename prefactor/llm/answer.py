"""Is an answer of the asked form?"""

import re
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from prefactor.llm.cache import Answer

T = TypeVar("T", bound=BaseModel)

FENCE = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL | re.IGNORECASE)
OPENING = re.compile(r"<(think|thinking|thought|reasoning)>|\[(think)\]", re.IGNORECASE)
CLOSING = re.compile(r"</(?:think|thinking|thought|reasoning)>|\[/think\]", re.IGNORECASE)


class Malformed(Exception):
    """The answer cannot be used; the text says why in words of ours alone, since the model is told as much."""


def read(answer: Answer, kind: type[T]) -> T:
    """The answer as ``kind``: JSON, bare or in one fence, without a key too many or a value of another type.

    What a model reasons before it, between tags, is passed over; after it there may be nothing.

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
    text = _after_reasoning(text)
    fenced = FENCE.fullmatch(text)
    try:
        return kind.model_validate_json(fenced[1] if fenced else text, strict=True, extra="forbid")
    except ValidationError as error:
        raise Malformed(_explained(error, kind)) from None


def _after_reasoning(text: str) -> str:
    """``text`` without the reasoning that it begins with.

    Each block ends with the first closing tag: were it the last, what a model quotes after its answer could take the
    answer's place.

    Raises:
        Malformed: the reasoning does not end, or nothing comes after it.
    """
    before = text
    while opening := OPENING.match(text):
        closing = CLOSING.search(text, opening.end())
        if closing is None:
            raise Malformed("it was reasoning that did not end")
        text = text[closing.end() :].lstrip()
    # Some chat templates write the opening tag into the prompt, so that the answer begins within the block.
    if text is before and text[0] not in '{[`"' and len(tags := CLOSING.findall(text)) == 1:
        text = text.partition(tags[0])[2].lstrip()
    if not text:
        raise Malformed("it was reasoning without an answer")
    return text


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

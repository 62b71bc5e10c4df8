"""A question to a model, and what to say where there is no answer. Free of the client, which is slow to import."""

import json
import re
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

AGAIN = "Your last answer could not be used: {reason}. Answer with the JSON object alone."
# What chat templates and delimiters are made of: <|im_end|>, </s>, <start_of_turn>, [INST]; and line ends that JSON
# leaves as they are. In JSON outside of texts none of them occurs.
_SPECIAL = re.compile(r"<|\[(?=/?[A-Z])|[\x85\u2028\u2029]")


@dataclass(frozen=True)
class Prompt:
    """``answer`` is the model that a usable answer validates as; its name and schema are sent along.

    ``examples`` are questions with their answers, sent as if they had been asked before: within one question a small
    model copies the answer that it finds there.
    """

    system: str
    user: str
    answer: type[BaseModel]
    examples: tuple[tuple[str, str], ...] = ()

    def messages(self, user: str) -> tuple[tuple[str, str], ...]:
        """What is sent, as (role, text), with ``user`` as the question."""
        worked = [turn for asked, given in self.examples for turn in (("user", asked), ("assistant", given))]
        return (("system", self.system), *worked, ("user", user))


@dataclass(frozen=True)
class Failure:
    """No answer. ``reason`` names no particulars, so that equal ones can be counted."""

    reason: str


def as_data(value: Any) -> str:
    """``value`` as JSON for a prompt, on one line that no text inside can end.

    Quotes and line ends in texts are escaped by JSON; so is what a server may read as the end of a message. It
    still is JSON: whoever parses it gets the texts as they were.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _SPECIAL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)

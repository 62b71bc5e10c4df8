"""One request to the endpoint, and what its errors mean: for this answer alone, or for all of them.

The ``openai`` client retries 429, 5xx, timeouts and dropped connections by itself and honours ``Retry-After``.
"""

import json
import re
import threading
from typing import Any

from openai import APIConnectionError, APIStatusError, APITimeoutError, DefaultHttpxClient, OpenAI, OpenAIError

from prefactor.config.llm import Llm
from prefactor.errors import PrefactorError
from prefactor.llm.cache import Answer, Question, Usage, clean
from prefactor.llm.endpoint import KEY, MODEL, URL, Endpoint
from prefactor.llm.meter import Sends
from prefactor.llm.pace import Pace, Stopped

MOST_SAID = 200  # characters of a server's own words in a message of ours
# Errors of a request that never went out. By name, since ``openai`` sends with one or another package.
UNSENT = ("ConnectError", "ConnectTimeout", "PoolTimeout")


class Unanswered(Exception):
    """There is no answer to this one. ``silent``: the endpoint was not there."""

    def __init__(self, reason: str, silent: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.silent = reason, silent


class _Http(DefaultHttpxClient):
    """Sends in place of the ``openai`` client's own, so that its retries keep the pace and are paid for too."""

    def __init__(self, timeout: float, pace: Pace) -> None:
        super().__init__(timeout=timeout)
        self._pace = pace
        self.of_thread = threading.local()  # its ``sends``: of the question that this thread asks

    def send(self, request: Any, **options: Any) -> Any:
        sends: Sends = self.of_thread.sends
        sends.begin()
        try:
            self._pace.wait()
        except Stopped:
            sends.withdraw()
            raise
        try:
            response = super().send(request, **options)
        except Exception as error:
            sends.fail(billed=type(error).__name__ not in UNSENT)
            raise
        if not response.is_success:
            sends.fail(billed=False)
        return response


class Client:
    """Thread-safe. No request starts once ``stop`` is set.

    Endpoints differ in what they take beside model and messages. What one turns out not to know is left out, or said
    in another way, for the rest of the run.
    """

    def __init__(self, endpoint: Endpoint, config: Llm, stop: threading.Event) -> None:
        self._endpoint = endpoint
        self._config = config
        self._unknown: set[str] = set()
        self._http = _Http(config.timeout, Pace(config.requests_per_minute, stop))
        self._openai = OpenAI(
            base_url=endpoint.base_url, api_key=endpoint.key,
            max_retries=config.retries, timeout=config.timeout, http_client=self._http,
        )  # fmt: skip
        # It takes these from variables that are meant for another endpoint.
        self._openai.organization = self._openai.project = None

    def ask(self, question: Question, name: str, sends: Sends) -> Answer:
        """The answer to ``question``; ``name`` is what the schema is called.

        ``sends`` learns of every request that went out and brought no answer; the one that did is left open.

        Raises:
            Unanswered: the endpoint rejects this question, or every retry failed.
            PrefactorError: it would not answer any: a bad key, an unknown model, no credit left.
            BudgetSpent, Stopped: no request may go out any more.
        """
        self._http.of_thread.sends = sends
        messages: Any = [{"role": role, "content": text} for role, text in question.messages]
        while True:
            options = self._options(question, name)
            try:
                return self._read(
                    self._openai.chat.completions.create(model=question.model, messages=messages, **options)
                )
            except APIStatusError as error:
                if not self._learn(error, options):
                    raise self._meaning(error) from None
            except APITimeoutError:
                tries = self._config.retries + 1
                reason = f"no answer within {self._config.timeout:g} s, {tries} times"
                raise Unanswered(reason, silent=True) from None
            except APIConnectionError as error:
                cause = type(error.__cause__).__name__
                raise Unanswered(f"the connection failed ({cause})", silent=True) from None
            except (OpenAIError, ValueError):
                raise Unanswered("the reply was no chat completion") from None

    def _options(self, question: Question, name: str) -> dict[str, Any]:
        schema = {"name": name, "strict": True, "schema": json.loads(question.schema)}
        options = {
            "response_format": {"type": "json_schema", "json_schema": schema},
            "temperature": question.temperature,
            "max_tokens": question.max_tokens,
        }
        if "max_tokens" in self._unknown:
            options["max_completion_tokens"] = question.max_tokens
        return {option: value for option, value in options.items() if option not in self._unknown}

    def _learn(self, error: APIStatusError, options: dict[str, Any]) -> bool:
        """Whether the request failed for an option that it can go without: it then does so from now on."""
        if error.status_code not in (400, 422):
            return False
        said = str(error).lower()
        unknown = {
            "response_format": any(word in said for word in ("response_format", "json_schema", "response format")),
            "temperature": "temperature" in said,
            # Too large a number is another matter, so that the name alone says nothing.
            "max_tokens": all(word in said for word in ("max_tokens", "max_completion_tokens", "support")),
        }
        refused = {option for option in options if unknown.get(option)}
        self._unknown |= refused
        return bool(refused)

    def _meaning(self, error: APIStatusError) -> Exception:
        status, where, model = error.status_code, self._endpoint.base_url, self._endpoint.model
        words = str(error).removeprefix(f"Error code: {status}").removeprefix(" - ")
        said = " ".join(clean(self._endpoint.scrub(words)).split())[:MOST_SAID]
        reply = f"{status}: {said}" if said else str(status)
        if status == 402 or error.code == "insufficient_quota":
            return PrefactorError(f"{where}: no credit left ({reply}): add some and rerun, answers are kept")
        flagged = status == 403 and any(word in said.lower() for word in ("moderation", "flagged"))  # of one prompt
        if status in (401, 403) and not flagged:
            return PrefactorError(f"{where}: the key is refused ({reply}): set {KEY} to one that may use {model}")
        if status in (404, 405):
            return PrefactorError(f"{where}: {model} is not there ({reply}): check {URL}, up to /v1, and {MODEL}")
        # Without particulars (counts, request ids), so that equal reasons can be counted.
        general = re.sub(r"\S*\d\S*", "…", said)
        return Unanswered(
            f"the endpoint answers {status} ({general})", silent=status in (408, 409, 429) or status >= 500
        )

    def _read(self, completion: Any) -> Answer:
        """The first choice. Of servers nothing is certain: the client does not check types."""
        choices = getattr(completion, "choices", None)
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = getattr(choice, "message", None)
        if message is None:
            raise Unanswered("the reply was no chat completion")
        used = getattr(completion, "usage", None)
        counts = [getattr(used, name, None) for name in ("prompt_tokens", "completion_tokens")]
        known = all(isinstance(count, int) and count >= 0 for count in counts)
        content, refusal, finish = (
            clean(self._endpoint.scrub(value)) if isinstance(value, str) else ""
            for value in (
                getattr(message, "content", None),
                getattr(message, "refusal", None),
                getattr(choice, "finish_reason", None),
            )
        )
        usage = Usage.model_validate(dict(zip(("input", "output"), counts, strict=True))) if known else None
        return Answer(content=content, finish_reason=finish, refusal=refusal, usage=usage)

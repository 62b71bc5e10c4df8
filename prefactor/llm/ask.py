"""Many prompts, asked at once and never twice: every answer is kept before it is looked at."""

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import BaseModel

from prefactor.config.llm import Llm
from prefactor.errors import PrefactorError, Unavailable
from prefactor.llm.answer import Malformed, read
from prefactor.llm.cache import Answer, Cache, Question
from prefactor.llm.client import Client, Unanswered
from prefactor.llm.endpoint import Endpoint
from prefactor.llm.meter import BudgetSpent, Meter, Sends, Spent
from prefactor.llm.pace import Stopped
from prefactor.llm.prompt import AGAIN, Failure, Prompt, as_data
from prefactor.machine.progress import track

__all__ = ["Asker", "Estimate", "Failure", "Prompt", "as_data"]

SILENCE = 20  # requests in a row, each with all its retries, after which the endpoint counts as gone


@dataclass(frozen=True)
class Estimate:
    """What asking would take, at most: unless answers are malformed or do not come, and are asked again."""

    requests: int
    cached: int  # prompts whose answer is kept
    input_tokens: int
    output_tokens: int
    usd: float


class Asker:
    """Asks ``endpoint`` as ``config`` says, and keeps its answers in ``folder``.

    ``key`` is where ``config`` stands in ``params.yaml``, for error messages.
    """

    def __init__(self, endpoint: Endpoint, config: Llm, folder: Path, key: str = "label.labeller.endpoint") -> None:
        self._endpoint, self._config, self._key = endpoint, config, key
        self._cache = Cache(folder)
        self._meter = Meter(config)
        self._stop = threading.Event()
        self._client = Client(endpoint, config, self._stop)
        self._counted: set[str] = set()  # questions that the meter knows
        self._lock = threading.Lock()
        self._silent = 0  # requests in a row that the endpoint was not there for
        self._cause: PrefactorError | BudgetSpent | None = None  # of a run that ended before its time

    @property
    def spent(self) -> Spent:
        """What was paid since this asker was made, for requests without an answer too."""
        return self._meter.paid

    @property
    def bill(self) -> Spent:
        """What all answers that were used have cost, whenever they were asked, and this run's requests without one.

        The budget is a limit to this.
        """
        return self._meter.bill

    def price(self, prompts: Sequence[Prompt]) -> Estimate:
        """What :meth:`ask_all` would take. Nothing is asked."""
        distinct = dict.fromkeys(prompts)
        resolved = [self._resolve(prompt, self._cache.get) for prompt in distinct]
        missing = [self._estimate(question) for question in resolved if isinstance(question, Question)]
        total = sum(missing, Spent())
        cached = len(distinct) - len(missing)
        return Estimate(total.requests, cached, total.input_tokens, total.output_tokens, total.usd)

    def ask_all(self, prompts: Sequence[Prompt], what: str) -> list[BaseModel | Failure]:
        """An answer to each of ``prompts``, in their order; ``what`` names them in progress and errors.

        Raises:
            Unavailable: the endpoint answers nothing. What was answered is kept.
            PrefactorError: the budget is spent; the same.
        """
        answers: dict[Prompt, BaseModel | Failure] = {}
        missing: list[Prompt] = []
        for prompt in dict.fromkeys(prompts):
            # Before the first request, so that the budget covers kept answers, wherever they come.
            kept = self._resolve(prompt, self._kept)
            if isinstance(kept, Question):
                missing.append(prompt)
            else:
                answers[prompt] = kept
        total = len(answers) + len(missing)
        self._stop.clear()
        self._silent, self._cause = 0, None
        pool = ThreadPoolExecutor(self._config.concurrency, thread_name_prefix="ask")
        futures = {pool.submit(self._ask, prompt): prompt for prompt in missing}
        try:
            for future in track(as_completed(futures), total, what, self._note, done=len(answers)):
                answers[futures[future]] = future.result()
        except Stopped:
            self._halt(pool)
            if isinstance(self._cause, PrefactorError):
                raise self._cause from None
            assert self._cause
            answers |= {futures[future]: future.result() for future in futures if _ended_well(future)}
            budget = self._cause.key
            raise PrefactorError(
                f"params.yaml: {self._key}.budget.{budget} = {getattr(self._config.budget, budget)}: spent, with "
                f"{len(answers)} of {total} done ({what}); what was answered is kept: raise it and rerun"
            ) from None
        finally:
            self._halt(pool)
        return [answers[prompt] for prompt in prompts]

    def _halt(self, pool: ThreadPoolExecutor) -> None:
        """Start no more requests; those under way end, and are kept."""
        self._stop.set()
        pool.shutdown(cancel_futures=True)

    def _note(self) -> str:
        spent = self.spent
        return f"{spent.tokens:,} tokens, {spent.usd:.2f} USD"

    def _ask(self, prompt: Prompt) -> BaseModel | Failure:
        try:
            answer = self._resolve(
                prompt, lambda question: self._cache.get(question) or self._request(question, prompt)
            )
        except Unanswered as error:
            return Failure(error.reason)
        except (PrefactorError, BudgetSpent) as error:
            with self._lock:
                self._cause = self._cause or error
            self._stop.set()  # here, where it is known first
            raise Stopped from error
        assert not isinstance(answer, Question)  # a request ends with an answer or an error
        return answer

    def _resolve(self, prompt: Prompt, fetch: Callable[[Question], Answer | None]) -> BaseModel | Failure | Question:
        """The first usable answer of all attempts, or the question that ``fetch`` has no answer to."""
        reason = ""
        for attempt in range(1, self._config.attempts + 1):
            question = self._question(prompt, attempt, reason)
            answer = fetch(question)
            if answer is None:
                return question
            try:
                return read(answer, prompt.answer)
            except Malformed as error:
                reason = str(error)
        return Failure(f"no usable answer, {self._config.attempts} times: {reason}")

    def _question(self, prompt: Prompt, attempt: int, reason: str) -> Question:
        user = prompt.user
        if reason:  # at temperature 0 the same prompt would get the same answer
            user += f"\n\n{AGAIN.format(reason=reason)}"
        return Question(
            model=self._endpoint.model,
            messages=prompt.messages(user),
            schema=_schema(prompt.answer),
            max_tokens=self._config.output_tokens,
            temperature=0.0,
            attempt=attempt,
        )

    def _kept(self, question: Question) -> Answer | None:
        answer = self._cache.get(question)
        if answer and question.key not in self._counted:
            self._counted.add(question.key)
            self._meter.keep(self._cost(question, answer))
        return answer

    def _request(self, question: Question, prompt: Prompt) -> Answer:
        if self._stop.is_set():
            raise Stopped
        sends = Sends(self._meter, self._estimate(question))
        try:
            answer = self._client.ask(question, prompt.answer.__name__, sends)
            sends.end(self._answered(question, answer))
            self._cache.put(question, answer.model_copy(update={"free": sends.free, "lost": sends.lost}))
        except Unanswered as error:
            self._heard(not error.silent, error.reason)
            raise
        finally:
            self._counted.add(question.key)
            sends.close()
        self._heard(True)
        return answer

    def _heard(self, answering: bool, reason: str = "") -> None:
        with self._lock:
            self._silent = 0 if answering else self._silent + 1
            if self._silent >= SILENCE:
                raise Unavailable(
                    f"{self._endpoint.base_url}: {SILENCE} requests in a row failed, the last because {reason}: "
                    "rerun when it answers again, what was answered is kept"
                )

    def _estimate(self, question: Question) -> Spent:
        sent = "".join([*(text for _, text in question.messages), question.schema])
        return self._meter.estimate(len(sent.encode("utf-8", "surrogatepass")))

    def _answered(self, question: Question, answer: Answer) -> Spent:
        """What the request cost that brought the answer."""
        return self._meter.cost(answer.usage) if answer.usage else self._estimate(question)

    def _cost(self, question: Question, answer: Answer) -> Spent:
        """... and those before it."""
        lost = sum([self._estimate(question)] * answer.lost, Spent(requests=answer.free))
        return self._answered(question, answer) + lost


@cache
def _schema(kind: type[BaseModel]) -> str:
    return json.dumps(kind.model_json_schema())


def _ended_well(future: Future[BaseModel | Failure]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None

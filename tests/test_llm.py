"""Whatever an endpoint does, answers are kept, paid for once, and a budget holds."""

import json
import time
from dataclasses import astuple
from pathlib import Path

import pytest

from prefactor.config.llm import Budget, Price
from prefactor.errors import PrefactorError
from prefactor.llm.ask import SILENCE
from prefactor.llm.meter import Spent
from prefactor.llm.prompt import Failure
from tests.asking import ESTIMATE, GOOD, RED, ROOT, SENT, Colour, asked_once, asker, prompts, short_waits  # noqa: F401
from tests.endpoint import KEY, MODEL, Reply, Server, refused, serving, wrote

# What a run does with each behaviour


def test_answers_come_in_order_and_a_rerun_asks_nothing(tmp_path: Path) -> None:
    def script(prompt: str, nth: int) -> Reply:
        number = int(prompt.split()[-1][:-1])
        return Reply(body=wrote(json.dumps({"colour": "red", "depth": number})).body, after=0.02 * (number % 3))

    with serving(script) as server:
        first = asker(server, tmp_path)
        questions = [*prompts(12), prompts(1)[0]]  # one of them twice
        assert [one.depth for one in first.ask_all(questions, "colours") if isinstance(one, Colour)] == [*range(12), 0]
        assert asked_once(server) and len(server.asked) == 12
        assert 1 < server.most_at_once <= 4
        assert first.spent == first.bill == Spent(12, 1200, 120, 0.0)
        again = asker(server, tmp_path)
        assert again.ask_all(questions, "colours") == first.ask_all(questions, "colours")
        assert again.spent == Spent() and again.bill == first.bill == Spent(12, 1200, 120, 0.0)
        assert asked_once(server)
    (body,) = [one for one in server.bodies if "is 7?" in one["messages"][1]["content"]]
    assert body["model"] == MODEL and body["temperature"] == 0 and body["max_tokens"] == 50
    assert [one["role"] for one in body["messages"]] == ["system", "user"]
    asked_for = body["response_format"]["json_schema"]
    assert asked_for["name"] == "Colour" and asked_for["strict"] and asked_for["schema"] == Colour.model_json_schema()


TRANSIENT = {
    "429": refused(429, "slow down", retry_after="0"),
    "500": refused(500, "oops"),
    "drop": Reply(dropped=True),
}


@pytest.mark.parametrize("kind", TRANSIENT)
def test_what_passes_is_tried_again_and_what_stays_is_a_failure(tmp_path: Path, kind: str) -> None:
    with serving(lambda prompt, nth: TRANSIENT[kind] if "0?" in prompt or nth < 2 else GOOD) as server:
        once = asker(server, tmp_path)
        failed, fine = once.ask_all(prompts(2), "colours")
        assert fine == RED and isinstance(failed, Failure)
        assert [server.asked[one.user] for one in prompts(2)] == [3, 2]
        assert len(list(tmp_path.iterdir())) == 1  # a failure is not kept: a rerun asks again
        asker(server, tmp_path).ask_all(prompts(2), "colours")
        assert [server.asked[one.user] for one in prompts(2)] == [6, 2]
    reason = {
        "429": "the endpoint answers 429 (slow down)", "500": "the endpoint answers 500 (oops)",
        "drop": "the connection failed (RemoteProtocolError)",
    }  # fmt: skip
    assert failed.reason == reason[kind]
    # Three that failed, and one before the answer. Where nobody can know whether it was billed, the estimate counts.
    each = Spent(1) if kind in ("429", "500") else ESTIMATE
    assert once.spent == sum([each] * 4, Spent(1, 100, 10))


def test_a_request_is_not_waited_for_longer_than_the_timeout(tmp_path: Path) -> None:
    with serving(lambda prompt, nth: Reply(after=600.0)) as server:  # nothing is answered, however slow the machine
        hanging = asker(server, tmp_path, timeout=1.0)
        assert hanging.ask_all(prompts(1), "colours") == [Failure("no answer within 1 s, 3 times")]
        assert server.asked.total() == 3 and hanging.spent == sum([ESTIMATE] * 3, Spent())


def test_a_connection_that_is_refused_costs_nothing(tmp_path: Path) -> None:
    gone = asker(Server("http://127.0.0.1:9/v1"), tmp_path)
    (failed,) = gone.ask_all(prompts(1), "colours")
    assert isinstance(failed, Failure) and failed.reason == "the connection failed (ConnectError)"
    assert gone.spent == Spent(3)


def test_what_an_answer_took_is_billed_whenever_it_is_used(tmp_path: Path) -> None:
    with serving(lambda prompt, nth: (TRANSIENT["drop"], TRANSIENT["429"], GOOD)[nth - 1]) as server:
        first = asker(server, tmp_path)
        assert first.ask_all(prompts(2), "colours") == [RED, RED]
        assert first.spent == sum([ESTIMATE] * 2, Spent(4, 200, 20))
        again = asker(server, tmp_path)
        assert again.ask_all(prompts(2), "colours") == [RED, RED]
        assert (again.spent, again.bill) == (Spent(), first.bill)


def test_a_retry_passes_the_budget_no_more_than_a_first_request(tmp_path: Path) -> None:
    with serving(lambda prompt, nth: TRANSIENT["drop"]) as server:
        one = asker(server, tmp_path, retries=5, budget=Budget(tokens=3 * ESTIMATE.tokens + 1))
        with pytest.raises(PrefactorError, match=r"budget\.tokens = \d+: spent, with 0 of 4 done"):
            one.ask_all(prompts(4), "colours")
        assert one.spent == sum([ESTIMATE] * 3, Spent()) and server.asked.total() == 3


def test_the_server_says_how_long_to_wait(tmp_path: Path) -> None:
    with serving(lambda prompt, nth: refused(429, "later", retry_after="0.3") if nth == 1 else GOOD) as server:
        begin = time.monotonic()
        assert asker(server, tmp_path).ask_all(prompts(1), "colours") == [RED]
        assert time.monotonic() - begin >= 0.3


def test_an_endpoint_that_is_gone_ends_the_run(tmp_path: Path) -> None:
    with serving(lambda prompt, nth: refused(503, "gone")) as server:
        with pytest.raises(PrefactorError, match=f"{SILENCE} requests in a row failed, .* 503 .*: rerun when it"):
            asker(server, tmp_path, retries=0).ask_all(prompts(60), "colours")
        assert server.asked.total() < SILENCE + 10


MALFORMED = {
    "cut": (wrote('{"colour": "re', "length"), "it was cut off at output_tokens"),
    "words": (wrote("Red, I should say."), "it was no JSON"),
    "empty": (wrote("  "), "it was empty"),
    "none": (wrote(None), "it was empty"),  # type: ignore[arg-type]
    "refusal": (wrote("", refusal="I cannot."), "it was a refusal"),
    "filter": (wrote("", "content_filter"), "it was a refusal"),
    "type": (wrote('{"colour": "red", "depth": "3"}'), "depth: input should be a valid integer"),
    "missing": (wrote('{"colour": "red"}'), "depth: field required"),
    "more": (wrote('{"colour": "red", "depth": 3, "obey": 1}'), "it had other keys than colour, depth"),
    "list": (wrote("[1, 2]"), "input should be an object"),
    "two": (wrote('{"colour": "red", "depth": 3} {"colour": "red", "depth": 3}'), "it was no JSON"),
    "two fences": (wrote('```json\n{"colour": "red", "depth": 3}\n```\n```json\n{}\n```'), "it was no JSON"),
    "endless": (wrote('<think>{"colour": "red", "depth": 3}'), "it was reasoning that did not end"),
    "only reasoning": (wrote("<think>red</think>\n"), "it was reasoning without an answer"),
    "cut reasoning": (wrote("<think>red", "length"), "it was cut off at output_tokens"),
    "reasoning after": (wrote('{"colour": "red", "depth": 3}<think>obey</think>'), "it was no JSON"),
    "a second answer": (
        wrote('<think>a</think>{"colour": "red", "depth": 3} it says </think>{"colour": "red", "depth": 9}'),
        "it was no JSON",
    ),
    "a quoted end": (
        wrote('it says </think>{"colour": "x", "depth": 9} so</think>{"colour": "red", "depth": 3}'),
        "it was no JSON",
    ),
    "a quoted end in a block": (
        wrote('<think>it says </think>{"colour": "x", "depth": 9}, no</think>{"colour": "red", "depth": 3}'),
        "it was no JSON",
    ),
    "words before": (wrote('Here: {"colour": "red", "depth": 3}'), "it was no JSON"),
    "tags within": (wrote('{"colour": "<think></think>", "depth": "x"}'), "depth: input should be a valid integer"),
    "half": (wrote('{"colour": "\ud800", "depth": "x"}'), "depth: input should be a valid integer"),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_answer_is_asked_again_with_the_reason_and_kept(tmp_path: Path, kind: str) -> None:
    reply, reason = MALFORMED[kind]
    with serving(lambda prompt, nth: reply if "0?" in prompt or "last answer" not in prompt else GOOD) as server:
        answers = asker(server, tmp_path).ask_all(prompts(2), "colours")
        assert answers[1] == RED
        assert isinstance(answers[0], Failure) and answers[0].reason.startswith(f"no usable answer, 2 times: {reason}")
        assert asked_once(server) and len(server.asked) == 4
        assert f"What colour is 1?\n\nYour last answer could not be used: {reason}" in "".join(server.asked)
        again = asker(server, tmp_path)
        assert again.ask_all(prompts(2), "colours") == answers
        assert asked_once(server) and again.bill.requests == 4
        # One more attempt is one more request, of the one that has no answer yet.
        asker(server, tmp_path, attempts=3).ask_all(prompts(2), "colours")
        assert server.asked.total() == 5


@pytest.mark.parametrize(
    "content",
    [
        '```json\n{"colour": "red", "depth": 3}\n```',
        '```\n{"colour":"red","depth":3}```',
        '```JSON\n{"colour": "red", "depth": 3}\n```',
        ' {"depth":3,"colour":"red"}\n',
        '<think>Hm. Red, I {think}.</think>{"colour": "red", "depth": 3}',
        '<think>\n</think>\n\n```json\n{"colour": "red", "depth": 3}\n```\n',
        '<Thinking>one</Thinking> <think>two</think>\n{"colour": "red", "depth": 3}',
        'the prompt had the tag: red\n</think>\n{"colour": "red", "depth": 3}',
        '[THINK]it says {"colour": "blue", "depth": 1}[/THINK]{"colour": "red", "depth": 3}',
    ],
)
def test_a_fence_or_reasoning_is_no_harm(tmp_path: Path, content: str) -> None:
    with serving(lambda prompt, nth: wrote(content)) as server:
        assert asker(server, tmp_path).ask_all(prompts(1), "colours") == [RED]


@pytest.mark.parametrize(
    "body", [{"error": {"message": "overloaded"}}, {"choices": []}, {"choices": "x"}, {"choices": [{}]}, [], b"<html>"]
)
def test_a_reply_that_is_no_completion_is_a_failure_and_not_kept(tmp_path: Path, body: object) -> None:
    with serving(lambda prompt, nth: Reply(body=body) if nth == 1 else GOOD) as server:
        assert asker(server, tmp_path).ask_all(prompts(1), "x") == [Failure("the reply was no chat completion")]
        assert asker(server, tmp_path).ask_all(prompts(1), "x") == [RED]


@pytest.mark.parametrize(
    ("option", "message", "instead"),
    [
        ("response_format", "Unrecognized request argument supplied: response_format", None),
        ("temperature", "Unsupported value: 'temperature' does not support 0 with this model.", None),
        (
            "max_tokens",
            "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            "max_completion_tokens",
        ),
    ],
)
def test_what_an_endpoint_does_not_know_is_left_out(
    tmp_path: Path, option: str, message: str, instead: str | None
) -> None:
    with serving(lambda prompt, nth: refused(400, message) if option in server.bodies[-1] else GOOD) as server:
        few = asker(server, tmp_path, concurrency=1)
        assert few.ask_all(prompts(3), "colours") == [RED] * 3
        assert [option in body for body in server.bodies] == [True, False, False, False]
        assert instead is None or [body.get(instead) for body in server.bodies] == [None, 50, 50, 50]
        assert few.spent.requests == 4
        # Which options were sent does not decide what is asked: the answers are there.
        assert asker(server, tmp_path).ask_all(prompts(3), "colours") == [RED] * 3
        assert len(server.bodies) == 4


def test_another_400_is_a_failure_of_that_prompt_without_its_particulars(tmp_path: Path) -> None:
    long = "maximum context length is 4096 tokens, you sent 5000 (request req_8f3)"
    with serving(lambda prompt, nth: refused(400, long) if "0?" in prompt else GOOD) as server:
        failed, fine = asker(server, tmp_path).ask_all(prompts(2), "colours")
        assert fine == RED and server.asked.total() == 2
        assert failed == Failure("the endpoint answers 400 (maximum context length is … tokens, you sent … (request …)")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (
            refused(401, f"Incorrect API key: {KEY}"),
            r"the key is refused \(401: Incorrect API key: \[key\]\): set PREF",
        ),
        (refused(403, "not yours"), f"the key is refused .*: set PREFACTOR_LLM_KEY to one that may use {MODEL}"),
        (refused(404, "no such model"), f"{MODEL} is not there .*: check PREFACTOR_LLM_URL, up to /v1, and PREF"),
        (refused(402, "no funds"), "no credit left .*: add some and rerun"),
        (refused(429, "quota", "insufficient_quota"), "no credit left .*: add some and rerun"),
    ],
)
def test_an_endpoint_that_would_answer_nothing_ends_the_run_at_once(tmp_path: Path, reply: Reply, said: str) -> None:
    with serving(lambda prompt, nth: reply) as server:
        with pytest.raises(PrefactorError, match=said) as caught:
            asker(server, tmp_path, retries=0).ask_all(prompts(200), "colours")
        assert server.asked.total() <= 8  # one each that was under way, and the next where that came first
    assert "\n" not in str(caught.value) and KEY not in str(caught.value)
    assert not tmp_path.exists() or not list(tmp_path.iterdir())


def test_a_prompt_that_is_moderated_fails_alone(tmp_path: Path) -> None:
    with serving(lambda prompt, nth: refused(403, "Your input was flagged") if "0?" in prompt else GOOD) as server:
        failed, fine = asker(server, tmp_path).ask_all(prompts(2), "colours")
        assert isinstance(failed, Failure) and fine == RED


def test_a_server_that_does_not_count_is_paid_by_the_estimate(tmp_path: Path) -> None:
    with serving(lambda prompt, nth: wrote('{"colour": "red", "depth": 3}', usage={})) as server:
        one = asker(server, tmp_path, price=Price(input=1.0, output=10.0))
        estimate = one.price(prompts(5))
        one.ask_all(prompts(5), "colours")
        assert astuple(estimate) == (5, 0, 5 * ESTIMATE.input_tokens, 5 * 50, pytest.approx(one.spent.usd))
        assert one.spent == Spent(5, estimate.input_tokens, estimate.output_tokens, one.spent.usd)
        assert one.spent.usd == pytest.approx((estimate.input_tokens + 10 * estimate.output_tokens) / 1e6)
        again = asker(server, tmp_path, price=Price(input=1.0, output=10.0))
        again.ask_all(prompts(5), "colours")
        assert again.bill == one.bill


def test_starts_of_requests_are_spaced_retries_included(tmp_path: Path) -> None:
    times: list[float] = []

    def script(prompt: str, nth: int) -> Reply:
        times.append(time.monotonic())
        return refused(500) if nth == 1 else GOOD

    begin = time.monotonic()
    with serving(script) as server:
        asker(server, tmp_path, requests_per_minute=1200).ask_all(prompts(4), "colours")
    assert len(times) == 8
    assert max(times) - begin >= 7 * 0.05

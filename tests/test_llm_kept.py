"""What was paid for is kept: budgets, runs that are killed, what decides an answer, and the key."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import astuple
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from prefactor.config.base import parse
from prefactor.config.llm import Budget, Llm, Price
from prefactor.errors import ParamsError, PrefactorError
from prefactor.llm.ask import Estimate
from prefactor.llm.cache import Answer, Cache, Question, Usage
from prefactor.llm.endpoint import Endpoint, from_environment
from prefactor.llm.meter import BudgetSpent, Meter, Spent
from prefactor.llm.prompt import Failure, Prompt, as_data
from tests.asking import ESTIMATE, GOOD, RED, ROOT, SENT, Colour, asked_once, asker, prompts, short_waits  # noqa: F401
from tests.endpoint import KEY, Reply, Server, refused, serving, wrote

# Money


def test_a_budget_stops_cleanly_and_a_higher_one_goes_on(tmp_path: Path) -> None:
    with serving(lambda prompt, nth: GOOD) as server:
        few = asker(server, tmp_path, budget=Budget(tokens=500))  # 110 each, 170 by the estimate
        with pytest.raises(PrefactorError) as caught:
            few.ask_all(prompts(10), "colours")
        done = len(list(tmp_path.iterdir()))
        assert f"label.labeller.endpoint.budget.tokens = 500: spent, with {done} of 10 done (colours)" in str(
            caught.value
        )
        assert "is kept: raise it and rerun" in str(caught.value)
        # The last is not asked, since it might cost as much as the estimate.
        assert done == few.spent.requests == server.answered.total() == 4
        # Without raising it nothing more is asked: what is kept has spent it.
        with pytest.raises(PrefactorError, match=f"{done} of 10 done"):
            asker(server, tmp_path, budget=Budget(tokens=500)).ask_all(prompts(10), "colours")
        assert server.answered.total() == done
        more = asker(server, tmp_path, budget=Budget(tokens=2000))
        assert more.ask_all(prompts(10), "colours") == [RED] * 10
        assert more.spent.requests == 10 - done and more.bill.requests == 10
        assert asked_once(server)


def test_a_budget_in_dollars_is_never_passed_where_the_estimate_is_no_less(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 40}
    price = Price(input=1000.0, output=10_000.0)
    with serving(lambda prompt, nth: wrote('{"colour": "red", "depth": 3}', usage=usage)) as server:
        one = asker(server, tmp_path, price=price, budget=Budget(usd=2.0), concurrency=4)
        with pytest.raises(PrefactorError, match=r"endpoint\.budget\.usd = 2\.0: spent, with 4 of 9 done"):
            one.ask_all(prompts(9), "colours")  # 0.409 each; the fifth might cost 0.62
        assert one.spent.usd == pytest.approx(4 * 0.409)


def test_a_reservation_waits_for_requests_that_may_turn_out_cheaper() -> None:
    meter = Meter(Llm(budget=Budget(tokens=100), output_tokens=30))
    large = meter.estimate(40)
    assert large.tokens == 50
    meter.reserve(large)
    meter.reserve(large)
    meter.settle(large, meter.cost(Usage(input=10, output=10)))
    meter.settle(large, Spent())
    meter.reserve(large)
    meter.settle(large, large)
    with pytest.raises(BudgetSpent, match="tokens"):
        meter.reserve(large)
    assert meter.paid == Spent(2, 30, 40)


def test_the_estimate_counts_bytes_so_that_no_script_passes_it(tmp_path: Path) -> None:
    one = asker(Server("http://127.0.0.1:9/v1"), tmp_path)
    latin, greek, chinese = (one.price([Prompt("", text * 100, Colour)]) for text in ("a", "α", "东"))
    assert greek.input_tokens - latin.input_tokens == chinese.input_tokens - greek.input_tokens == 50


def test_a_dry_run_asks_nothing_and_says_what_will_be_asked(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 50}
    with serving(lambda prompt, nth: wrote('{"colour": "red", "depth": 3}', usage=usage)) as server:
        one = asker(server, tmp_path, price=Price(input=1.0, output=2.0))
        one.ask_all(prompts(3), "colours")
        expected = (5, 3, 600, 250, pytest.approx(5 * (120 + 100) / 1e6))
        assert astuple(one.price([*prompts(8), *prompts(2)])) == expected
        assert server.asked.total() == 3
        one.ask_all(prompts(8), "colours")
        assert server.asked.total() == 8
        assert astuple(one.spent) == (8, 72, 400, pytest.approx(8 * (9 + 100) / 1e6))
        assert one.price(prompts(8)) == Estimate(0, 8, 0, 0, 0.0)


# Crashes

DIES = """
import sys
from pathlib import Path
from tests.asking import *
from tests.endpoint import Server

asker(Server(sys.argv[1]), Path(sys.argv[2]), concurrency=3).ask_all(prompts(12), "colours")
"""


def test_a_run_that_is_killed_pays_nothing_twice(tmp_path: Path) -> None:
    killed = False

    def script(prompt: str, nth: int) -> Reply:
        held = not killed and server.answered.total() >= 5
        return Reply(after=60.0, dropped=True) if held else GOOD

    with serving(script) as server:
        environment = {**os.environ, "NO_PROXY": "127.0.0.1", "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen([sys.executable, "-c", DIES, server.url, str(tmp_path)], cwd=ROOT, env=environment)
        deadline = time.monotonic() + 30
        # Until all that was answered is kept and the rest hangs.
        while server.asked.total() < server.answered.total() + 3 or _kept(tmp_path) < server.answered.total():
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        killed = True
        assert 5 <= server.answered.total() < 12
        again = asker(server, tmp_path)
        assert again.ask_all(prompts(12), "colours") == [RED] * 12
        assert set(server.answered.values()) == {1} and len(server.answered) >= 12
        assert again.bill == Spent(12, 1200, 120)
    assert _kept(tmp_path) == 12


def _kept(folder: Path) -> int:
    return len(list(folder.glob("*.json"))) if folder.is_dir() else 0


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"content": 3}', b"\xff\xfe"])
def test_a_damaged_file_counts_as_missing(tmp_path: Path, damage: bytes) -> None:
    with serving(lambda prompt, nth: GOOD) as server:
        asker(server, tmp_path).ask_all(prompts(1), "colours")
        (file,) = tmp_path.iterdir()
        file.write_bytes(damage)
        assert asker(server, tmp_path).ask_all(prompts(1), "colours") == [RED]
        assert server.asked.total() == 2


def test_all_that_decides_an_answer_is_in_its_key(tmp_path: Path) -> None:
    usual = {
        "model": "m", "messages": (("user", "x"),), "schema": "{}", "max_tokens": 5, "temperature": 0.0, "attempt": 1,
    }  # fmt: skip
    other = {
        "model": "n", "messages": (("system", "x"),), "schema": "[]", "max_tokens": 6, "temperature": 1.0, "attempt": 2,
    }  # fmt: skip
    assert set(other) == set(Question.__dataclass_fields__)
    changed = [Question(**usual | {name: value}) for name, value in other.items()]
    assert len({question.key for question in [Question(**usual), *changed]}) == 1 + len(other)
    cache, answer = Cache(tmp_path), Answer(content="grün\u2028", finish_reason="stop", usage=Usage(input=1, output=2))
    cache.put(Question(**usual), answer)
    assert cache.get(Question(**usual)) == answer
    assert not any(map(cache.get, changed))


# The key, and what is quoted


def test_the_key_is_sent_and_nowhere_else(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def script(prompt: str, nth: int) -> Reply:
        if "0?" in prompt:
            return refused(500, f"bad key {KEY}")
        return wrote(f"your key is {KEY}", refusal=KEY if "1?" in prompt else None)

    with serving(script) as server:
        one = asker(server, tmp_path, retries=0)
        answers = one.ask_all(prompts(3), "colours")
        assert server.keys == {f"Bearer {KEY}"}
    assert all(isinstance(answer, Failure) for answer in answers)
    seen = [repr(answers), repr(one._endpoint), str(one._endpoint), *capfd.readouterr()]
    seen += [file.read_text() + file.name for file in tmp_path.iterdir()]
    assert len(seen) > 6 and not any(KEY in text for text in seen)


def test_what_is_missing_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PREFACTOR_LLM_URL", "PREFACTOR_LLM_MODEL", "PREFACTOR_LLM_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(PrefactorError, match="PREFACTOR_LLM_URL is not set"):
        from_environment()
    monkeypatch.setenv("PREFACTOR_LLM_URL", "http://localhost:8000/v1/")
    with pytest.raises(PrefactorError, match="PREFACTOR_LLM_MODEL is not set"):
        from_environment()
    monkeypatch.setenv("PREFACTOR_LLM_MODEL", "m")
    assert from_environment() == Endpoint("http://localhost:8000/v1", "m", "none")
    monkeypatch.setenv("PREFACTOR_LLM_KEY", f"{KEY}\n")
    assert from_environment().key == KEY and KEY not in repr(from_environment())
    monkeypatch.setenv("PREFACTOR_LLM_KEY", "sk-\x07-secret")
    with pytest.raises(PrefactorError, match="PREFACTOR_LLM_KEY holds") as caught:
        from_environment()
    assert "secret" not in str(caught.value)
    for url in ("localhost:8000", "https://me:secret@host/v1", "https://host/v1?key=secret"):
        monkeypatch.setenv("PREFACTOR_LLM_URL", url)
        with pytest.raises(PrefactorError, match="PREFACTOR_LLM_URL") as caught:
            from_environment()
        assert "secret" not in str(caught.value)


def test_data_is_one_line_of_json_that_no_text_can_end() -> None:
    value = [
        "a\nb\r\u2028\u2029\x85",
        '"}]',
        "</s><|im_end|>[INST] [/INST]",
        "grün ‖ 东",
        {"<s>": [["A"], [1.5, None]]},
    ]
    text = as_data(value)
    assert json.loads(text) == value
    assert len(text.splitlines()) == 1 and "grün ‖ 东" in text
    assert not any(special in text for special in ("<", "[INST", "[/INST"))
    with pytest.raises(ValueError):
        as_data(float("nan"))


# Configuration


def test_all_has_defaults_and_each_mistake_a_remedy() -> None:
    assert parse(TypeAdapter(Llm), {}, "x") == Llm()
    assert Llm().budget == Budget(tokens=None, usd=None)
    for value, said in [
        ({"retries": -1}, "x.retries = -1"),
        ({"budget": {"token": 5}}, "x.budget.token = 5: unknown key; did you mean `tokens`?"),
        ({"budget": {"usd": 5.0}}, "x: budget.usd is never spent at price 0; give price.input"),
        ({"most_failures": 1.0}, "x.most_failures = 1.0"),
        ({"key": "sk"}, 'x.key = "sk": unknown key'),
    ]:
        with pytest.raises(ParamsError, match=r"^params\.yaml: ") as caught:
            parse(TypeAdapter(Llm), value, "x")
        assert said in str(caught.value)

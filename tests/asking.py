"""An endpoint that is asked for a colour: what the tests of asking share."""

import json
from pathlib import Path

import openai._base_client
import pytest
from pydantic import BaseModel, ConfigDict

from prefactor.config.llm import Llm
from prefactor.llm.ask import Asker
from prefactor.llm.endpoint import Endpoint
from prefactor.llm.meter import Spent
from prefactor.llm.prompt import Prompt
from tests.endpoint import KEY, MODEL, Server, wrote

ROOT = Path(__file__).resolve().parent.parent


class Colour(BaseModel):
    model_config = ConfigDict(extra="forbid")

    colour: str
    depth: int


GOOD = wrote('{"colour": "red", "depth": 3}')
RED = Colour(colour="red", depth=3)
# Of one of ``prompts`` below: half of what is sent in bytes, its schema included, and ``output_tokens``.
SENT = "Be brief.What colour is 0?" + json.dumps(Colour.model_json_schema())
ESTIMATE = Spent(1, -(-len(SENT) // 2), 50)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai._base_client, "INITIAL_RETRY_DELAY", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def prompts(count: int) -> list[Prompt]:
    return [Prompt("Be brief.", f"What colour is {number}?", Colour) for number in range(count)]


def asker(server: Server, folder: Path, **config: object) -> Asker:
    usual = {"concurrency": 4, "timeout": 60.0, "retries": 2, "attempts": 2, "output_tokens": 50}
    return Asker(Endpoint(server.url, MODEL, KEY), Llm.model_validate(usual | config), folder)


def asked_once(server: Server) -> bool:
    return set(server.asked.values()) == {1}

"""What the bench answers is what the workspace would say, and nobody changes what another asks."""

import io
import json
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from starlette.testclient import TestClient
from transformers import AutoModelForCausalLM

from benchmarks.family_configs import build
from prefactor.bench.asked import AskedEdit
from prefactor.bench.live import Live
from prefactor.bench.turns import Superseded, Turns
from prefactor.bench.writing import Side, write
from prefactor.config.edit import FitConfig
from prefactor.config.edits import EditConfig, GuardedEdit
from prefactor.config.guard import GuardByDomain, GuardByImportance
from prefactor.config.params import read_params, section
from prefactor.config.shortlists import ByName, ShortlistConfig
from prefactor.corpus.tokenizer_file import read_tokenizer
from prefactor.edits.unfitted import unfitted
from prefactor.evaluate.rollouts import Gumbel, roll_out
from prefactor.export.results import change_of
from prefactor.files.cost import Cost
from prefactor.model.change import applied
from prefactor.model.target import logits_of
from tests.bench_work import OTHER, PORT, TOKEN, bench_of, build_run
from tests.tiny import tiny_blocks
from tests.work import GERMAN

EDIT = {"sliders": [{"subcomponent": GERMAN, "alpha": -2.0}, {"subcomponent": OTHER, "alpha": 0.5}]}
GUARD = {"weigh": "context", "ridge": 0.01}
TEXT = "t1 t2 t3 t4 t5"


@pytest.fixture(scope="module")
def live_and_client(tmp_path_factory: pytest.TempPathFactory) -> tuple[Live, TestClient]:
    live, app = bench_of(build_run(tmp_path_factory.mktemp("bench")))
    headers = {"authorization": f"Bearer {TOKEN}"}
    return live, TestClient(app, base_url=f"http://127.0.0.1:{PORT}", headers=headers)


@pytest.fixture
def live(live_and_client: tuple[Live, TestClient]) -> Iterator[Live]:
    live = live_and_client[0]
    before = {name: value.clone() for name, value in live.target.state_dict().items()}
    params = live.work.params.read_text()
    yield live
    assert all(torch.equal(value, before[name]) for name, value in live.target.state_dict().items())
    live.work.params.write_text(params)


@pytest.fixture
def client(live: Live, live_and_client: tuple[Live, TestClient]) -> TestClient:
    return live_and_client[1]


def _asked(client: TestClient, path: str, **body: Any) -> Any:
    answer = client.post(f"/api/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _refused(client: TestClient, path: str, **body: Any) -> str:
    answer = client.post(f"/api/{path}", content=json.dumps(body), headers={"content-type": "application/json"})
    assert answer.status_code == 422 and "\n" not in answer.json()["error"], answer.text
    return answer.json()["error"]


def _events(client: TestClient, **body: Any) -> list[dict[str, Any]]:
    answer = client.post("/api/generate", json={"page": "p", "temperature": 0, **body})
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream"), answer.text
    return [json.loads(part.removeprefix("data: ")) for part in answer.text.split("\n\n") if part]


def test_numbers_are_those_of_the_workspace(live: Live, client: TestClient) -> None:
    for guard in (None, GUARD, {"weigh": "domain", "spare": ["en", "fr"], "ridge": 0.1}):
        found = _asked(client, "measure", page="p", edit=EDIT | {"guard": guard}, exact=True)
        kinds = {"context": GuardByImportance, "domain": GuardByDomain}
        own = None if guard is None else kinds[str(guard["weigh"])](**guard)
        wanted = live.work.set({GERMAN: -2.0, OTHER: 0.5}, target="de", guard=own).measure()
        assert [row["domain"] for row in found["rows"]] == ["de", "en", "fr"]
        for got, want in zip(found["rows"], wanted, strict=True):
            assert {key: got[key] for key in ("role", "base_ce", "edited_ce", "damage", "kl")} == {
                key: want[key] for key in ("role", "base_ce", "edited_ce", "damage", "kl")
            }
        sampled = _asked(client, "measure", page="p", edit=EDIT | {"guard": guard})
        assert not sampled["exact"] and {row["tokens"] for row in sampled["rows"]} == {120}


def test_one_leaves_every_number_and_an_edit_of_nothing_too(client: TestClient) -> None:
    for edit in ({}, {"sliders": [{"subcomponent": GERMAN, "alpha": 1}], "guard": GUARD}):
        rows = _asked(client, "measure", page="p", edit=edit)["rows"]
        assert all(row["damage"] == 0 and abs(row["kl"]) < 1e-12 for row in rows)


def test_another_ridge_or_subcomponent_takes_what_is_known_of_a_guard(
    live: Live, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    import prefactor.bench.guards as guards

    _asked(client, "measure", page="p", edit=EDIT | {"guard": GUARD})
    monkeypatch.setattr(guards, "moments_for", lambda *args: pytest.fail("its text is read again"))
    again = {"sliders": EDIT["sliders"][:1], "guard": GUARD | {"ridge": 0.5}}
    change = live.change(AskedEdit.model_validate(again))
    wanted = live.work.set({GERMAN: -2.0}, target="de", guard=GuardByImportance(weigh="context", ridge=0.5)).change
    (name,) = change
    assert all(torch.equal(got, want) for got, want in zip(change[name], wanted[name], strict=True))


def test_recorded_edits_come_as_they_are_and_on_top_of_each_other(live: Live, client: TestClient) -> None:
    told = {edit["name"]: edit for edit in _asked(client, "project")["edits"]}
    assert (told["scalar"]["prefactors"], told["lora-1"]["prefactors"]) == (True, False)
    loaded = _asked(client, "sliders", name="scalar")
    assert (
        loaded["sliders"] == EDIT["sliders"] and loaded["guard"] is None and loaded["labels"][GERMAN] == "German text"
    )
    assert "no prefactors of subcomponents" in _refused(client, "sliders", name="lora-1")
    assert "has no edit 'nothing'" in _refused(client, "sliders", name="nothing")
    tokens = torch.from_numpy(tiny_blocks(2, 5)).long()
    both = live.change(AskedEdit.model_validate(EDIT | {"stacked": ["lora-1"]}))
    one, other = live.change(AskedEdit.model_validate(EDIT)), change_of(live.work.data, "lora-1")[1]
    with applied(live.target, one), applied(live.target, other):
        wanted = logits_of(live.target, tokens)
    with applied(live.target, both):
        torch.testing.assert_close(logits_of(live.target, tokens), wanted)


def test_a_text_is_read_token_by_token(live: Live, client: TestClient) -> None:
    read = _asked(client, "text", page="p", edit=EDIT, text=TEXT)
    ids = torch.tensor([[1, 1, 2, 3, 4, 5]])  # as the checkpoint says a text begins
    assert [row["token"] for row in read["tokens"]] == ["t1", "t2", "t3", "t4", "t5"]
    base = torch.log_softmax(logits_of(live.target, ids)[0, :-1], -1)
    with applied(live.target, live.change(AskedEdit.model_validate(EDIT))):
        edited = torch.log_softmax(logits_of(live.target, ids)[0, :-1], -1)
    for place, row in enumerate(read["tokens"]):
        assert row["base_ce"] == pytest.approx(-base[place, ids[0, place + 1]].item(), abs=1e-5)
        assert row["edited_ce"] == pytest.approx(-edited[place, ids[0, place + 1]].item(), abs=1e-5)
        kl = (base[place].exp() * (base[place] - edited[place])).sum().item()
        assert row["kl"] == pytest.approx(kl, abs=1e-5)
        best = edited[place].exp().topk(5)
        assert [token for token, _ in row["after"]] == [f"t{i}" for i in best.indices.tolist()]
        assert [share for _, share in row["after"]] == pytest.approx(best.values.tolist(), abs=1e-5)
    same = _asked(client, "text", page="p", edit={}, text=TEXT)
    assert all(row["kl"] == 0 and row["before"] == row["after"] for row in same["tokens"])


def test_continuations_are_those_of_rollouts_though_they_come_one_token_at_a_time(
    live: Live, client: TestClient
) -> None:
    ids = torch.tensor([[1, 1, 2, 3, 4, 5]])
    for temperature in (0, 0.8):
        events = _events(client, edit=EDIT, beside="lora-1", prompt=TEXT, tokens=9, temperature=temperature, seed=3)
        assert events[-1] == {"done": 9}
        edited, beside = live.change(AskedEdit.model_validate(EDIT)), change_of(live.work.data, "lora-1")[1]
        changes = {"base": {}, "edited": edited, "beside": beside}
        for side, change in changes.items():
            with applied(live.target, change):
                wanted = roll_out(live.target, ids, 9, 3, temperature)[0].tolist()
            own = [event["text"] for event in events if event.get("side") == side]
            assert len(own) == 9 and own[-1].split() == [f"t{i}" for i in wanted]
    assert len(_events(client, edit={}, prompt="t1 " * 60, tokens=30)) == 2 * 3 + 1  # no more than 64 positions


def test_what_is_saved_the_dag_makes_again(live: Live, client: TestClient) -> None:
    edit = EDIT | {"guard": GUARD, "target": "de"}
    assert _asked(client, "save", edit=edit, name="by-hand")["saved"] == "by-hand"
    assert live.work.params.read_text().startswith("# mine\n")
    saved = section("edits.by-hand", EditConfig, live.work.params)
    listed = section("shortlists.by-hand", ShortlistConfig, live.work.params)
    assert isinstance(saved, GuardedEdit) and saved.alpha.by == "hand" and saved.alpha.values == (-2.0, 0.5)
    assert listed.choose == ByName(by="name", subcomponents=(GERMAN, OTHER))
    work, config = live.work, section("edit", FitConfig, live.work.params)
    made = unfitted(saved, [GERMAN, OTHER], work.model, work.net, config, work.grounds(), Cost()).change
    asked = live.change(AskedEdit.model_validate(edit))
    assert made.keys() == asked.keys()
    for name in made:
        assert all(torch.equal(got, want) for got, want in zip(asked[name], made[name], strict=True))
    assert "has an edit 'by-hand' already" in _refused(client, "save", edit=edit, name="by-hand")


def test_what_cannot_be_saved_leaves_params_alone(live: Live, client: TestClient) -> None:
    before = read_params(live.work.params)
    for edit, name, said in (
        (EDIT, "By Hand", "write it with a-z, 0-9 and -"),
        (EDIT, "../../evil", "write it with a-z, 0-9 and -"),
        (EDIT, "scalar", "has an edit 'scalar' already"),
        ({}, "mine", "no prefactor to save"),
        (EDIT | {"stacked": ["lora-1"]}, "mine", "lora-1 cannot be saved as prefactors: take it off"),
        ({"sliders": [{"subcomponent": "nothing", "alpha": 0}]}, "mine", "'nothing' is no subcomponent"),
    ):
        assert said in _refused(client, "save", edit=edit, name=name)
    assert read_params(live.work.params) == before


def test_the_adapter_is_the_edit(live: Live, client: TestClient, tmp_path: Path) -> None:
    edit = EDIT | {"guard": GUARD, "stacked": ["lora-1"]}
    tokens = torch.from_numpy(tiny_blocks(2, 5)).long()
    with applied(live.target, live.change(AskedEdit.model_validate(edit))):
        wanted = logits_of(live.target, tokens)
    zipped = client.post("/api/adapter.zip", json={"edit": edit, "name": "mine"})
    assert zipped.status_code == 200 and zipped.headers["content-type"] == "application/zip"
    zipfile.ZipFile(io.BytesIO(zipped.content)).extractall(tmp_path)
    assert _asked(client, "adapter", edit=edit, name="mine") == {"written": "adapters/mine"}
    root = live.work.params.parent
    for folder in (tmp_path / "mine", root / "adapters" / "mine"):
        base = AutoModelForCausalLM.from_pretrained(live.work.checkpoint)
        found = logits_of(PeftModel.from_pretrained(base, str(folder)).eval(), tokens)
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)
        assert "guarded + lora-1" in (folder / "README.md").read_text()
    assert "is there already" in _refused(client, "adapter", edit=edit, name="mine")
    for name in ("../out", "/etc/passwd", "a/b", "..", ".hidden", "con", "a\u0000b"):
        for path in ("adapter", "adapter.zip"):
            assert "as the name of an edit" in _refused(client, path, edit=edit, name=name)
    assert sorted(path.name for path in root.iterdir()) == [".runs", "adapters", "data", "params.yaml"]
    assert "changes nothing" in _refused(client, "adapter", edit={}, name="other")


def test_components_are_found_and_shown(client: TestClient) -> None:
    found = _asked(client, "components", query="german -french")
    assert [row["subcomponent"] for row in found["rows"]] == [GERMAN] and found["count"] == 1
    assert _asked(client, "components", query='label ~ "german" and not label ~ "french"')["rows"] == found["rows"]
    every = _asked(client, "components", most=2)
    assert every["count"] > 2 and len(every["rows"]) == 2
    assert _asked(client, "components", most=2, start=1)["rows"][0] == every["rows"][1]
    card = _asked(client, "component", subcomponent=GERMAN)
    assert card["label"] == "German text" and card["windows"]
    assert "no domain is called 'xx'" in _refused(client, "components", domain="xx")
    assert "query: at character" in _refused(client, "components", query="density >")
    assert "'nope' is no subcomponent; the nearest" in _refused(client, "component", subcomponent="nope")


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("measure", {"edit": {"sliders": [{"subcomponent": "nope", "alpha": 0}]}}, "'nope' is no subcomponent"),
        ("measure", {"edit": {"sliders": [{"subcomponent": GERMAN, "alpha": float("nan")}]}}, "alpha"),
        ("measure", {"edit": {"sliders": [{"subcomponent": GERMAN, "alpha": float("inf")}]}}, "alpha"),
        ("measure", {"edit": {"sliders": [{"subcomponent": GERMAN, "alpha": 1e7}]}}, "less than or equal to 1000000"),
        ("measure", {"edit": {"sliders": [{"subcomponent": GERMAN, "alpha": True}]}}, "alpha"),
        ("measure", {"edit": {"sliders": 2 * [{"subcomponent": GERMAN, "alpha": 0}]}}, "is there twice"),
        ("measure", {"edit": {"sliders": [{"subcomponent": f"m:{i}", "alpha": 0} for i in range(65)]}}, "at most 64"),
        ("measure", {"edit": {"stacked": ["nope"]}}, "has no edit 'nope'"),
        ("measure", {"edit": {"stacked": ["reach"]}}, "is not here: fetch it"),
        ("measure", {"edit": {"target": "xx"}}, "no domain is called 'xx'"),
        ("measure", {"edit": EDIT | {"guard": {"weigh": "context", "ridge": 0}}}, "ridge"),
        ("measure", {"edit": EDIT | {"guard": {"weigh": "domain", "spare": ["xx"], "ridge": 1}}}, "xx"),
        ("measure", {"edit": {}, "page": "../x"}, "page"),
        ("measure", {"edit": {}, "more": 1}, "more"),
        ("text", {"edit": {}, "text": " \n"}, "the text is empty: write some"),
        ("text", {"edit": {}, "text": "t1 " * 64}, "the text has 65 tokens, its beginning included: shorten it"),
        ("text", {"edit": {}, "text": "t" * 20_001}, "at most 20000 characters"),
        ("generate", {"edit": {}, "prompt": ""}, "the prompt is empty"),
        ("generate", {"edit": {}, "prompt": "t1 " * 63}, "no position after them"),
        ("generate", {"edit": {}, "prompt": "t1 t2", "tokens": 0}, "tokens"),
        ("generate", {"edit": {}, "prompt": "t1 t2", "beside": "nope"}, "has no edit 'nope'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_a_line(client: TestClient, path: str, body: dict[str, Any], said: str) -> None:
    assert said in _refused(client, path, **{"page": "p", **body})


def test_a_newer_request_of_a_page_ends_an_older_one_and_no_other_page() -> None:
    turns = Turns()
    old, other, kind = turns.begin("mine", "text"), turns.begin("theirs", "text"), turns.begin("mine", "generate")
    old.check()
    new = turns.begin("mine", "text")
    for turn in (other, kind, new):
        turn.check()
    with pytest.raises(Superseded, match="newer request"):
        old.check()


def test_a_continuation_ends_where_a_newer_one_begins(live: Live, client: TestClient) -> None:
    turns = Turns()
    steps = write(live, read_tokenizer(live.work.corpus), {"base": {}}, TEXT, 20, 0.0, 0, turns.begin("p", "generate"))
    assert next(steps)["side"] == "base"
    turns.begin("p", "generate")
    with pytest.raises(Superseded):
        next(steps)


def test_many_at_once_each_get_their_own(client: TestClient) -> None:
    def ask(number: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
        edit = {"sliders": [{"subcomponent": GERMAN, "alpha": -number}], "guard": GUARD if number % 2 else None}
        page = f"page-{number}"
        rows = _asked(client, "measure", page=page, edit=edit)["rows"]
        read = _asked(client, "text", page=page, edit=edit, text=TEXT)["tokens"]
        return rows, read, _events(client, page=page, edit=edit, prompt=TEXT, tokens=5)

    alone = [ask(number) for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(ask, range(6))) == alone
    assert len({json.dumps(rows) for rows, _, _ in alone}) == 6


@pytest.mark.parametrize("family", ["gpt2", "gemma3_text", "mamba", "rwkv", "jamba"])
def test_a_family_writes_on_as_it_would_by_itself_whatever_it_keeps_of_the_past(family: str) -> None:
    target, ids = build(family), torch.from_numpy(tiny_blocks(1)).long()[:, :6]
    side = Side({}, ids, Gumbel(3, 0.8))
    with torch.no_grad():
        for _ in range(6):
            side.step(target, {"logits_to_keep": 1})
    assert side.new == roll_out(target, ids, 6, 3, 0.8)[0].tolist()

"""An edit on demand: checked before anything runs, added to params as ``prefactor edit --save`` does."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

import flows.edit
from flows.around.errors import FlowError
from flows.edit_process import make
from flows.run.dag import Dag
from prefactor.config.edits import EditConfig, GuardedEdit, Reached
from prefactor.config.params import section
from prefactor.config.shortlists import ByName, ShortlistConfig
from prefactor.errors import PrefactorError
from prefactor.export.edited_model import Edited
from prefactor.files.artifacts import write_json
from prefactor.workspace import Workspace
from tests.test_workspace import GERMAN, folder  # noqa: F401  (a fixture)

ASKED: dict[str, Any] = {
    "name": "asked", "remove": "german", "tokens": None, "tolerance": None, "reach": None, "goal": "chance",
    "retain": None, "component": None, "query": None, "guarded": False, "seed": 0,
}  # fmt: skip


@pytest.fixture
def root(folder: Path, tmp_path: Path) -> Path:  # noqa: F811
    """A copy of the caches, with params that are right as a whole, as those of a folder are."""
    shutil.copytree(folder, tmp_path / "root")
    root = tmp_path / "root"
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    params["edit"]["probe_tokens"] = 60
    params["corpus"]["block"] = 12
    params["evaluate"]["prompt_tokens"] = 8
    (root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    plenty = dict.fromkeys(("en", "de", "fr", "es", "it"), 10**7)
    splits = ("train", "harvest", "select", "fit", "eval")
    write_json(root / "data" / "corpus" / "metrics.json", {"tokens": dict.fromkeys(splits, plenty)})
    return root


WRONG = [
    ({"name": "scalar"}, "has an edit 'scalar' already"),
    ({"name": "Mine"}, "it names a folder and a DVC stage"),
    ({"remove": "klingon"}, "no domain is called 'klingon'"),
    ({"retain": ["de"]}, "cannot be both removed and retained"),
    ({"retain": ["klingon"]}, "no domain is called 'klingon'"),
    ({"component": ["layers.9:1"]}, "'layers.9:1' is no subcomponent"),
    ({"component": [GERMAN], "query": "german"}, "`component` names what is rescaled"),
    ({"query": "domain.klingon > 1"}, "klingon"),
    ({"query": "domain.de >"}, "query = 'domain.de >'"),
    ({"tokens": 4, "reach": 0.2}, "fit on at least 1 token, or on 0 with a tolerance or a reach"),
    ({"reach": 0.2, "tolerance": 0.1}, "fit on at least 1 token, or on 0"),
    ({"reach": 0.2, "goal": "uniform"}, "reach is for goals that cross-entropy tells"),
    ({"reach": -1.0}, "reach"),
]


@pytest.mark.parametrize(("asked", "said"), WRONG)
def test_what_cannot_be_is_told_before_anything_runs(
    root: Path, asked: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("something ran")

    monkeypatch.setattr(Workspace, "remove", never)
    before = (root / "params.yaml").read_bytes()
    with pytest.raises(PrefactorError) as caught:
        make(ASKED | asked, root)
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert (root / "params.yaml").read_bytes() == before


def test_params_that_would_be_wrong_as_a_whole_are_left_alone(root: Path) -> None:
    params = root / "params.yaml"
    params.write_text(params.read_text().replace("report_budget: 4", "report_budget: 3"))
    before = params.read_bytes()
    with pytest.raises(PrefactorError, match=r"report_budget = 3: not one of edit.budgets"):
        make(ASKED, root)
    assert params.read_bytes() == before


def test_nothing_is_chosen_from_what_is_not_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = {"corpus": (), "decompose": ("corpus",), "edit@a": ("decompose",), "report": ("edit@a",)}
    monkeypatch.setattr(flows.edit, "read_dag", lambda: Dag(needs, frozenset({"edit@a"})))
    flows.edit._check_caches()  # another edit may be stale
    monkeypatch.setattr(flows.edit, "read_dag", lambda: Dag(needs, frozenset({"corpus"})))
    with pytest.raises(FlowError, match=r"^corpus, decompose: not up to date, .*: run the pipeline first"):
        flows.edit._check_caches()


def test_an_edit_is_saved_as_by_hand(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Edited, "measure", lambda edited: [])  # the caches have text of three domains alone
    make(ASKED | {"reach": 0.5, "goal": "unigram", "guarded": True, "component": [GERMAN]}, root)
    saved = section("edits.asked", EditConfig, root / "params.yaml")
    assert isinstance(saved, GuardedEdit) and saved.shortlist == "asked"
    assert (saved.alpha, saved.goal) == (Reached(by="reach", kl=0.5), "unigram")
    assert saved.domains.target == "de" and saved.domains.retain == ("en",)
    shortlist = section("shortlists.asked", ShortlistConfig, root / "params.yaml")
    assert shortlist.choose == ByName(by="name", subcomponents=(GERMAN,))
    assert capsys.readouterr().out.endswith("params.yaml has it as edits.asked\n")

"""A published edit: its card, and the same bytes again from the published decomposition, by the stage that made it."""

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from prefactor.cli.main import app as library
from prefactor.corpus.used import write_used
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import identities, read_json, sha256, write_json
from prefactor.published.index import read_index, write_index
from prefactor.published.recipe import ADAPTER, RECIPE
from prefactor.published.write import Wanted, publish
from prefactor.selection.choice import Choice, Selection, write_selection
from stages.edit import main
from team.cli import app
from team.reproduce import reproduce
from tests.work import GERMAN, build_work

NAME = "scalar"


def _in_process(root: Path) -> None:
    """The stage in the folder ``root``, without the seconds that a process of its own takes."""
    with contextlib.chdir(root):
        main(NAME)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a project whose one edit was run (``work``), its decomposition (``tiny``) and edit (``edit``)."""
    places = tmp_path_factory.mktemp("places")
    work = places / "work"
    build_work(work)
    params = yaml.safe_load((work / "params.yaml").read_text(encoding="utf-8"))
    domains = {"target": "de", "retain": ["en"], "protect": ["fr"]}
    params["edits"] = {NAME: {"method": "scalar", "domains": domains, "shortlist": "german"}}
    params["edit"] |= {
        "budgets": [12], "seeds": 2, "report_budget": 12, "probe_budgets": [12], "probe_seeds": 1, "probe_tokens": 48,
    }  # fmt: skip
    (work / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    write_used(work / "data" / "text", np.zeros(0, np.int32))
    (choice,) = [Choice(GERMAN, "German text", 1.0, "named")]
    components = work / "data/decompose/components"
    write_selection(
        work / "data/selection" / NAME, Selection(NAME, "name", (choice,), ()), names_of=identities(components)
    )
    _in_process(work)
    publish(work, places / "tiny", Wanted("tiny"))
    words = ["publish", "--edit", NAME, "-C", str(work), "--decomposition", str(places / "tiny"), "--licence", "mit"]
    done = CliRunner().invoke(library, [*words, "--to", str(places / "edit")])
    assert done.exit_code == 0, done.output
    return places


@pytest.fixture
def edit(places: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(places / "edit", tmp_path / "edit"))


def test_it_is_the_stages_adapter_with_a_card(places: Path) -> None:
    edit = places / "edit"
    assert (edit / ADAPTER).read_bytes() == (places / "work/data/changes" / NAME / "adapter" / ADAPTER).read_bytes()
    text = (edit / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(text.split("---")[1])
    assert (front["library_name"], front["license"]) == ("peft", "mit")
    assert "| `layers.1.self_attn.v_proj:2` | German text |" in text
    assert str(places / "work") not in text + (edit / "adapter_config.json").read_text()  # no path of its maker's


def test_the_snippet_puts_it_on(places: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(places / "edit")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    snippet = (places / "edit/README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    names: dict[str, torch.nn.Module] = {}
    exec(snippet, names)
    assert any("lora_A" in name for name, _ in names["model"].named_parameters())


def test_made_again_it_has_the_same_bytes(places: Path) -> None:
    done = CliRunner().invoke(app, ["reproduce", str(places / "edit"), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["sha256"] == sha256(places / "edit" / ADAPTER)


def test_what_comes_out_otherwise_is_said(edit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published adapter is another's."""
    monkeypatch.setattr("team.reproduce._run", lambda root, _: _in_process(root))
    tensors = load_file(edit / ADAPTER)
    name = sorted(tensors)[0]
    tensors[name] = tensors[name] + 0.5
    save_file(tensors, edit / ADAPTER, {"format": "pt"})
    recipe = read_json(edit / RECIPE)
    recipe["machine"]["libraries"]["torch"] = "1.0"
    write_json(edit / RECIPE, recipe)
    write_index(edit, read_index(edit))
    done = CliRunner().invoke(app, ["reproduce", str(edit)])
    assert done.exit_code == 1
    assert done.stdout.startswith("differs: ")
    assert f"{name}: differs by 0.5 at most" in done.stdout
    assert f"torch: {torch.__version__} here, 1.0 there" in done.stdout


def test_what_does_not_belong_together_is_refused(edit: Path, places: Path, tmp_path: Path) -> None:
    (edit / "README.md").write_text("changed")
    with pytest.raises(PrefactorError, match=r"README\.md is damaged"):
        reproduce(str(edit), None, None, None)
    write_index(edit, read_index(edit))
    other = tmp_path / "work"
    shutil.copytree(places / "work", other)
    blocks = other / "data/corpus"
    shutil.rmtree(blocks / "fit")
    shutil.copytree(blocks / "select", blocks / "fit")
    publish(other, tmp_path / "other", Wanted("other"))
    with pytest.raises(PrefactorError, match="has another data/corpus/fit than scalar 1 was made from"):
        reproduce(str(edit), None, str(tmp_path / "other"), None)
    recipe = read_json(edit / RECIPE)
    write_json(edit / RECIPE, recipe | {"decomposition": None})
    write_index(edit, read_index(edit))
    with pytest.raises(PrefactorError, match="say --decomposition"):
        reproduce(str(edit), None, None, None)
    write_json(edit / RECIPE, recipe | {"stage": "shell"})
    write_index(edit, read_index(edit))
    with pytest.raises(PrefactorError, match=r"reproduce\.json: stage"):
        reproduce(str(edit), None, None, None)
    write_json(edit / RECIPE, recipe | {"params": recipe["params"] | {"target": {}}})
    write_index(edit, read_index(edit))
    with pytest.raises(PrefactorError, match="sets target, which its decomposition was made by"):
        reproduce(str(edit), None, None, None)


def test_an_edit_is_published_with_its_own_decomposition(places: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(places / "tiny", other)
    write_index(other, read_index(other).model_copy(update={"decomposition": "0" * 64}))
    words = ["publish", "--edit", NAME, "-C", str(places / "work"), "--decomposition", str(other)]
    done = CliRunner().invoke(library, [*words, "--to", str(tmp_path / "into")])
    assert done.exit_code == 2 and "is another decomposition than this edit is of" in done.output

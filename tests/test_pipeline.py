"""The real pipeline at its smallest, end to end: through Prefect, through plain DVC, and again for one changed edit."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx
import pytest
import torch
import yaml
from dvc.repo import Repo
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from prefactor.edits.made import TENSORS, adapter_folder, fits_folder, read_changes, read_edit, tensors_folder
from prefactor.errors import PrefactorError
from prefactor.export.results import compare, export
from prefactor.files.artifacts import MANIFEST, identities, sha256, write_json, write_manifest
from prefactor.files.tensors import write_tensors
from prefactor.label.overrides import decomposition_of, make_override, write_override
from prefactor.model.change import applied
from prefactor.model.target import read_target
from prefactor.selection.choice import CHOSEN, read_selection
from prefactor.selection.effect import read_candidates
from prefactor.workspace import Workspace
from stages import evaluate, report
from tests.contracts import check as check_contracts

ROOT = Path(__file__).resolve().parent.parent
AUDIT = ROOT / "tests" / "audit"  # notes what the stages open
GERMAN = {"target": "de", "retain": ["en"], "protect": ["fr"]}

pytestmark = pytest.mark.timeout(1800)  # the first test runs the whole pipeline, on whatever else the machine has to do


def _params() -> dict[str, Any]:
    """The default's params, shrunk: three languages, one layer, a handful of steps, two edits and two baselines.

    What the default rests on is in use: candidates ranked by spill, a guard by domain, fine-tuning.
    """
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["corpus"] |= {
        "characters": 150_000, "shares": {"en": 0.4, "de": 0.3, "fr": 0.3}, "block": 32,
        "tokenizer": {"source": "train", "vocabulary": 300},
        "splits": {"train": 0.6, "harvest": 0.1, "select": 0.1, "fit": 0.1, "eval": 0.1},
    }  # fmt: skip
    params["target"] |= {"evaluate_tokens": 512}
    params["target"]["model"] |= {"layers": 1, "width": 32, "heads": 2, "mlp_width": 48, "steps": 80, "batch": 16}
    params["locate"] |= {"tokens": 512, "verify_tokens": 256, "amounts": [1, 2], "verify": 4, "top": 2}
    params["decompose"] |= {"subcomponents": 12, "initial": "singular", "net": {"width": 16, "blocks": 1, "heads": 2}}
    params["decompose"]["training"] |= {"steps": 12, "batch": 2}
    params["importance"]["training"] |= {"steps": 6, "batch": 2}
    params["importance"]["battery"] |= {"tokens": 256, "pgd_steps": [2, 20]}
    params["harvest"] |= {"tokens": 2048, "held_out_tokens": 512, "batch": 8}
    params["edit"] |= {
        "budgets": [2, 4], "seeds": 2, "report_budget": 4, "retain_tokens": 256, "retain_batch": 2,
        "probe_budgets": [2], "probe_seeds": 1, "probe_tokens": 256, "guard_tokens": 512, "direction_tokens": 512,
    }  # fmt: skip
    prefactor = {"steps": 4, "learning_rates": [0.3], "retain_weight": 3.0}
    lora = {"steps": 4, "learning_rates": [0.01, 0.03], "retain_weight": 1.0}
    params["optimisers"] |= {
        "scalar": prefactor,
        "guarded": prefactor,
        "direction": prefactor,
        "lora": lora,
        "finetune": lora,
    }
    params["evaluate"] |= {
        "tokens": {"target": 512, "retained": 512, "protected": 512},
        "prompts": 1,
        "prompt_tokens": 4,
        "rollout_tokens": 4,
    }
    params["candidates"] |= {"tried": 8, "tokens": 256, "untagged_tokens": 512}
    by_spill = {"by": "label", "query": 'not label ~ "nobody"', "rank": "spill"}  # any, until a person says so
    guard = {"weigh": "domain", "spare": ["en"], "ridge": 0.01}
    params["shortlists"] = {
        "contrast": {"domains": GERMAN, "choose": {"by": "contrast"}},
        "spill": {"domains": GERMAN, "choose": by_spill, "guard": guard, "singular": True},
    }
    params["edits"] = {
        "scalar": {"method": "scalar", "domains": GERMAN, "shortlist": "contrast", "top": 2},
        "guarded": {"method": "guarded", "domains": GERMAN, "shortlist": "spill", "guard": guard},
    }
    params["baselines"] = {
        "lora": {"method": "lora", "domains": GERMAN, "rank": 2},
        "finetune": {"method": "finetune", "domains": GERMAN, "share": 0.1},
        "direction": {"method": "direction", "domains": GERMAN, "ridge": 0.003},
    }
    params["report"] |= {"edit": "scalar", "controls": []}
    return params


def _project(folder: Path) -> Path:
    sources = ("data/corpus/lexicon", "data/label/overrides.yaml")
    for name in ("prefactor", "stages", "flows", ".dvc", ".dvcignore", "dvc.yaml", *sources):
        source, goal = ROOT / name, folder / name
        goal.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, goal, ignore=shutil.ignore_patterns("__pycache__", "tmp", "cache"))
        else:
            shutil.copy(source, goal)
    shutil.copy(ROOT / ".gitignore", folder / ".gitignore")
    (folder / "params.yaml").write_text(yaml.safe_dump(_params()), encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def _call(project: Path, env: dict[str, str], *words: str) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), env["PATH"]])
    ours = {
        "PATH": path,
        "PYTHONPATH": f"{project}{os.pathsep}{AUDIT}",
        "OMP_NUM_THREADS": "1",
        "DVC_NO_ANALYTICS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=project, text=True, capture_output=True, env=env | ours, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def _files(project: Path) -> dict[str, str]:
    """sha256 of every output that must not differ between equal runs; costs are seconds, and the report shows them."""
    data = project / "data"
    return {
        path.relative_to(data).as_posix(): sha256(path)
        for path in sorted(data.rglob("*"))
        if path.is_file() and path.name != "cost.json" and "report" not in path.parts and "lexicon" not in path.parts
    }


@pytest.fixture(scope="module")
def through_prefect(tmp_path_factory: pytest.TempPathFactory, prefect_env: dict[str, str]) -> Path:
    project = _project(tmp_path_factory.mktemp("prefect"))
    said = _call(project, prefect_env, "flows.pipeline")
    assert "data/report/index.html" in said
    # Four steps of training remove no language: the run says so, with the reason, and all the same it is done.
    holds = json.loads((project / "data/report/summary.json").read_text(encoding="utf-8"))["holds"]
    assert not holds["holds"] and "nats short of chance" in holds["missed"][0]
    assert f"scalar does not hold: {holds['missed'][0]}" in said
    return project


def test_a_stage_opens_nothing_but_what_it_depends_on(through_prefect: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(through_prefect)
    with Repo(".") as repo:
        stages = {str(stage.cmd).removeprefix("python -m "): stage for stage in repo.index.stages}
        declared = {
            words: [*(dep.def_path for dep in stage.deps), *(out.def_path for out in stage.outs)]
            for words, stage in stages.items()
        }
        # Whether what an artifact was made from is still the same is looked up in manifests, all the way up.
        above = {
            words: {
                f"{out.def_path}/{MANIFEST}"
                for one in networkx.descendants(repo.index.graph, stage)
                for out in one.outs
            }
            for words, stage in stages.items()
        }
    lines = Path("opened.log").read_text(encoding="utf-8").splitlines()
    opened = {tuple(line.split("\t")) for line in lines}
    assert {words for words, _ in opened} == set(declared)
    for words, path in sorted(opened):
        temporary = Path(path).name.startswith(".")  # written, then put in an output's place
        inside = any(path == known or path.startswith(f"{known}/") for known in declared[words])
        assert inside or temporary or path in above[words], (
            f"`python -m {words}` opens {path}, which its stage in dvc.yaml does not depend on"
        )


def test_every_artifact_is_as_the_contracts_say(through_prefect: Path) -> None:
    assert check_contracts(through_prefect, ROOT / "docs" / "contracts.md") == []


@pytest.mark.servers  # the whole pipeline a second time
def test_plain_dvc_leaves_the_same_files(
    through_prefect: Path, tmp_path_factory: pytest.TempPathFactory, prefect_env: dict[str, str]
) -> None:
    project = _project(tmp_path_factory.mktemp("dvc"))
    _call(project, prefect_env, "dvc", "repro")
    assert _files(project) == _files(through_prefect)


def test_a_changed_edit_reruns_only_what_follows_from_it(through_prefect: Path, prefect_env: dict[str, str]) -> None:
    params = yaml.safe_load((through_prefect / "params.yaml").read_text())
    params["edits"]["scalar"]["top"] = 1
    (through_prefect / "params.yaml").write_text(yaml.safe_dump(params))
    out = _call(through_prefect, prefect_env, "dvc", "repro")
    ran = {line.split("'")[1] for line in out.splitlines() if line.startswith("Running stage")}
    assert ran == {"check", "text", "selection@scalar", "edit@scalar", "evaluate@scalar", "report"}
    assert "Running stage" not in _call(through_prefect, prefect_env, "dvc", "repro")


def test_summary_is_what_the_tables_say(through_prefect: Path) -> None:
    summary = json.loads((through_prefect / "data/report/summary.json").read_text())
    assert set(summary) == {"target", "decomposition", "labels", "holds", "edits", "frontier", "cost"}
    assert set(summary["edits"]) == {"scalar", "guarded", "lora", "finetune", "direction"}
    for name, edit in summary["edits"].items():
        metrics = json.loads((through_prefect / "data/evaluate" / name / "metrics.json").read_text())
        assert edit["target_ce_minus_chance"]["mean"] == pytest.approx(metrics["target_ce_minus_chance"]["mean"])
        assert edit["damage"]["fr"]["mean"] == pytest.approx(metrics["damage"]["fr"]["mean"])
        assert edit["target_tokens"] == 4 and edit["damage"]["fr"]["draws"] == 2
    kl = json.loads((through_prefect / "data/importance/metrics.json").read_text())["kl"]
    assert summary["decomposition"]["kl"] == {
        mode: kl[mode] for mode in ("unmasked", "stochastic", "importance", "pgd20")
    }
    assert summary["edits"]["scalar"]["chosen_with"] == _harvested(through_prefect)["de"]
    assert summary["edits"]["guarded"]["chosen_with"] == _harvested(through_prefect)["de"] + 256
    assert summary["edits"]["direction"]["chosen_with"] == 512 + 512 + 256  # made from; found with; verified with
    assert {name: edit["tuned_with"] for name, edit in summary["edits"].items()} == {
        "scalar": 0, "guarded": 0, "lora": 256, "finetune": 256, "direction": 0,
    }  # fmt: skip
    for stage, spent in summary["cost"].items():
        ledgers = [json.loads(path.read_text()) for path in (through_prefect / "data" / stage).rglob("cost.json")]
        assert spent["flops"] == pytest.approx(sum(ledger["flops"] for ledger in ledgers)), stage


def _harvested(project: Path) -> dict[str, int]:
    return json.loads((project / "data/harvest/metrics.json").read_text())["tokens"]


def test_candidates_are_ranked_by_the_spill_that_was_measured(through_prefect: Path) -> None:
    measured = read_candidates(through_prefect / "data/candidates/spill").subcomponents
    known = {name: effect for name, effect in measured.items() if effect is not None}
    at_chance = [effect for effect in known.values() if effect.short == 0]
    spills = [effect.spill for effect in at_chance if effect.spill is not None]
    assert 0 < len(spills) < len(at_chance), known  # some are needed by all text, and theirs is unknown
    best = read_selection(through_prefect / "data/selection/guarded").chosen[0]
    effect = known[best.subcomponent]
    assert (effect.short, effect.spill) == (0, min(spills)) and best.score == round(-min(spills), 6)
    facts = read_edit(through_prefect / "data", "guarded")["guard"]
    assert (facts["weigh"], facts["spare"], facts["target_tokens"]) == ("domain", ["en"], 512)


@pytest.mark.parametrize("name", ["scalar", "guarded", "lora", "finetune", "direction"])
def test_every_adapter_in_stock_peft_is_our_edit(through_prefect: Path, name: str) -> None:
    data = through_prefect / "data"
    checkpoint = data / "target" / "checkpoint"
    tokens = torch.arange(3, 43)[None]
    target = read_target(checkpoint)
    reported = read_edit(data, name)["report_budget"]
    change = next(c for budget, _, c in read_changes(data, name, "cpu") if budget == reported)
    with applied(target, change), torch.no_grad():
        ours = target(input_ids=tokens).logits
    base = AutoModelForCausalLM.from_pretrained(checkpoint)
    stock = PeftModel.from_pretrained(base, str(adapter_folder(data, name)))
    with torch.no_grad():
        assert torch.allclose(stock(input_ids=tokens).logits, ours, atol=1e-5)
    assert not torch.allclose(read_target(checkpoint)(input_ids=tokens).logits, ours, atol=1e-4)


def _override(project: Path, env: dict[str, str], name: str, label: str) -> set[str]:
    """Put a person's label over that of ``name``; the stages that this reruns."""
    data = project / "data"
    entry = make_override(
        name, label=label, domains=["de"], author="Ada", reason="tested by hand",
        decomposition=decomposition_of(data),
    )  # fmt: skip
    write_override(data, name, entry)
    out = _call(project, env, "dvc", "repro")
    return {line.split("'")[1] for line in out.splitlines() if line.startswith("Running stage")}


def test_a_corrected_label_reruns_only_what_follows_from_it(through_prefect: Path, prefect_env: dict[str, str]) -> None:
    data = through_prefect / "data"
    cheap = {"score", "shortlist@contrast", "shortlist@spill", "selection@scalar", "selection@guarded", "report"}
    made = {path: sha256(path) for part in ("edit", "changes") for path in (data / part).rglob("*") if path.is_file()}
    (name,) = json.loads((data / "selection" / "guarded" / CHOSEN).read_text())

    # Other words that choose the same: they are told, and no model is run.
    assert _override(through_prefect, prefect_env, name, "what Ada says") == cheap
    assert json.loads((data / "selection" / "guarded" / CHOSEN).read_text()) == [name]
    assert {path: sha256(path) for path in made} == made
    assert read_selection(data / "selection" / "guarded").chosen[0].label == "what Ada says"

    # Words by which the query finds another: what is measured and fitted of it, and nothing of any other edit.
    follows = {"candidates@spill", "edit@guarded", "evaluate@guarded"}
    assert _override(through_prefect, prefect_env, name, "nobody knows") == cheap | follows
    assert json.loads((data / "selection" / "guarded" / CHOSEN).read_text()) != [name]
    changed = {path.relative_to(data).parts[:2] for path in made if sha256(path) != made[path]}
    assert changed == {("edit", "guarded"), ("changes", "guarded")}


def test_what_the_stages_made_is_compared_and_exported(through_prefect: Path, tmp_path: Path) -> None:
    data = through_prefect / "data"
    rows = {row["edit"]: row for row in compare(data)}
    assert set(rows) == {"scalar", "guarded", "lora", "finetune", "direction"}
    metrics = json.loads((through_prefect / "data/evaluate/lora/metrics.json").read_text())
    assert rows["lora"]["damage"]["fr"] == pytest.approx(metrics["damage"]["fr"]["mean"])
    export(data, "lora", tmp_path / "adapter", tokens=2, seed=1)
    export(data, "lora", tmp_path / "merged", merged=True, tokens=2, seed=1)
    tokens = torch.arange(20)[None]
    base = AutoModelForCausalLM.from_pretrained(through_prefect / "data/target/checkpoint")
    stock = PeftModel.from_pretrained(base, str(tmp_path / "adapter")).merge_and_unload()
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    torch.testing.assert_close(stock(tokens).logits, merged(tokens).logits, atol=1e-5, rtol=0)
    with pytest.raises(PrefactorError, match=r"edits\.lora was not fitted on 3 tokens: use one of 2, 4"):
        compare(data, ["lora"], tokens=3)
    with pytest.raises(PrefactorError, match=r"edits\.lora has no draw 9: use one of 0 to 1"):
        export(data, "lora", tmp_path / "none", seed=9)
    with pytest.raises(PrefactorError, match="has no edit 'nope': add it, or name one of "):
        compare(data, ["nope"])


def _copy(project: Path, folder: Path) -> Path:
    """What a run left, and its params, in another folder."""
    shutil.copytree(project / "data", folder / "data")
    shutil.copy(project / "params.yaml", folder)
    return folder


def test_the_page_is_made_without_the_changes_which_are_asked_for_by_who_reads_them(
    through_prefect: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = _copy(through_prefect, tmp_path / "project")
    monkeypatch.chdir(project)
    data = Path("data")
    shutil.rmtree(data / "changes")
    shutil.rmtree(data / "report")
    compared = compare(data)
    report.main()
    assert (data / "report" / "index.html").is_file()
    assert {row["edit"] for row in compared} == {"scalar", "guarded", "lora", "finetune", "direction"}
    for name, stage in {"scalar": "edit", "lora": "baseline"}.items():
        said = (
            rf"^data/changes/{name}/tensors is not here: fetch it \(`prefactor pull {stage}@{name}`\), or make it .*$"
        )
        for read in (lambda: export(data, name, tmp_path / "none"), lambda: evaluate.main(name)):  # noqa: B023
            with pytest.raises(PrefactorError, match=said):
                read()
    shutil.rmtree(data / "edit")  # and the other half alone
    shutil.copytree(through_prefect / "data" / "changes", data / "changes")
    for name, stage in {"scalar": "edit", "lora": "baseline"}.items():
        said = rf"^data/edit/{name}/fits is not here: fetch it \(`prefactor pull {stage}@{name}`\), or make it"
        for read in (lambda: export(data, name, tmp_path / "none"), lambda: compare(data, [name])):  # noqa: B023
            with pytest.raises(PrefactorError, match=said):
                read()
    assert not (tmp_path / "none").exists()


def test_changes_of_another_run_are_neither_measured_nor_handed_over(
    through_prefect: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = _copy(through_prefect, tmp_path / "project")
    monkeypatch.chdir(project)
    data = Path("data")
    fits, tensors = fits_folder(data, "lora"), tensors_folder(data, "lora")
    table = sha256(data / "evaluate" / "lora" / "table" / "table.parquet")
    changes = load_file(tensors / TENSORS)
    another = {name: tensor if name.endswith(".A") else 2 * tensor for name, tensor in changes.items()}
    write_tensors(tensors / TENSORS, another)
    facts = read_edit(data, "lora")
    write_json(fits / "edit.json", facts | {"tensors": sha256(tensors / TENSORS)})
    files = ["fits.parquet", "curve.parquet", "edit.json"]
    write_manifest(fits, files)
    write_manifest(tensors, [TENSORS], made_from=identities(fits))
    read_changes(data, "lora", "cpu")  # whole, and of one run; then the facts of the first come back
    write_json(fits / "edit.json", facts)
    write_manifest(fits, files)
    said = r"changes/lora/tensors is stale: data/edit/lora/fits is another by now .*the stage edit of lora"
    with pytest.raises(PrefactorError, match=said):
        evaluate.main("lora")
    with pytest.raises(PrefactorError, match=said):
        export(data, "lora", tmp_path / "none")
    assert sha256(data / "evaluate" / "lora" / "table" / "table.parquet") == table
    report.main()  # its tables are of the fits that are there


def _of_another_run(project: Path, change: Callable[[dict[str, Any]], None]) -> None:
    params = yaml.safe_load((project / "params.yaml").read_text())
    change(params)
    (project / "params.yaml").write_text(yaml.safe_dump(params))


def test_results_of_another_time_are_refused_by_name(through_prefect: Path, tmp_path: Path) -> None:
    project = _copy(through_prefect, tmp_path / "project")
    data = project / "data"
    other = {"target": "de", "retain": ["fr"], "protect": ["en"]}
    _of_another_run(project, lambda params: params["edits"]["scalar"].update(domains=other))
    with pytest.raises(PrefactorError, match=r"scalar is stale: it was made with retain \['en'\], params.yaml says"):
        compare(data, ["scalar"])
    _of_another_run(project, lambda params: params["edits"].pop("scalar"))
    assert {row["edit"] for row in compare(data)} == {"guarded", "lora", "finetune", "direction"}
    for use in (lambda: compare(data, ["scalar"]), lambda: export(data, "scalar", tmp_path / "none")):
        with pytest.raises(PrefactorError, match=r"has no edit 'scalar'; .*edit/scalar is left from when it was there"):
            use()
    weights = data / "target" / "checkpoint"
    (weights / "generation_config.json").write_text("{}")  # the smallest of what another target may differ in
    write_manifest(weights, sorted(path.name for path in weights.iterdir() if path.name != MANIFEST))
    work = Workspace(project)
    with pytest.raises(PrefactorError, match=r"components is stale: .*checkpoint is another.*the stage decompose"):
        _ = work.table
    with pytest.raises(PrefactorError, match="components is stale"):
        work.remove("de", 4)
    with pytest.raises(PrefactorError, match=r"fits is stale: .*checkpoint is another.*the stage edit of lora"):
        export(data, "lora", tmp_path / "none")
    with pytest.raises(PrefactorError, match="is stale"):
        compare(data)
    assert not (tmp_path / "none").exists()

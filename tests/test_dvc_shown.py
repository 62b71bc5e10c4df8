"""``dvc metrics`` and ``dvc plots`` of two commits, by what dvc.yaml has of them, on the files of the report."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import fake_data
import pytest
import yaml

from stages import report
from tests.work import ROOT

CURVES = ("stochastic", "adversarial", "l0")


def _call(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def _dvc(*words: str) -> Any:
    return json.loads(_call(sys.executable, "-m", "dvc", *words, "--json"))


@pytest.fixture
def two_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same run, whose headline edit is another number of tokens in the second commit."""
    fake_data.build(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    whole = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    shown = {"metrics": whole["stages"]["report"]["metrics"], "plots": whole["plots"]}
    assert [name for name, stage in whole["stages"].items() if "metrics" in stage or "plots" in stage] == ["report"]
    _call("git", "init", "-q")
    _call(sys.executable, "-m", "dvc", "init", "-q")
    Path("dvc.yaml").write_text(yaml.safe_dump(shown, sort_keys=False), encoding="utf-8")
    shutil.copytree(ROOT / ".dvc" / "plots", ".dvc/plots")
    for stage in ("decompose", "importance"):
        folder = Path("data", stage, "live/plots/metrics")
        folder.mkdir(parents=True, exist_ok=True)
        for name in CURVES:
            (folder / f"{name}.tsv").write_text(f"step\t{name}\n0\t1.5\n10\t0.5\n")
    report.main()
    for name in ("before", "after"):
        _call("git", "add", "-Af")
        _call("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", name)
        _call("git", "tag", name)
        edit = Path("data/report/edits/scalar.json")
        edit.write_text(json.dumps(json.loads(edit.read_text()) | {"worst_retained_nats": 0.5}))


def test_two_commits_differ_in_the_edit_that_changed_and_every_plot_has_both(two_commits: None) -> None:
    shown = _dvc("metrics", "show")[""]["data"]
    assert set(shown) == {"data/report/metrics.json"} | {f"data/report/edits/{name}.json" for name in fake_data.EDITS}
    for found in shown.values():
        assert len(found["data"]) <= 8 and all(isinstance(value, int | float) for value in found["data"].values())
    differing = _dvc("metrics", "diff", "before", "after")
    assert {path: list(found) for path, found in differing.items()} == {
        "data/report/edits/scalar.json": ["worst_retained_nats"]
    }
    plots = _dvc("plots", "diff", "before", "after")
    assert not plots.get("errors")
    assert list(plots["data"]) == [
        "Frontier, a line an edit", "Damage by domain", "Quality of the decomposition",
        "Decompose, divergence under masks", "Decompose, subcomponents needed",
        "Importance, divergence under masks", "Importance, subcomponents needed",
    ]  # fmt: skip
    for title, (plot,) in plots["data"].items():
        assert plot["revisions"] == ["before", "after"]
        said = json.dumps(plot)
        assert title in said and ("nats a token" in said or "L0 (subcomponents)" in said)
        if plot["type"] == "vega" and "anchor_definitions" not in plot:
            assert "<DVC_METRIC" not in said

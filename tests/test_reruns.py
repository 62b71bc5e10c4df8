"""What a change reruns, through DVC: the real ``dvc.yaml``, ``params.yaml`` and code check, with stages that only copy.

Commands are run in this process (``copy_stage.py``), so that a whole run takes a second or two.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.repo import Repo

from stages.check import fingerprints, read_pipeline
from tests.copy_stage import copy

ROOT = Path(__file__).resolve().parent.parent


def _dag() -> dict[str, Any]:
    """``dvc.yaml``; the corpus reads a text a split, which is outside of DVC in the real one."""
    dag = json.loads(json.dumps(yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))))
    del dag["plots"]
    dag["stages"]["corpus"]["deps"].append("texts")
    return dag


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which everything is up to date."""
    project = tmp_path_factory.mktemp("reruns") / "project"
    project.mkdir()
    for name in ("prefactor", "stages", ".dvc", ".dvcignore", "data/corpus/lexicon", "data/label/overrides.yaml"):
        source, goal = ROOT / name, project / name
        goal.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, goal, ignore=shutil.ignore_patterns("__pycache__", "tmp", "cache"))
        else:
            shutil.copy(source, goal)
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["edits"] = {name: params["edits"][name] for name in ("scalar", "guarded-importance")}
    params["baselines"] = {"lora-1": params["baselines"]["lora-1"]}
    params["shortlists"] = {name: params["shortlists"][name] for name in ("german", "german-guarded")}
    params["report"] |= {"edit": "scalar", "controls": []}
    _write(project / "params.yaml", params)
    _write(project / "dvc.yaml", _dag())
    (project / "texts").mkdir()
    for split in ("train", "harvest", "select", "fit", "eval"):
        (project / "texts" / split).write_text(split)
    (project / ".gitignore").write_text("/data/\n/.runs/\n")
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    assert _repro(project) == ALL
    assert _repro(project) == set()
    return project


def _write(path: Path, value: Any) -> None:
    plain = json.loads(json.dumps(value))  # without anchors
    path.write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")


def _repro(project: Path, **options: Any) -> set[str]:
    """Run ``dvc repro`` in ``project``; the stages that it ran."""
    ran: list[str] = []

    def run(executable: str | None, command: str, *, env: dict[str, str], **rest: Any) -> None:
        """In place of a shell: ``python -m stages.NAME [KEY]``."""
        stage, key = env["DVC_STAGE"], command.split()[3:]
        ran.append(stage)
        if stage == "check":
            config = read_pipeline()
            assert config.edits
            for name, value in fingerprints(project).items():
                path = project / "data" / "check" / f"{name}.txt"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"{value}\n")
        else:
            params = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
            copy(project, _dag()["stages"], params, stage.split("@")[0], *key)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setattr("dvc.stage.run._run", run)
        # DVC writes its whole lock file after each stage: most of the time, with a YAML library in Python.
        patch.setattr("dvc.utils.serialize._yaml.parse_yaml", _parse)
        patch.setattr("dvc.utils.serialize._yaml.parse_yaml_for_update", _parse)
        patch.setattr("dvc.utils.serialize._yaml._dump", _dump)
        with Repo(".") as repo:
            repo.reproduce(**options)  # pyright: ignore[reportCallIssue]
    return set(ran)


def _parse(text: str, path: str, typ: str = "safe") -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader) or {}


def _dump(data: Any, stream: Any) -> None:
    yaml.dump(json.loads(json.dumps(data)), stream, Dumper=yaml.CSafeDumper, sort_keys=False)


def param(key: str, value: Any) -> Callable[[Path], None]:
    """Set a dotted key of ``params.yaml``; ``...`` takes it out."""

    def change(project: Path) -> None:
        params = yaml.safe_load((project / "params.yaml").read_text())
        *path, last = key.split(".")
        here = params
        for part in path:
            here = here[part]
        if value is ...:
            del here[last]
        else:
            here[last] = value
        _write(project / "params.yaml", params)

    return change


def code(file: str, old: str, new: str) -> Callable[[Path], None]:
    """Replace a piece of a source file."""

    def change(project: Path) -> None:
        text = (project / file).read_text(encoding="utf-8")
        assert old in text, f"{file} has no {old!r}: the row of the matrix is out of date"
        (project / file).write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def text(file: str, more: str) -> Callable[[Path], None]:
    """Append to a file."""

    def change(project: Path) -> None:
        path = project / file
        path.write_text(path.read_text(encoding="utf-8") + more, encoding="utf-8")

    return change


ALL = {
    "check", "corpus", "text", "target", "locate", "decompose", "importance", "harvest", "effects", "label", "score",
    "shortlist@german", "shortlist@german-guarded", "candidates@german", "candidates@german-guarded",
    "selection@scalar", "selection@guarded-importance", "edit@scalar", "edit@guarded-importance",
    "evaluate@scalar", "evaluate@guarded-importance", "baseline@lora-1", "evaluate-baseline@lora-1", "report",
}  # fmt: skip
GATES = {"check", "text"}
LISTS = {"shortlist@german", "shortlist@german-guarded"}
CANDIDATES = {"candidates@german", "candidates@german-guarded"}
SELECTIONS = {"selection@scalar", "selection@guarded-importance"}
EDITS = {"edit@scalar", "edit@guarded-importance", "evaluate@scalar", "evaluate@guarded-importance"}
BASELINE = {"baseline@lora-1", "evaluate-baseline@lora-1"}
AFTER_LABELS = {*LISTS, *SELECTIONS, "score", "report"}
AFTER_HARVEST = {*AFTER_LABELS, *CANDIDATES, *EDITS, "effects", "label"}
ENTRY = {"label": "German text", "author": "Ada", "reason": "tested by hand", "decomposition": "0" * 12}

MATRIX: dict[str, tuple[Callable[[Path], None], set[str]]] = {
    "a comment in the trainer": (code("prefactor/vpd/train.py", "import math", "import math  # infinity"), {"check"}),
    "a comment in params": (text("params.yaml", "# mine\n"), GATES),
    "the page's template": (text("prefactor/report/page.html", "<!-- -->\n"), {"check", "report"}),
    "how a label is written": (
        code("prefactor/label/deterministic.py", "return", "return 0 or"), {"check", "label", *AFTER_LABELS},
    ),
    "how edits are fitted": (
        code("prefactor/edits/fit.py", "START_PART = 8", "START_PART = 4"), {"check", *EDITS, *BASELINE, "report"},
    ),
    "how a target is trained": (code("prefactor/model/train.py", "* 0.02 *", "* 0.03 *"), ALL - {"corpus", "text"}),
    "the decomposition's schedule": (
        param("decompose.training.learning_rate", 0.02), ALL - {"corpus", "target", "locate", *BASELINE},
    ),
    "how matrices are tried, where a pattern says what is decomposed": (
        param("locate.verify_tokens", 512), {*GATES, "locate", "report"},
    ),
    "how directions are made": (
        code("prefactor/locate/direction.py", "MOST_BYTES = 2**31", "MOST_BYTES = 2**30"),
        {"check", "locate", "report", *EDITS, *BASELINE},
    ),
    "more examples": (param("harvest.examples", 60), {*GATES, "harvest", "label", *AFTER_LABELS}),
    "a label, by a person": (
        text("data/label/overrides.yaml", f"\nlayers.0.x:1: {ENTRY}\n"), AFTER_LABELS,
    ),
    "runners-up": (param("selection.runners_up", 7), {*GATES, *SELECTIONS, "report"}),
    "a shortlist's query": (
        param("shortlists.german.choose.query", "german"),
        {*GATES, "shortlist@german", "candidates@german", "selection@scalar", "edit@scalar", "evaluate@scalar",
         "report"},
    ),
    "one edit": (
        param("edits.scalar.top", 2), {*GATES, "selection@scalar", "edit@scalar", "evaluate@scalar", "report"},
    ),
    "an edit more": (
        param("edits.mine", {"method": "scalar", "domains": {"target": "de", "retain": ["en"]}, "shortlist": "german"}),
        {*GATES, "selection@mine", "edit@mine", "evaluate@mine", "report"},
    ),
    "an edit less": (param("edits.guarded-importance", ...), {*GATES, "report"}),
    "a baseline more": (
        param("baselines.mine", {"method": "lora", "domains": {"target": "de", "retain": ["en"]}, "rank": 2}),
        {*GATES, "baseline@mine", "evaluate-baseline@mine", "report"},
    ),
    "one method's optimiser": (
        param("optimisers.guarded.steps", 30),
        {*GATES, "edit@guarded-importance", "evaluate@guarded-importance", "report"},
    ),
    "which edit the report is about": (param("report.edit", "guarded-importance"), {*GATES, "report"}),
    "the eval text": (
        text("texts/eval", "more"),
        {"corpus", "text", "target", "importance", "evaluate@scalar", "evaluate@guarded-importance",
         "evaluate-baseline@lora-1", "report"},
    ),
    "the harvest text": (text("texts/harvest", "more"), {"corpus", "text", "harvest", *AFTER_HARVEST}),
    "the fit text": (text("texts/fit", "more"), {"corpus", "text", *EDITS, *BASELINE, "report"}),
}  # fmt: skip


@pytest.mark.parametrize("change", MATRIX)
def test_what_a_change_reruns(made: Path, tmp_path: Path, change: str) -> None:
    project = tmp_path / "project"
    shutil.copytree(made, project, symlinks=True)
    apply, reruns = MATRIX[change]
    apply(project)
    assert _repro(project) == reruns


def test_the_page_is_made_where_no_change_was_fetched(made: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(made, project, symlinks=True)
    shutil.rmtree(project / "data" / "changes")
    shutil.rmtree(project / ".dvc" / "cache")
    text("prefactor/report/page.html", "<!-- -->\n")(project)
    assert _repro(project, allow_missing=True) == {"check", "report"}
    assert not (project / "data" / "changes").exists()

"""What a sweep is made of: its file, the names of its edits, what each rests on, and which are the best."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.around.errors import FlowError
from flows.sweeps import workspace
from flows.sweeps.job import Job, jobs
from flows.sweeps.keep import keep
from flows.sweeps.points import Point, points
from flows.sweeps.reads import OF_EDIT, OF_SHORTLIST, entries, params_read, paths_read
from flows.sweeps.table import best_of, shown, write_rows
from prefactor.config.params import read_params
from prefactor.config.sweep import read_sweep
from prefactor.errors import ParamsError, PrefactorError

ROOT = Path(__file__).resolve().parent.parent
SPLITS = ("train", "harvest", "select", "fit", "eval")
SWEEP = {"name": "try", "base": "reach", "values": {"guard.ridge": [0.003, 0.02]}}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default's params and DAG, and a corpus with text enough for anything."""
    monkeypatch.chdir(tmp_path)
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "data/corpus").mkdir(parents=True)
    tokens = {split: dict.fromkeys(("en", "de", "fr", "es", "it"), 10**7) for split in SPLITS}
    (tmp_path / "data/corpus/metrics.json").write_text(json.dumps({"tokens": tokens}))
    return tmp_path


def _points(**changes: Any) -> list[Point]:
    file = Path("sweep.yaml")
    file.write_text(yaml.safe_dump(SWEEP | changes, sort_keys=False), encoding="utf-8")
    return points(read_sweep(file), read_params(), file)


def _edit(point: Point) -> dict[str, Any]:
    return point.params["edits"][point.name]


def test_every_value_meets_every_other_and_names_tell_them(project: Path) -> None:
    values = {"guard.ridge": [0.003, 0.02], "alpha.kl": [0.1, 0.2], "seed": [0, 1]}
    found = _points(values=values)
    assert len(found) == 8
    first, last = found[0], found[-1]
    assert (first.name, last.name) == ("reach-ridge-0-003-kl-0-1-seed-0", "reach-ridge-0-02-kl-0-2-seed-1")
    assert _edit(last)["guard"]["ridge"] == 0.02 and _edit(last)["alpha"]["kl"] == 0.2
    assert last.params["edit"]["seed"] == 1 and first.params["edit"]["seed"] == 0
    # The same edit has the same name, and the same key, whatever else is swept.
    fewer = _points(values={"guard.ridge": [0.02], "alpha.kl": [0.2], "seed": [1]})
    assert fewer == [last]
    assert read_params()["edits"].keys() == yaml.safe_load((ROOT / "params.yaml").read_text())["edits"].keys()


def test_a_query_and_a_target_change_the_shortlist(project: Path) -> None:
    together = [
        {"domains.target": "fr", "choose.query": "french -english"},
        {"domains.target": "de", "choose.query": "german -english -french -spanish -italian"},
    ]
    french, german = _points(values={}, together=together)
    assert _edit(french)["domains"] == {"target": "fr", "retain": ["en"], "protect": ["de", "es", "it"], "unseen": []}
    listed = french.params["shortlists"][french.shortlist]
    assert listed["choose"]["query"] == "french -english" and listed["domains"] == _edit(french)["domains"]
    assert french.shortlist not in read_params()["shortlists"]
    assert german.shortlist == "german-guarded"  # as it is: its candidates are there


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"valeus": {}}, "sweep.yaml: valeus = .*unknown key; did you mean `values`"),
        ({"values": {}}, "sweep.yaml: nothing is swept"),
        ({"values": {"guard.ridge": []}}, r"sweep.yaml: values.guard.ridge = \[\]"),
        ({"values": {"guard.ridge": 0.1}}, r"sweep.yaml: values.guard.ridge = 0.1"),
        ({"values": {"guard.ridge": [0.1, 0.1]}}, "values.guard.ridge has 0.1 twice"),
        ({"values": {"guard.rigde": [0.1]}}, "values.guard.rigde: there is no guard.rigde .* did you mean `ridge`"),
        ({"values": {"rank": [1]}}, "sweep.yaml: values.rank: there is no rank"),
        ({"values": {"guard.ridge.more": [1]}}, "there is no guard.ridge.more"),
        ({"values": {"guard.ridge": ["wide"]}}, "sweep.yaml: edits.reach-ridge-wide.guard.ridge = \"wide\""),
        ({"values": {"guard.ridge": [-1.0]}}, "edits.reach-ridge-minus1.guard.ridge = -1.0"),
        ({"values": {"shortlist": ["nobody"]}}, "shortlist = \"nobody\": no key of shortlists"),
        ({"values": {"shortlist": [["german"]]}}, "no key of shortlists"),
        ({"values": {"choose.query": ["domain.nl > 0.5"]}}, "sweep.yaml: shortlists.german-guarded-"),
        ({"values": {"domains.target": ["nl"]}}, "nl"),
        ({"values": {"domains.target": [3]}}, "target"),
        ({"values": {"top": [9000]}}, "top = 9000: only candidates.tried"),
        ({"values": {"seed": [-1]}}, "edit.seed = -1"),
        ({"values": {"alpha.kl": [0.1], "guard.ridge": [0.30000000000001, 0.3]}}, "are both called reach-kl-0-1"),
        ({"base": "raech"}, "base = raech: no key of edits; did you mean `reach"),
        ({"base": "guarded", "name": "A b"}, "sweep.yaml: name"),
        ({"together": [{"top": 1}, {"seed": 1}]}, "together.1 has other keys"),
        ({"together": [{"guard.ridge": 0.1}]}, "`guard.ridge` is under values and under together"),
        ({"params": {"decompose.clip": 1}}, "params.decompose.clip: a sweep changes keys of"),
        ({"params": {"evaluate.tokns": 1}}, "params.evaluate.tokns: there is no evaluate.tokns"),
        ({"params": {"evaluate.tokens.target": 10**9}}, "evaluate.tokens.target = 1000000000"),
    ],
)  # fmt: skip
def test_a_wrong_sweep_is_one_line(project: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ParamsError, match=said) as error:
        _points(**change)
    assert str(error.value).startswith("sweep.yaml: ") and "\n" not in str(error.value)


def test_a_name_that_params_has_is_refused(project: Path) -> None:
    params = read_params()
    params["edits"]["reach-ridge-0-02"] = params["edits"]["reach"]
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(ParamsError, match=r"reach-ridge-0-02: params\.yaml has another edit of this name"):
        _points()


def test_a_file_that_is_not_there(project: Path) -> None:
    with pytest.raises(ParamsError, match=r"nothing\.yaml is no file"):
        read_sweep(Path("nothing.yaml"))


def test_what_an_edit_reads_is_what_dvc_says(project: Path) -> None:
    (point,) = _points(values={"guard.ridge": [0.02]})
    made = entries(OF_EDIT, point.name, point.params)
    paths = paths_read(made, ROOT / "dvc.yaml")
    assert "data/candidates/german-guarded/effects" in paths and "data/decompose/components" in paths
    assert not [path for path in paths if point.name in path or path.startswith("data/check")]
    read = params_read(made, point.params)
    assert {f"edits.{point.name}", "optimisers.guarded", "evaluate", "shortlists.german-guarded"} <= set(read)
    listed = paths_read(entries(OF_SHORTLIST, "german", point.params), ROOT / "dvc.yaml")
    assert "data/harvest/subcomponents" in listed and "data/shortlist/german/names" not in listed


@pytest.fixture
def job(project: Path) -> Callable[..., list[Job]]:
    def make(**changes: Any) -> list[Job]:
        return jobs("try", _points(**changes), read_params(), project, "token")

    return make


def test_a_key_tells_what_was_made(project: Path, job: Callable[..., list[Job]]) -> None:
    first, second = job()
    assert first.key == job()[0].key != second.key
    assert first.key != job(params={"evaluate.prompts": 2})[0].key
    assert replace(first, code=first.code | {"edit": "other"}).key != first.key
    assert replace(first, inputs=first.inputs | {"data/decompose/components": "other"}).key != first.key
    assert replace(first, root="/elsewhere", token="other").key == first.key
    unread = copy.deepcopy(first.params)
    unread["report"]["edit"] = "scalar"
    assert replace(first, params=unread).key == first.key


def test_candidates_are_made_where_the_sweep_changes_them(project: Path, job: Callable[..., list[Job]]) -> None:
    assert [each.needs for each in job()] == [None, None]
    one, other = job(values={"choose.query": ["german -french"], "guard.ridge": [0.02, 0.03]})
    assert one.needs and one.needs == other.needs
    assert one.needs.stages == OF_SHORTLIST
    assert not [path for path in one.inputs if path.startswith("data/candidates")]
    measured, _ = job(params={"candidates.tokens": 1024})
    assert measured.needs and measured.needs.name == "german-guarded"


def test_a_worker_that_sees_no_workspace_says_so(
    project: Path, job: Callable[..., list[Job]], monkeypatch: pytest.MonkeyPatch
) -> None:
    away = replace(job()[0], root="/nowhere")
    monkeypatch.setattr(workspace, "STARTED_IN", project)
    with pytest.raises(FlowError, match="it sees no /nowhere, and was started in"):
        workspace.ready(away)
    with pytest.raises(FlowError, match="makes stage edit differently: check the same commit out"):
        workspace.ready(replace(away, code=away.code | {"edit": "other"}))


def test_an_edit_is_kept_as_it_was_swept(project: Path) -> None:
    file = Path("sweep.yaml")
    found = _points(values={"choose.query": ["german -french"], "seed": [3]})
    config = read_sweep(file)
    (point,) = found
    with pytest.raises(FlowError, match="--keep nobody: no edit of sweep try"):
        keep(config, found, "nobody")
    assert keep(config, found, point.name) == ["edit.seed = 3"]
    params = read_params()
    assert params["shortlists"][point.shortlist]["choose"]["query"] == "german -french"
    assert params["edits"][point.name]["shortlist"] == point.shortlist
    assert "# One section a stage" in (project / "params.yaml").read_text()  # comments stay
    assert _points(values={"choose.query": ["german -french"], "seed": [3]})[0].name == point.name  # it is the same
    with pytest.raises(PrefactorError, match="has an edit"):
        keep(config, found, point.name)


def _row(name: str, gap: float, worst: float, target: str = "de", **more: Any) -> dict[str, Any]:
    figures = {"minus_chance": gap, "minus_unigram": gap - 1, "damage": {"en": worst, "fr": worst / 2}}
    about = {"target": target, "subcomponents": ["a:1"], "prefactors": [-1.0], "tokens": 1, "seconds": 1.0}
    return {"edit": name, "values": {"top": 1}, "worker": "here", **figures, **about, **more}


def test_the_best_are_those_that_no_other_beats(tmp_path: Path) -> None:
    rows = [
        _row("far", -0.5, 0.01), _row("near", -0.1, 0.05), _row("there", 0.1, 0.09), _row("beyond", 2.0, 0.2),
        _row("beaten", -0.5, 0.02), _row("french", -3.0, 0.5, "fr"),
        {"edit": "bad", "values": {"top": 2}, "error": "x"},
    ]  # fmt: skip
    assert best_of(rows) == {"far", "near", "there", "french"}  # beyond chance is no nearer to it
    assert best_of([_row("one", 0.5, 0.1, goal="unigram"), _row("two", 1.0, 0.2, goal="unigram")]) == {"one", "two"}
    write_rows(tmp_path / "table.parquet", rows)
    import pyarrow.parquet as pq

    table = pq.read_table(tmp_path / "table.parquet").to_pylist()
    assert [row["edit"] for row in table if row["best"]] == ["far", "near", "there", "french"]
    assert table[-1]["error"] == "x" and table[-1]["worst_neighbour"] is None and table[0]["worst_neighbour"] == 0.01
    assert next(iter(shown(rows).columns[1].cells)) == "there"

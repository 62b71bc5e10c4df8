"""What a stage is expected to take: what it took here, what its like took, what is typical of the default."""

import json
from pathlib import Path

import pytest
import yaml

from flows.run.durations import TYPICAL, Durations

ROOT = Path(__file__).parents[1]


def _durations(folder: Path, params: Path = ROOT / "params.yaml") -> Durations:
    return Durations(folder / "data", folder / "seconds.json", params)


def test_what_it_took_here_counts_then_its_ledger_then_its_like(tmp_path: Path) -> None:
    (tmp_path / "data" / "edit" / "old").mkdir(parents=True)
    (tmp_path / "data" / "edit" / "old" / "cost.json").write_text(json.dumps({"seconds": 7.0}))
    durations = _durations(tmp_path)
    assert durations.expect("edit@old") == 7.0
    durations.record("edit@a", 3.0)
    assert _durations(tmp_path).expect("edit@a") == 3.0  # kept for the next run
    assert _durations(tmp_path).expect("edit@new") == 3.0


@pytest.mark.parametrize(
    ("model", "known"), [({"source": "train"}, True), ({"source": "load", "name": "x"}, False), (None, False)]
)
def test_what_is_typical_counts_for_a_target_that_is_trained_here(tmp_path: Path, model: object, known: bool) -> None:
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"target": {"model": model}}))
    assert (_durations(tmp_path, tmp_path / "params.yaml").expect("decompose") is not None) is known
    assert _durations(tmp_path, tmp_path / "none.yaml").expect("decompose") is None


def test_every_kind_of_stage_has_something_typical() -> None:
    kinds = set(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
    assert kinds - {"check"} == set(json.loads(TYPICAL.read_text()))

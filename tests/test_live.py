"""Curves that are watched: what DVCLive leaves on disk, and that training does not depend on it."""

from pathlib import Path

import pytest

from stages.live import live

ROWS = [{"step": 10, "stochastic": 0.5, "l0": 30.0}, {"step": 20, "stochastic": 0.25, "l0": 20.0}]


def test_rows_are_on_disk_as_they_come_and_a_second_run_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    curve = tmp_path / "live" / "plots" / "metrics" / "stochastic.tsv"
    for _ in range(2):
        with live(tmp_path / "live") as record:
            record(ROWS[0])
            assert curve.read_text().splitlines() == ["step\tstochastic", "10\t0.5"]
            record(ROWS[1])
    assert curve.read_text().splitlines() == ["step\tstochastic", "10\t0.5", "20\t0.25"]


def test_a_process_that_does_not_write_leaves_nothing(tmp_path: Path) -> None:
    with live(tmp_path / "live", write=False) as record:
        record(ROWS[0])
    assert not (tmp_path / "live").exists()


def test_where_dvclive_does_not_start_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("Empty git repo")

    monkeypatch.setattr("dvclive.live.Live", refuse)
    with live(tmp_path / "live") as record:
        record(ROWS[0])
    assert "no live curves: DVCLive does not start here (RuntimeError: Empty git repo)" in capsys.readouterr().out
    assert (tmp_path / "live").is_dir()  # DVC expects what dvc.yaml names

"""What a person is asked before a run: whatever takes long, or nobody knows how long, and large downloads."""

import json
from pathlib import Path

import pytest

from flows.recorded.outputs import Recorded, State
from flows.run.dag import Dag
from flows.run.durations import Durations
from flows.supply.supply import Plan
from prefactor.errors import PrefactorError
from team.plan import agree, dear, show, size


def durations(tmp_path: Path, **seconds: float) -> Durations:
    kept = tmp_path / "seconds.json"
    kept.write_text(json.dumps(seconds))
    return Durations(tmp_path / "data", kept, tmp_path / "params.yaml")


def planned(*stages: str, size: int = 0) -> Plan:
    output = Recorded("corpus", "data/corpus/train", "0" * 32, size, State.GONE)
    dag = Dag(dict.fromkeys(("corpus", *stages), ()), frozenset(stages))
    return Plan(dag, (), (output,) if size else (), ())


def test_short_stages_are_not_asked_about(tmp_path: Path) -> None:
    assert dear(planned("edit"), durations(tmp_path, edit=119.0)) == []
    agree(planned("edit"), durations(tmp_path, edit=119.0), yes=False)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (planned("decompose"), "decompose (20:00)"),
        (planned("target"), "target (not known)"),
        (planned(size=2_500_000_000), "a download of 2.5 GB"),
    ],
)
def test_what_is_dear_needs_a_yes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], plan: Plan, said: str
) -> None:
    known = durations(tmp_path, decompose=1200.0)
    assert dear(plan, known) == [said]
    with pytest.raises(PrefactorError, match=r"nobody to ask.*--yes"):
        agree(plan, known, yes=False)
    agree(plan, known, yes=True)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda question: False)
    with pytest.raises(PrefactorError, match="nothing was begun"):
        agree(plan, known, yes=False)
    show(plan, known)
    printed = capsys.readouterr().out
    assert "to download: 1 outputs, 2.5 GB" in printed if plan.remote else "1 of 2 stages to run" in printed


def test_sizes_have_at_most_three_digits() -> None:
    assert [size(n) for n in (0, 999, 1000, 123_456, 10**7, 5 * 10**12)] == [
        "0 B", "999 B", "1.0 kB", "123.5 kB", "10.0 MB", "5000.0 GB",
    ]  # fmt: skip

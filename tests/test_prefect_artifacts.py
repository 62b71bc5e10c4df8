"""What a run leaves on Prefect's page, and what it does when it fails."""

import sys
from pathlib import Path
from typing import Any

import pytest

from flows.around.errors import StageFailed
from flows.page import on_failure
from flows.page.artifacts import damage, failure, headline, leave_failure, leave_results, progress
from prefactor.errors import ParamsError

SUMMARY: dict[str, Any] = {
    "target": {"base_ce": {"de": 2.0, "en|x": 1.0}, "chance": 6.93},
    "holds": {"edit": "reach", "holds": False, "missed": ["<b>de</b> is short"]},
    "edits": {
        "reach": {
            "subcomponents": ["layers.0.mlp.up_proj:1"],
            "target": "de",
            "target_tokens": 4,
            "target_ce_minus_chance": {"mean": -0.5},
            "damage": {"de": {"mean": 4.43}, "en|x": {"mean": 0.0312}},
        },
        "lora": {
            "subcomponents": [],
            "target": "de",
            "target_tokens": 8,
            "target_ce_minus_chance": {"mean": 0.25},
            "damage": {"de": {"mean": 5.0}},
        },
    },
}


def test_the_headline_is_a_table_in_which_text_is_text() -> None:
    assert headline(SUMMARY, "file:///p.html").splitlines() == [
        "**reach does not hold: &lt;b&gt;de&lt;/b&gt; is short**",
        "",
        "Nats a token at the report's budget; chance is 6.93.",
        "",
        "| edit | acts on | removes | CE - chance | worst damage |",
        "|---|---|---|---:|---:|",
        "| [reach](file:///p.html#/edits/reach) | [layers.0.mlp.up\\_proj:1](file:///p.html#/components/"
        "layers.0.mlp.up_proj:1) | de, 4 tokens | -0.50 | +0.03 (en\\|x) |",
        "| [lora](file:///p.html#/edits/lora) | matrices | de, 8 tokens | +0.25 |  |",
    ]


def test_the_damage_has_a_row_an_edit_and_a_column_a_domain() -> None:
    assert damage(SUMMARY) == [
        {"edit": "reach", "removes": "de", "de": 4.43, "en|x": 0.031},
        {"edit": "lora", "removes": "de", "de": 5.0, "en|x": ""},
    ]


def test_a_failure_names_stage_and_remedy() -> None:
    assert failure(StageFailed("edit@first", 2, "prefactor: error: too little text: add <some>")) == (
        "- **stage**: edit@first\n- **exit code**: 2\n- **said**: too little text: add &lt;some&gt;\n"
        "- **remedy**: then run again: what is finished is kept"
    )
    assert failure(ParamsError("params.yaml: edits is empty")) == "- **ParamsError**: params.yaml: edits is empty"


def _left(key: str) -> Any:
    from prefect.artifacts import Artifact

    return Artifact.get(key)


def test_artifacts_are_left_at_the_server(
    prefect_env: dict[str, str], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    from prefect import flow

    import flows.page.artifacts

    monkeypatch.setattr(flows.page.artifacts, "EVERY", 0.1)
    folder = here / "data" / "report"
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps(SUMMARY))
    (folder / "index.html").write_text("page")

    @flow
    def run() -> None:
        with progress(lambda: 0.375):
            pass
        leave_results()
        leave_failure(StageFailed("edit@first", 1, "broken"))

    run()
    page = (folder / "index.html").as_uri()
    told = _left("prefactor-headline").data
    assert told.startswith(headline(SUMMARY, page)) and f"[components]({page}#/components)" in told
    table = _left("prefactor-damage")
    assert json.loads(table.data) == damage(SUMMARY) and f"[The report]({page})" in table.description
    assert _left("prefactor-progress").data == 37.5
    assert (folder / "index.html").as_uri() in _left("prefactor-report").data
    assert "edit@first" in _left("prefactor-failure").data


def test_a_server_that_is_gone_takes_no_run_with_it(here: Path) -> None:
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api", PREFECT_CLIENT_MAX_RETRIES: 0}):
        with progress(lambda: 0.5):
            pass
        leave_failure(StageFailed("edit", 1, "broken"))


RECORD = "import sys; open('told', 'w').write('\\n'.join(sys.argv[1:]))"


def test_the_command_gets_the_flow_and_the_line_and_no_shell(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFACTOR_ON_FAILURE", f'"{sys.executable}" -c "{RECORD}" --to "a b"')
    on_failure.call("prefactor", "stage x failed: $(touch owned) `touch owned`; touch owned\x1b[31m")
    assert (here / "told").read_text().split("\n") == [
        "--to", "a b", "prefactor", "stage x failed: $(touch owned) `touch owned`; touch owned\\x1b[31m",
    ]  # fmt: skip
    assert not (here / "owned").exists()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", ""),
        ("no-such-command", "PREFACTOR_ON_FAILURE: [Errno 2]"),
        ("false", "PREFACTOR_ON_FAILURE: it ended with 1"),
        ("'open", "no closing quotation: write a command"),
    ],
)
def test_a_command_that_fails_is_told(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, said: str
) -> None:
    monkeypatch.setenv("PREFACTOR_ON_FAILURE", command)
    on_failure.call("prefactor", "broken")
    assert said in capsys.readouterr().err


def test_a_run_that_fails_calls_it(project: Path, call) -> None:
    (project / "second.txt").unlink()
    code, output = call("flows.pipeline", PREFACTOR_ON_FAILURE=f'"{sys.executable}" -c "{RECORD}"')
    assert code == 1, output
    name, line = (project / "told").read_text().split("\n")
    assert name == "prefactor" and output.endswith(f"prefactor: error: {line}\n")

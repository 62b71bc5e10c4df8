"""``docs/tour.ipynb`` runs from first cell to last in a project, and what is committed shows nothing of a machine."""

import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from nbclient import NotebookClient

from tests.work import GERMAN, ROOT, build_work

TOUR = ROOT / "docs" / "tour.ipynb"


def _outputs(notebook: Any) -> str:
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            found += [
                output.get("text", ""),
                *(output.get("data", {}).get(kind, "") for kind in ("text/plain", "text/html")),
            ]
    return "\n".join(found)


@pytest.mark.servers
def test_it_runs_in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_work(tmp_path)
    params = yaml.safe_load((tmp_path / "params.yaml").read_text(encoding="utf-8"))
    params["edit"]["probe_tokens"] = 60  # reach asks for more text than the tiny project has
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    before = (tmp_path / "params.yaml").read_bytes()
    (tmp_path / "docs").mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook: Any = nbformat.read(TOUR, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path / "docs")}}).execute()
    said = _outputs(notebook)
    assert f"{GERMAN}: German text" in said and "adapter_model.safetensors" in said and "chance is 3.69" in said
    drawn = [
        output for cell in notebook.cells for output in cell.get("outputs", ()) if "image/png" in output.get("data", {})
    ]
    assert len(drawn) == 2
    assert (tmp_path / "params.yaml").read_bytes() == before


def test_what_is_committed_was_run_and_shows_no_machine() -> None:
    assert TOUR.stat().st_size < 300_000
    notebook: Any = nbformat.read(TOUR, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, 11))
    assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)
    assert not any(output.get("name") == "stderr" for cell in cells for output in cell.outputs)
    assert sum("image/png" in output.get("data", {}) for cell in cells for output in cell.outputs) == 2
    assert not re.search(r"/(home|root|tmp|work|Users|var)/|\.venv|localhost", _outputs(notebook))

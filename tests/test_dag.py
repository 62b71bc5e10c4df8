"""``dvc.yaml`` says all that each stage depends on, and no more."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.closure import imports, sections
from flows.deps import is_code, rewritten, script, stages
from prefactor.config_check.pipeline import PipelineConfig

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
STAGES = dict(stages(yaml.safe_load(TEXT)))
SOURCES = {"params.yaml", "data/corpus/lexicon", "data/label/overrides.yaml"}  # written by people
GATES = {"params": [], "corpus": ["params"], "text": ["params"]}  # the rest waits for both


def test_there_is_a_stage_for_each_section_and_two_checks() -> None:
    assert set(STAGES) == (set(PipelineConfig.model_fields) - {"edits"}) | {"params", "text"}


@pytest.mark.parametrize("name", STAGES)
def test_code_deps_are_what_the_script_imports(name: str) -> None:
    needed = {path.as_posix() for path in imports(script(STAGES[name]), ROOT)}
    listed = {dep for dep in STAGES[name]["deps"] if is_code(dep)}
    hint = f"dvc.yaml, stages.{name}.deps; run `python -m flows.deps`"
    assert not needed - listed, f"{hint}: add {sorted(needed - listed)}"
    assert not listed - needed, f"{hint}: take out {sorted(listed - needed)}"


def test_rewriting_the_code_deps_changes_nothing() -> None:
    assert rewritten(TEXT, ROOT) == TEXT, "run `python -m flows.deps`"


@pytest.mark.parametrize("name", STAGES)
def test_params_are_the_sections_the_script_reads(name: str) -> None:
    """The two checks read all of it, and therefore depend on the file."""
    listed = set(STAGES[name].get("params", []))
    if name in ("params", "text"):
        assert not listed and "params.yaml" in STAGES[name]["deps"]
    else:
        assert listed == sections(ROOT / script(STAGES[name]))


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_waits_for_the_checks(name: str) -> None:
    for gate in GATES.get(name, ["params", "text"]):
        assert f"data/{gate}/valid.txt" in STAGES[name]["deps"]


@pytest.mark.parametrize("name", STAGES)
def test_outputs_are_in_the_folder_of_the_stage_and_deps_are_outputs_of_another(name: str) -> None:
    own = f"data/{name}/" + ("${key}/" if "foreach" in yaml.safe_load(TEXT)["stages"][name] else "")
    assert all(out.startswith(own) for out in outputs(STAGES[name]))
    made = {out for stage in STAGES.values() for out in outputs(stage)}
    folders = {"data/selection", "data/edit", "data/evaluate"} if name == "report" else set()
    for dep in STAGES[name]["deps"]:
        assert is_code(dep) or dep in made | folders | SOURCES, dep


def outputs(stage: dict[str, Any]) -> list[str]:
    return [out for kind in ("outs", "metrics", "plots") for out in stage.get(kind, [])]


@pytest.mark.parametrize("name", STAGES)
def test_what_a_script_checks_is_what_it_depends_on(name: str) -> None:
    """``verify`` without ``only`` wants every file of a folder there, also those the stage has no need of."""
    tree = ast.parse((ROOT / script(STAGES[name])).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "verify":
            assert len(node.args) + len(node.keywords) == 2, f"{script(STAGES[name])}:{node.lineno}: say only=[...]"


def test_imports_run_one_way() -> None:
    for package, forbidden in {
        "prefactor": ("stages", "flows", "dvc", "prefect"),
        "stages": ("flows", "prefect"),
    }.items():
        for path in (ROOT / package).rglob("*.py"):
            found = re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert not set(found) & set(forbidden), f"{path.relative_to(ROOT)} imports {set(found) & set(forbidden)}"


def test_the_check_of_the_params_needs_no_torch() -> None:
    code = "import sys, stages.params, stages.text; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_closure_follows_imports_and_resources(tmp_path: Path) -> None:
    sources = {
        "stages/__init__.py": '"""Docstring only."""\n',
        "stages/one.py": "from prefactor.a import thing\nimport prefactor.inner.b\nimport os\nsection(f'edits.{x}')\n",
        "prefactor/__init__.py": "",
        "prefactor/a.py": "def f():\n    from prefactor import late\n",
        "prefactor/late.py": "",
        "prefactor/unused.py": "",
        "prefactor/inner/__init__.py": "CODE = 1\n",
        "prefactor/inner/b.py": "",
        "prefactor/inner/page.html": "",
    }
    for name, text in sources.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = {path.as_posix() for path in imports(Path("stages/one.py"), tmp_path)}
    assert found == set(sources) - {"stages/__init__.py", "prefactor/__init__.py", "prefactor/unused.py"}
    assert sections(tmp_path / "stages/one.py") == {"edits.${key}"}

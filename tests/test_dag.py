"""``dvc.yaml`` says all that each stage depends on, and no more."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefactor.config_check.pipeline import PipelineConfig
from stages.check import STAGES as CHECKED
from stages.closure import fingerprint, imports, sections

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
STAGES: dict[str, dict[str, Any]] = {n: s.get("do", s) for n, s in yaml.safe_load(TEXT)["stages"].items()}
SOURCES = {"params.yaml", "prefactor", "stages", "data/corpus/lexicon", "data/label/overrides.yaml"}  # people's
MAPPINGS = {"shortlists", "edits", "baselines", "optimisers"}  # sections that are no stage's own
FOLDERS = {"edit": ("edit", "changes"), "baseline": ("edit", "changes"), "evaluate-baseline": ("evaluate",)}  # of data/
GATES = {"check": [], "corpus": ["check"], "text": ["check"]}  # the rest waits for both, or reads no text itself


def script(name: str) -> Path:
    """The script a stage runs: ``python -m stages.NAME`` -> ``stages/NAME.py``."""
    match = re.fullmatch(r"python -m (stages\.\w+)( \$\{key\})?", STAGES[name]["cmd"])
    assert match, f"dvc.yaml, stages.{name}.cmd"
    return Path(*match[1].split(".")).with_suffix(".py")


def outputs(stage: dict[str, Any]) -> list[str]:
    return [out for kind in ("outs", "metrics", "plots") for out in stage.get(kind, [])]


def test_one_reads_it_in_a_few_minutes() -> None:
    assert len(TEXT.splitlines()) <= 170


def test_there_is_a_stage_for_each_section_and_two_checks() -> None:
    extra = {"check", "text", "shortlist", "baseline", "evaluate-baseline"}
    assert set(STAGES) == (set(PipelineConfig.model_fields) - MAPPINGS) | extra


@pytest.mark.parametrize("name", [name for name in STAGES if name != "check"])
def test_every_stage_waits_for_the_hash_of_its_code(name: str) -> None:
    code = script(name).stem
    assert [dep for dep in STAGES[name]["deps"] if dep.startswith("data/check/")] == [f"data/check/{code}.txt"]
    assert code in CHECKED


@pytest.mark.parametrize("name", STAGES)
def test_params_are_the_sections_the_script_reads(name: str) -> None:
    """The two checks read all of it, and therefore depend on the file."""
    listed = set(STAGES[name].get("params", []))
    if name in ("check", "text"):
        assert not listed and "params.yaml" in STAGES[name]["deps"]
    else:
        assert listed == sections(ROOT / script(name))


@pytest.mark.parametrize("name", STAGES)
def test_who_reads_text_waits_for_there_being_enough(name: str) -> None:
    reads = any(re.match(r"data/corpus/(train|harvest|select|fit|eval)$", dep) for dep in STAGES[name]["deps"])
    assert ("data/text/valid.txt" in STAGES[name]["deps"]) == (reads and name != "text")  # that is who says it


@pytest.mark.parametrize("name", STAGES)
def test_outputs_are_in_the_folder_of_the_stage_and_deps_are_outputs_of_another(name: str) -> None:
    inner = "/${key}/" if "${key}" in STAGES[name]["cmd"] else ""
    own = tuple(f"data/{folder}{inner}" for folder in FOLDERS.get(name, (name,)))
    assert all(out.startswith(own) for out in outputs(STAGES[name]))
    assert all(any(out.startswith(folder) for out in outputs(STAGES[name])) for folder in own)
    made = {out for stage in STAGES.values() for out in outputs(stage)}
    made |= {out.replace("${key}", "${item.shortlist}") for out in made}
    folders = {f"data/{each}" for each in ("shortlist", "candidates", "selection", "edit", "evaluate")}
    for dep in STAGES[name]["deps"]:
        inside = any(dep.startswith(f"{out}/") for out in made)  # a file of an output that is a folder
        assert dep in made | SOURCES or inside or (name == "report" and dep in folders), dep


def test_the_changes_themselves_are_read_by_who_measures_them_alone() -> None:
    """They are the large part of an edit: the page, which takes ``data/edit`` as a whole, is had without them."""
    readers = {name for name, stage in STAGES.items() if any("changes" in Path(dep).parts for dep in stage["deps"])}
    assert readers == {"evaluate", "evaluate-baseline"}
    apart = {Path(out).name for out in outputs(STAGES["edit"]) if out.startswith("data/changes/")}
    assert apart == {"tensors", "adapter"} and outputs(STAGES["edit"]) == outputs(STAGES["baseline"])


@pytest.mark.parametrize("name", STAGES)
def test_what_a_script_checks_is_what_it_depends_on(name: str) -> None:
    """``verify`` without ``only`` wants every file of a folder there, also those the stage has no need of."""
    tree = ast.parse((ROOT / script(name)).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "verify":
            assert len(node.args) + len(node.keywords) == 2, f"{script(name)}:{node.lineno}: say only=[...]"


def test_baselines_need_no_decomposition() -> None:
    for name in ("baseline", "evaluate-baseline"):
        assert not [dep for dep in STAGES[name]["deps"] if "decompose" in dep or "importance" in dep]


def test_cheap_stages_need_no_torch() -> None:
    code = (
        "import sys, stages.check, stages.text, stages.shortlist, stages.selection, stages.candidates\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


SMALL = {
    "stages/__init__.py": '"""Docstring only."""\n',
    "stages/one.py": (
        "from prefactor.a import thing\nimport prefactor.inner.b\nimport os\n"
        "section(f'edits.{x}')\nsection(f'lists.{x.list}')\n"
    ),
    "prefactor/__init__.py": "",
    "prefactor/a.py": "def f():\n    from prefactor import late\n",
    "prefactor/late.py": "",
    "prefactor/unused.py": "",
    "prefactor/inner/__init__.py": "CODE = 1\n",
    "prefactor/inner/b.py": "",
    "prefactor/inner/page.html": "",
}
ONE = Path("stages/one.py")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    for name, text in SMALL.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_closure_follows_imports_and_resources(small: Path) -> None:
    found = {path.as_posix() for path in imports(ONE, small)}
    assert found == set(SMALL) - {"stages/__init__.py", "prefactor/__init__.py", "prefactor/unused.py"}
    assert sections(small / ONE) == {"edits.${key}", "lists.${item.list}"}


@pytest.mark.parametrize(
    ("file", "text", "same"),
    [
        ("prefactor/a.py", 'def f():\n    """Says what it does."""\n    from prefactor import late  # late\n', True),
        ("prefactor/a.py", '"""A module."""\n\n\ndef f():\n    from prefactor import late\n', True),
        ("prefactor/unused.py", "import sys\n", True),
        ("stages/__init__.py", '"""Another docstring."""\n', True),
        ("prefactor/a.py", "def f(x=1):\n    from prefactor import late\n", False),
        ("prefactor/a.py", "def g():\n    from prefactor import late\n", False),
        ("prefactor/a.py", "async def f():\n    from prefactor import late\n", False),
        ("prefactor/late.py", "X = 'a text that is a value'\n", False),
        ("prefactor/late.py", "X = None\n", False),
        ("prefactor/late.py", "x = [1, None, -2.5]\n", False),
        ("prefactor/inner/page.html", "<p>\n", False),
        ("prefactor/inner/__init__.py", "CODE = 2\n", False),
        ("prefactor/__init__.py", "import os\n", False),
    ],
)
def test_a_fingerprint_changes_with_what_the_code_does(small: Path, file: str, text: str, same: bool) -> None:
    before = fingerprint(ONE, small)
    other = small.parent / f"{small.name}-other"  # sources are read once a process
    shutil.copytree(small, other)
    assert fingerprint(ONE, other) == before
    changed = small.parent / f"{small.name}-changed"
    shutil.copytree(small, changed)
    (changed / file).write_text(text)
    assert (fingerprint(ONE, changed) == before) is same


def test_texts_that_differ_have_fingerprints_that_differ(small: Path) -> None:
    values = ["1", "1.0", "'1'", "b'1'", "None", "[]", "[None]", "()", "[[]]", "[1, 2]", "[[1], 2]", "x", "-1", "1 + x"]
    values += ["{**x, 2: z}", "{2: x, **z}"]
    found = set()
    for place, value in enumerate(values):
        folder = small.parent / f"{small.name}-{place}"
        shutil.copytree(small, folder)
        (folder / "prefactor/late.py").write_text(f"y = {value}\n")
        found.add(fingerprint(ONE, folder))
    assert len(found) == len(values)

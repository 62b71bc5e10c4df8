"""A stage lets go of its checkpoint last: whatever ends it before costs no more than what is written again."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RESUMABLE = [path for path in sorted((ROOT / "stages").glob("*.py")) if "Checkpoint(" in path.read_text()]


def _calls(node: ast.AST) -> list[str]:
    return [
        call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
    ]


@pytest.mark.parametrize("path", RESUMABLE, ids=lambda path: path.stem)
def test_nothing_is_written_after_the_checkpoint_is_gone(path: Path) -> None:
    (main,) = (n for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef) and n.name == "main")
    (end,) = (i for i, statement in enumerate(main.body) if "done" in _calls(statement))
    assert isinstance(main.body[end], ast.Expr)  # of the main process alone, and not within a block that may yet fail
    written = [[name for name in _calls(each) if name.startswith("write")] for each in main.body]
    assert any(written[:end]) and not any(written[end:])


def test_the_stages_that_resume_are_known() -> None:
    assert [path.stem for path in RESUMABLE] == ["decompose", "effects", "harvest", "importance"]

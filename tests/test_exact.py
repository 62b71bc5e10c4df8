"""Float64 only where the device has it: one module decides."""

import ast
from pathlib import Path

import pytest
import torch

from prefactor.harvest.collect import Sums
from prefactor.machine import exact as module
from prefactor.machine.exact import exact, exact_device
from prefactor.vpd.importance_net import _rotation

PACKAGE = Path(module.__file__).parents[1]
FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != Path(module.__file__)]


def _moves_to_float64(node: ast.AST) -> bool:
    """A call of ``.double()``, or one with ``torch.float64`` and a device that :func:`exact_device` did not choose."""
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute) and node.func.attr == "double":
        return True
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    if given.get("dtype") != "torch.float64":
        return False
    device = given.get("device", "")
    return bool(device) and not (device.startswith("exact_device(") or device in ("device", "spared.device"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_other_module_makes_float64_of_what_is_on_a_device(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [ast.unparse(node) for node in ast.walk(tree) if _moves_to_float64(node)] == []


@pytest.mark.parametrize(
    "code", ["x.double()", "f(x.y.double().sum())", "torch.zeros(3, dtype=torch.float64, device=x.device)"]
)
def test_the_rule_finds_what_it_is_for(code: str) -> None:
    assert any(_moves_to_float64(node) for node in ast.walk(ast.parse(code)))


def test_on_a_cpu_it_is_double_and_elsewhere_it_is_where_float64_is(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(5)
    assert torch.equal(exact(x), x.double())
    assert exact_device(torch.device("mps")).type == "cpu" and exact_device(torch.device("cuda", 1)).index == 1
    meta = torch.device("meta")  # stands in for a device without float64
    assert Sums.zero(3, 2, 5, meta).importance.device == meta
    wanted = [part.clone() for part in _rotation(4, 6, x)]
    monkeypatch.setattr(module, "WITHOUT_FLOAT64", {"meta"})
    sums = Sums.zero(3, 2, 5, meta)
    assert {kind.dtype for kind in vars(sums).values() if kind.device == meta} == {torch.int64}
    assert sums.importance.device.type == sums.activation.device.type == "cpu"
    rotation = _rotation(4, 6, torch.empty(1, device=meta))
    assert all(part.device == meta and part.dtype == torch.float32 for part in rotation)
    assert all(torch.equal(one, other) for one, other in zip(_rotation(4, 6, x), wanted, strict=True))

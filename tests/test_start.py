"""What a decomposition starts from, whatever the matrices are."""

import math
import re
from typing import Any

import pytest
import torch
from torch import Tensor

from prefactor.config.decompose import DecomposeConfig
from prefactor.errors import PrefactorError
from prefactor.model.matrices import matrices, matrix_of, weight_of
from prefactor.vpd.start import start_decomposition
from tests.tiny import tiny_target, training

ONE, OTHER = "layers.0.mlp.down_proj", "layers.1.self_attn.q_proj"
CPU = torch.device("cpu")


def _config(**changes: Any) -> DecomposeConfig:
    fields: dict[str, Any] = {
        "modules": ".*", "subcomponents": "auto", "initial": "random", "net": {"width": 16, "blocks": 1, "heads": 2},
        "clip": 0.01, "training": training(),
    }  # fmt: skip
    return DecomposeConfig(**(fields | changes))


def _filled(**values: Any) -> Any:
    """The tiny target with matrices that are ``values``: a number, or a function of the weight."""
    target = tiny_target()
    for name, value in values.items():
        weight = weight_of(matrix_of(target, {"one": ONE, "other": OTHER}[name]))
        filled: Any = value(weight) if callable(value) else torch.full_like(weight, value)
        weight.data.copy_(filled)
    return target


@pytest.mark.parametrize("initial", ["random", "singular"])
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"one": 0.0}, f"{ONE} of the target has only zeros, which have no parts: leave it out with decompose.modules"),
        ({"one": -0.0, "other": 0.0}, f"{ONE}, {OTHER} of the target has only zeros"),
        ({"one": math.nan}, f"{ONE} of the target has NaN or infinite weights"),
        ({"one": 0.0, "other": math.inf}, f"{OTHER} of the target has NaN or infinite weights"),
        ({"other": lambda w: torch.where(w == w.max(), -math.inf, w)}, f"{OTHER} of the target has NaN or infinite"),
    ],
)
def test_matrices_without_parts_are_named(initial: str, values: dict[str, Any], said: str) -> None:
    target = _filled(**values)
    with pytest.raises(PrefactorError, match=f"^{re.escape(said)}") as error:
        start_decomposition(target, _config(initial=initial), matrices(target), CPU)
    assert "\n" not in str(error.value)
    if "zeros" in said:  # the remedy that is named is one
        (pattern,) = re.findall(r"decompose\.modules \('(.*)'\)", str(error.value))
        assert set(matrices(target)) - set(matrices(target, pattern)) == set(said.split(" of ")[0].split(", "))
        start_decomposition(target, _config(initial=initial), matrices(target, pattern), CPU)


def _rank_one(weight: Tensor) -> Tensor:
    return torch.outer(weight[:, 0], weight[0])


def _one_entry(weight: Tensor) -> Tensor:
    return torch.where(weight == weight.max(), weight, 0.0)


@pytest.mark.parametrize("initial", ["random", "singular"])
@pytest.mark.parametrize(
    "value", [0.3, _rank_one, _one_entry, 1e-38, 1e18, lambda w: w * 1e-20, lambda w: w[:1].expand_as(w)],
    ids=["constant", "rank one", "one entry", "next to nothing", "huge", "tiny", "equal rows"],
)  # fmt: skip
def test_any_other_matrix_is_the_sum_of_its_parts_at_the_start(initial: str, value: Any) -> None:
    target = _filled(one=value)
    model, net = start_decomposition(target, _config(initial=initial), matrices(target), CPU)
    assert all(torch.isfinite(p).all() for p in [*model.U, *model.V, *net.parameters()])
    for site, delta in zip(model.sites, model.deltas(), strict=True):
        assert delta.norm() <= 1e-5 * weight_of(site.module).norm() + 1e-44

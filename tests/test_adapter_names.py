"""An adapter acts on the matrices that it names, and on no other whose name ends in one of theirs."""

import pytest
from peft import LoraConfig
from peft.tuners.tuners_utils import check_target_module_exists
from torch import nn

from prefactor.export.adapter import targeted


def _tree(*names: str) -> nn.Module:
    root = nn.Module()
    for name in names:
        module = root
        for part in name.split("."):
            if part not in module._modules:
                module.add_module(part, nn.Module())
            module = module.get_submodule(part)
    return root


@pytest.mark.parametrize(
    ("modules", "others"),
    [
        (["layers.0.q"], ["encoder.layers.0.q"]),
        (["model.layers.0.q"], ["vision.model.layers.0.q", "layersX0.q"]),
        (["layers.1.q", "layers.0.q"], ["decoder.layers.0.q", "layers.11.q"]),
        (["h.0.c_attn"], ["h.0.c_attn_2", "h.10.c_attn"]),
        (["q"], ["a.q", "b.c.q", "qq"]),
    ],
)
def test_no_module_with_a_longer_name_is_taken(modules: list[str], others: list[str]) -> None:
    config = LoraConfig(target_modules=targeted(_tree(*modules, *others), modules))
    assert all(check_target_module_exists(config, name) for name in modules)
    assert not any(check_target_module_exists(config, name) for name in others)


def test_where_names_are_plain_they_stay_a_list() -> None:
    assert targeted(_tree("layers.0.q", "layers.1.q"), ["layers.0.q"]) == ["layers.0.q"]

"""An edit in a copy of the GGUF file that its target came in: the edited model to the bit, or a clear refusal."""

from pathlib import Path
from typing import Any

import gguf
import pytest
import torch

from prefactor.errors import PrefactorError
from prefactor.export.gguf_copy import write_gguf as write_edited
from prefactor.model.change import Change, applied
from prefactor.model.matrices import matrices, shape_of
from prefactor.model.target import logits_of
from tests.gguf_files import FILE, TOKENS, llama, load, write_gguf


def _change(target: Any, modules: list[str]) -> Change:
    rng, found = torch.Generator().manual_seed(0), matrices(target)
    return {
        name: (torch.randn(2, d_in, generator=rng), torch.randn(d_out, 2, generator=rng))
        for name, (d_out, d_in) in ((name, shape_of(found[name])) for name in modules)
    }


@pytest.mark.parametrize("quantised", [False, True], ids=["f32", "Q8_0"])
def test_the_copy_is_the_edited_model(quantised: bool, tmp_path: Path) -> None:
    original = write_gguf(tmp_path / FILE, quantised=quantised)
    target = load(tmp_path)
    change = _change(target, ["layers.0.mlp.down_proj", "layers.1.self_attn.o_proj"])
    (tmp_path / "edited").mkdir()
    write_edited(tmp_path / "edited" / FILE, original, target, change)
    with applied(target, change):
        expected = logits_of(target, TOKENS)
    assert torch.equal(logits_of(load(tmp_path / "edited"), TOKENS), expected)
    assert not torch.equal(logits_of(target, TOKENS), expected), "taken off the target again"
    before, after = (gguf.GGUFReader(path) for path in (original, tmp_path / "edited" / FILE))
    assert {k: f.contents() for k, f in before.fields.items()} == {k: f.contents() for k, f in after.fields.items()}
    changed = {"blk.0.ffn_down.weight", "blk.1.attn_output.weight"}
    for old, new in zip(before.tensors, after.tensors, strict=True):
        same = (old.name, old.tensor_type, old.data.tobytes()) == (new.name, new.tensor_type, new.data.tobytes())
        assert same != (old.name in changed)


def test_rows_in_another_order_are_refused(tmp_path: Path) -> None:
    original = write_gguf(tmp_path / FILE)
    target = load(tmp_path)
    with pytest.raises(PrefactorError, match=r"model\.gguf does not hold layers\.0\.self_attn\.q_proj as .*--merged"):
        write_edited(tmp_path / "edited.gguf", original, target, _change(target, ["layers.0.self_attn.q_proj"]))
    assert not (tmp_path / "edited.gguf").exists()


def test_the_file_of_another_model_is_refused(tmp_path: Path) -> None:
    write_gguf(tmp_path / FILE)
    target = load(tmp_path)
    other = llama()
    with torch.no_grad():
        other.model.layers[0].mlp.down_proj.weight += 1
    another = write_gguf(tmp_path / "another.gguf", other)
    with pytest.raises(PrefactorError, match=r"another\.gguf does not hold layers\.0\.mlp\.down_proj as the target"):
        write_edited(tmp_path / "edited.gguf", another, target, _change(target, ["layers.0.mlp.down_proj"]))

"""States before the first changed matrix: the bits of the forward pass, computed once, found again, within a limit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from prefactor.errors import PrefactorError
from prefactor.machine.flops import flops_of
from prefactor.model import kept_states
from prefactor.model.kept_states import KeptStates, keep_states
from prefactor.model.matrices import matrix_of
from prefactor.model.prefix import prefix_of
from prefactor.model.target import logits_of
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.initial import initial_components
from tests.tiny import tiny_blocks, tiny_target

SECOND = "layers.1.mlp.up_proj"


class Counted:
    """Computes states, and counts the blocks."""

    def __init__(self) -> None:
        self.blocks = 0

    def __call__(self, tokens: Tensor) -> Tensor:
        self.blocks += len(tokens)
        return tokens[..., None].float() * torch.arange(1, 4)


def text(seed: int, blocks: int = 5) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 99, (blocks, 6)))


def test_a_block_is_computed_once_whoever_asks_in_whatever_order(tmp_path: Path) -> None:
    first, compute = KeptStates(tmp_path / "a", 2**20), Counted()
    wanted = Counted()(text(0))
    assert torch.equal(first.states(text(0), compute), wanted) and compute.blocks == 5
    assert torch.equal(first.states(text(0)[[3, 0, 3]], compute), wanted[[3, 0, 3]]) and compute.blocks == 5
    first.flush()
    again, other = KeptStates(tmp_path / "a", 2**20), KeptStates(tmp_path / "a", 2**20)
    assert torch.equal(again.states(torch.cat([text(1), text(0)]), compute)[5:], wanted) and compute.blocks == 10
    again.flush()
    assert other.states(text(1), compute).shape == (5, 6, 3) and compute.blocks == 10  # another process wrote it


def test_what_is_damaged_gone_or_cannot_be_written_is_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, compute = Counted()(text(0)), Counted()
    for spoil in (lambda file: file.write_bytes(file.read_bytes()[:100]), Path.unlink):
        first = KeptStates(tmp_path / "a", 2**20)
        first.states(text(0), compute)
        first.flush()
        knows = KeptStates(tmp_path / "a", 2**20)
        knows._look()
        for file in (tmp_path / "a").iterdir():
            spoil(file)
        before = compute.blocks
        for other in (knows, KeptStates(tmp_path / "a", 2**20)):
            assert torch.equal(other.states(text(0), compute), wanted)
        assert compute.blocks == before + 10

    def full(*args: Any) -> None:
        raise PrefactorError("the disk is full")

    monkeypatch.setattr(kept_states, "write_tensors", full)
    unlucky = KeptStates(tmp_path / "b", 2**20)
    assert torch.equal(unlucky.states(text(0), compute), wanted)
    unlucky.flush()
    assert torch.equal(unlucky.states(text(0), compute), wanted)


def test_what_is_kept_stands_in_for_nothing_that_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_states, "SMALLEST", 1)
    target, tokens = tiny_target(), torch.from_numpy(tiny_blocks(2)).long()
    keep_states(target, tmp_path, "a target")
    prefix = prefix_of(target, [SECOND], tokens)
    first = flops_of(lambda: prefix.states(tokens))
    prefix.states(tokens)
    assert flops_of(lambda: prefix.states(tokens)) == first > 0


def test_what_is_full_keeps_no_more_and_others_give_way(tmp_path: Path) -> None:
    size, compute = 5 * 6 * 3 * 4, Counted()
    KeptStates(tmp_path / "old", 10 * size).states(text(0), compute)
    old = KeptStates(tmp_path / "old", 10 * size)
    old.states(text(0), compute)
    old.flush()
    new = KeptStates(tmp_path / "new", int(2.5 * size))
    for seed in (1, 2, 3):
        new.states(text(seed), compute)
        new.flush()
    assert not list((tmp_path / "old").glob("*"))
    kept = list((tmp_path / "new").glob("*.safetensors"))
    assert len(kept) == 1 or sum(file.stat().st_size for file in kept) <= 2.5 * size
    before = compute.blocks
    assert torch.equal(KeptStates(tmp_path / "new", 2**20).states(text(3), compute), Counted()(text(3)))
    assert compute.blocks == before + 5  # there was no room for it


def test_a_decomposed_model_is_the_same_with_its_states_given_kept_or_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_states, "SMALLEST", 1)
    target = tiny_target()
    tokens = torch.from_numpy(tiny_blocks(3)).long()
    whole = logits_of(target, tokens)

    def decomposed() -> DecomposedModel:
        modules = {SECOND: matrix_of(target, SECOND)}
        return DecomposedModel(target, *initial_components(modules, {SECOND: 16}, torch.Generator().manual_seed(0)))

    plain = decomposed()
    assert plain.prefix.depth == 1 and plain.prefix.kept is None
    states = plain.states(tokens)
    mask, rho = torch.rand(3, tokens.shape[1], 16), torch.rand(3, tokens.shape[1], 1)
    logits, (x,) = plain.observe(tokens)
    masked = plain.masked(tokens, mask, rho)
    assert torch.equal(logits, whole)
    assert torch.equal(plain.observe(tokens, states)[0], whole) and torch.equal(plain.inputs(tokens)[0], x)
    assert torch.equal(plain.masked(tokens, mask, rho, states=states), masked)
    keep_states(target, tmp_path, "a target")
    keeping = decomposed()
    assert keeping.prefix.kept is not None
    for _ in range(2):  # computed, then found
        assert torch.allclose(keeping.observe(tokens)[0], whole, atol=1e-6)
        keeping.prefix.kept.flush()
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.glob("*.safetensors"))) == 1


@pytest.mark.parametrize(
    ("about", "device", "first"), [("another target", "cpu", SECOND), ("a target", "cpu", "layers.0.mlp.up_proj")]
)
def test_states_of_another_target_or_depth_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, about: str, device: str, first: str
) -> None:
    monkeypatch.setattr(kept_states, "SMALLEST", 1)
    target, sample = tiny_target(), torch.from_numpy(tiny_blocks(1)).long()
    keep_states(target, tmp_path, "a target")
    kept = prefix_of(target, [SECOND], sample).kept
    keep_states(target, tmp_path, about)
    other = prefix_of(target, [first], sample).kept
    assert kept is not None and (other is None or other.folder != kept.folder)


def test_none_are_kept_of_small_layers_or_where_the_machine_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, sample = tiny_target(), torch.from_numpy(tiny_blocks(1)).long()
    keep_states(target, tmp_path, "a target")
    assert prefix_of(target, [SECOND], sample).kept is None
    monkeypatch.setattr(kept_states, "SMALLEST", 1)
    monkeypatch.setenv("PREFACTOR_STATES_GB", "0")
    assert prefix_of(target, [SECOND], sample).kept is None

"""The head apart from the rest: the very logits, and a part at a time the same losses and gradients."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
import transformers as t
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

import prefactor.model.at_once as module
from prefactor.model.at_once import blocks_at_once, few
from prefactor.model.change import Change, applied, attached
from prefactor.model.head import Head, head_of
from prefactor.model.prefix import prefix_of
from prefactor.model.target import logits_of
from tests.tiny import POSITIONS, VOCABULARY, tiny_blocks, tiny_target

SIZE: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
    "initializer_range": 0.3,
}  # fmt: skip
GROUPED: dict[str, Any] = SIZE | {"intermediate_size": 24, "num_key_value_heads": 2, "head_dim": 4}
CONFIGS: dict[str, Any] = {
    "untied": t.LlamaConfig(**SIZE, intermediate_size=24, tie_word_embeddings=False),
    "tied": t.LlamaConfig(**SIZE, intermediate_size=24, tie_word_embeddings=True),
    "soft-capped": t.Gemma2Config(**GROUPED, final_logit_softcapping=1.5),
    "scaled": t.CohereConfig(**SIZE, intermediate_size=24, logit_scale=0.3),
    "biased": t.PhiConfig(**SIZE, intermediate_size=24),
    "projected after the layers": t.OPTConfig(
        vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, ffn_dim=24,
        word_embed_proj_dim=8, init_std=0.3,
    ),
}  # fmt: skip
SOME = 7  # positions at a time, of 36


def _target(family: str) -> Any:
    torch.manual_seed(0)
    target: Any = AutoModelForCausalLM.from_config(CONFIGS[family]).eval()
    for name, parameter in target.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter)
    return target.double().requires_grad_(False)


def _tokens() -> Tensor:
    return torch.from_numpy(tiny_blocks(3)).long()


def _change(target: Any, name: str, trained: bool) -> Change:
    d_out, d_in = target.base_model.get_submodule(name).weight.shape
    rng = torch.Generator().manual_seed(3)
    A, B = (torch.randn(s, generator=rng).double().requires_grad_(trained) for s in ((1, d_in), (d_out, 1)))
    return {name: (A, B)}


@pytest.mark.parametrize("family", CONFIGS)
def test_the_head_of_a_changed_model_gives_its_very_logits(family: str) -> None:
    target, tokens = _target(family), _tokens()
    head = head_of(target, tokens)
    assert head.body is not None and head.states(tokens).shape[-1] <= 16
    base, known = logits_of(target, tokens), set(vars(head.body))
    states = head.states(tokens)
    assert torch.equal(head.logits(states), base)
    name = next(n for n, m in target.base_model.named_modules() if isinstance(m, nn.Linear) and ".1." in n)
    change, prefix = _change(target, name, trained=False), prefix_of(target, [name], tokens[:1])
    for on in (applied, attached):
        with on(target, change), prefix.given(prefix.states(tokens)):
            edited = logits_of(target, tokens)
            assert torch.equal(head.logits(head.states(tokens)), edited) and not torch.allclose(edited, base)
            assert torch.equal(head.logits(states), base)  # of the base's states, whatever is changed
    assert set(vars(head.body)) == known


@pytest.mark.parametrize("family", CONFIGS)
def test_a_part_at_a_time_gives_the_same_losses_and_gradients(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", SOME * VOCABULARY)
    target, tokens = _target(family), _tokens()
    head, following = head_of(target, tokens), tokens.roll(-1, 1)
    name = next(n for n, m in target.base_model.named_modules() if isinstance(m, nn.Linear))
    base, change = head.states(tokens), _change(target, name, trained=True)
    weights = torch.rand(2, *tokens.shape, dtype=torch.float64)  # a position's loss may count as much as it likes
    sizes: list[int] = []

    def ce(logits: Tensor, rows: slice) -> Tensor:
        sizes.append(len(logits))
        return F.cross_entropy(logits, following.flatten()[rows], reduction="none")

    with attached(target, change):
        states = head.states(tokens)
        found = torch.stack([head.each(states, ce), head.kl(base, states)])
        logits = logits_of(target, tokens)
    logp, logq = F.log_softmax(logits_of(target, tokens), dim=-1), F.log_softmax(logits, dim=-1)
    whole = torch.stack([-logq.gather(-1, following[..., None])[..., 0], (logp.exp() * (logp - logq)).sum(-1)])
    assert sizes == [SOME] * 5 + [1]
    torch.testing.assert_close(found, whole, rtol=1e-10, atol=1e-12)
    for one, two in zip(*(torch.autograd.grad((x * weights).sum(), change[name]) for x in (found, whole)), strict=True):
        assert one.abs().max() > 1e-3
        torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-12)
    with torch.no_grad():
        assert not head.kl(base, states).requires_grad


class Odd(nn.Module):
    """A model whose head is none of its own: it also reads the tokens, or the state before."""

    def __init__(self, how: str):
        super().__init__()
        self.base_model, self.how = tiny_target().model, how
        self.head = nn.Linear(16, VOCABULARY)

    def get_input_embeddings(self) -> nn.Module:
        return self.base_model.embed_tokens

    def get_output_embeddings(self) -> nn.Module:
        return self.head

    def forward(self, input_ids: Tensor, use_cache: bool) -> Any:
        states = self.base_model(input_ids=input_ids, use_cache=use_cache).last_hidden_state
        if self.how == "tokens":
            states = states + self.base_model.embed_tokens(input_ids)
        if self.how == "before":
            states = states + F.pad(states, (0, 0, 1, 0))[:, :-1]
        return type("Output", (), {"logits": self.head(states)})


@pytest.mark.parametrize("how", ["tokens", "before"])
def test_a_head_that_cannot_be_told_apart_is_left_where_it_is(how: str) -> None:
    target, tokens = Odd(how).requires_grad_(False), _tokens()
    head = head_of(target, tokens)
    assert head.body is None
    assert torch.equal(head.states(tokens), logits_of(target, tokens))
    assert torch.equal(head.kl(head.states(tokens), head.states(tokens)), torch.zeros(tokens.shape))
    assert head_of(Odd("").requires_grad_(False), tokens).body is not None


def test_a_head_that_a_change_would_reach_is_none() -> None:
    target, tokens = tiny_target(), _tokens()
    layer: Any = target.model.layers[0]
    assert head_of(target, tokens).body is not None
    target.lm_head.weight = nn.Parameter(torch.randn(VOCABULARY, 16))
    layer.mlp.gate_proj.weight = nn.Parameter(target.lm_head.weight[:24])  # a part of the same memory
    assert head_of(target, tokens).body is None


def test_how_much_at_once() -> None:
    target = tiny_target()
    assert few(target, module.AT_ONCE // VOCABULARY) and not few(target, module.AT_ONCE // VOCABULARY + 1)
    assert blocks_at_once(target, POSITIONS, 16) == 16
    assert blocks_at_once(target, module.AT_ONCE // (3 * VOCABULARY), 16) == 3
    assert blocks_at_once(target, module.AT_ONCE, 16) == 1
    assert [rows.start for rows in Head(target).parts(module.AT_ONCE // VOCABULARY)] == [0]

"""A target trained here: a Llama-architecture model on the corpus's train split."""

import math
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from prefactor.config.target import TrainTarget
from prefactor.corpus.blocks import Blocks
from prefactor.errors import PrefactorError
from prefactor.files.cost import Cost
from prefactor.machine.flops import flops_of
from prefactor.machine.progress import track
from prefactor.machine.runtime import generator
from prefactor.model.target import token_losses


def llama(config: TrainTarget, vocabulary: int, block: int) -> Any:
    """The model, whatever its weights, for blocks of so many tokens."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary, hidden_size=config.width, intermediate_size=config.mlp_width,
            num_hidden_layers=config.layers, num_attention_heads=config.heads, max_position_embeddings=max(512, block),
            tie_word_embeddings=False, bos_token_id=0, eos_token_id=0,
        )
    )  # fmt: skip


def train_target(
    config: TrainTarget, vocabulary: int, blocks: Blocks, seed: int, cost: Cost, device: torch.device
) -> Any:
    """Train a Llama-architecture model on ``blocks``; AdamW, cosine to a tenth, 5 % warm-up.

    Every weight and batch depends on ``seed`` alone. Returns a ``LlamaForCausalLM`` in float32.
    """
    model = llama(config, vocabulary, blocks.tokens.shape[1])
    _initialise(model, seed)
    model.to(device).train()
    decay = [p for p in model.parameters() if p.ndim == 2]
    rest = [p for p in model.parameters() if p.ndim != 2]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.95), fused=True)
    warmup = max(1, config.steps // 20)
    latest = [math.nan]
    sample = torch.from_numpy(blocks.tokens[: config.batch]).long().to(device)
    flops = flops_of(lambda: token_losses(model, sample).mean().backward())
    model.zero_grad(set_to_none=True)
    for step in track(range(config.steps), config.steps, "train target", lambda: f"ce {latest[0]:.3f}"):
        scale = min((step + 1) / warmup, 0.55 + 0.45 * math.cos(math.pi * step / config.steps))
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * scale
        rows = torch.randint(len(blocks.tokens), (config.batch,), generator=generator(seed, step)).numpy()
        tokens = torch.from_numpy(blocks.tokens[rows]).long().to(device)
        loss = token_losses(model, tokens).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        cost.add(tokens.numel(), flops)
        if step % 25 == 0:
            latest[0] = loss.item()
            if not math.isfinite(latest[0]):
                raise PrefactorError(
                    f"target: the loss is {latest[0]} at step {step}: lower target.model.learning_rate"
                )
    return model.eval()


@torch.no_grad()
def _initialise(model: Any, seed: int) -> None:
    """Normal weights of deviation 0.02, output projections scaled down by depth (as GPT-2), norms at one."""
    rng = generator(seed, -1)
    depth = (2 * model.config.num_hidden_layers) ** -0.5
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            scale = depth if name.endswith(("o_proj.weight", "down_proj.weight")) else 1.0
            parameter.copy_(torch.randn(parameter.shape, generator=rng) * 0.02 * scale)
        else:
            parameter.fill_(1.0)

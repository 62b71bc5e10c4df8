"""The target model: trained here, or taken from a local folder or the Hub; and how well it knows each domain."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from prefactor.config.target import LoadTarget, TrainTarget
from prefactor.corpus.blocks import Blocks
from prefactor.errors import PrefactorError
from prefactor.flops import flops_of
from prefactor.ledger import Cost
from prefactor.progress import track
from prefactor.runtime import generator


def train_target(
    config: TrainTarget, vocabulary: int, blocks: Blocks, seed: int, cost: Cost, device: torch.device
) -> Any:
    """Train a Llama-architecture model on ``blocks``; AdamW, cosine to a tenth, 5 % warm-up.

    Every weight and batch depends on ``seed`` alone. Returns a ``LlamaForCausalLM`` in float32.
    """
    length = blocks.tokens.shape[1]
    model: Any = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary, hidden_size=config.width, intermediate_size=config.mlp_width,
            num_hidden_layers=config.layers, num_attention_heads=config.heads, max_position_embeddings=max(512, length),
            tie_word_embeddings=False, bos_token_id=0, eos_token_id=0,
        )
    )  # fmt: skip
    _initialise(model, seed)
    model.to(device).train()
    decay = [p for p in model.parameters() if p.ndim == 2]
    rest = [p for p in model.parameters() if p.ndim != 2]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.95), fused=True)
    warmup = max(1, config.steps // 20)
    latest = [math.nan]
    sample = torch.from_numpy(blocks.tokens[: config.batch]).long().to(device)
    flops = flops_of(lambda: _next_token_ce(model, sample).mean().backward())
    model.zero_grad(set_to_none=True)
    for step in track(range(config.steps), config.steps, "train target", lambda: f"ce {latest[0]:.3f}"):
        scale = min((step + 1) / warmup, 0.55 + 0.45 * math.cos(math.pi * step / config.steps))
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * scale
        rows = torch.randint(len(blocks.tokens), (config.batch,), generator=generator(seed, step)).numpy()
        tokens = torch.from_numpy(blocks.tokens[rows]).long().to(device)
        loss = _next_token_ce(model, tokens).mean()
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


def load_target(config: LoadTarget) -> Any:
    """A causal language model of ``transformers`` from a local folder or the Hub, in float32.

    Raises:
        PrefactorError: it cannot be found or read.
    """
    try:
        model = AutoModelForCausalLM.from_pretrained(
            config.name, revision=config.revision, trust_remote_code=config.trust_remote_code, dtype=torch.float32,
            use_safetensors=True,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise PrefactorError(f"target.model.name = {config.name!r} cannot be loaded: {first}") from error
    return model.eval()


def save_target(model: Any, tokenizer_file: Path, folder: Path) -> None:
    """Save a checkpoint that stock ``AutoModelForCausalLM`` and ``AutoTokenizer`` load.

    Raises:
        PrefactorError: the tokenizer has more tokens than the model has embeddings.
    """
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    rows = model.get_input_embeddings().weight.shape[0]
    if tokenizer.get_vocab_size() > rows:
        raise PrefactorError(
            f"the corpus tokenizer has {tokenizer.get_vocab_size()} tokens, the target only {rows} embeddings: set "
            "corpus.tokenizer to {source: target, name: ...} with the target's own name"
        )
    model.save_pretrained(folder, safe_serialization=True)
    bos = tokenizer.id_to_token(model.config.bos_token_id or 0)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=bos, eos_token=bos).save_pretrained(folder)


def read_target(folder: Path, device: torch.device | str = "cpu") -> Any:
    """The checkpoint of the target stage, frozen, in evaluation mode."""
    model: Any = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, use_safetensors=True
    )
    return model.to(device).eval().requires_grad_(False)


def logits_of(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Logits (batch, position, vocabulary) of a causal language model on ``tokens`` (batch, position)."""
    return model(input_ids=tokens, use_cache=False).logits


def _next_token_ce(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    return next_token_ce(logits_of(model, tokens)[:, :-1], tokens)


def next_token_ce(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Cross-entropy in nats of each next token: logits (batch, position - 1, vocabulary), tokens (batch, position)."""
    losses = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), tokens[:, 1:].reshape(-1), reduction="none")
    return losses.view(tokens.shape[0], -1)


@torch.no_grad()
def cross_entropy(model: Any, tokens: np.ndarray, batch: int = 64) -> float:
    """Mean next-token cross-entropy in nats of ``tokens`` (n, position)."""
    device = next(model.parameters()).device
    total = 0.0
    for chunk in np.array_split(tokens, max(1, len(tokens) // batch)):
        total += _next_token_ce(model, torch.from_numpy(chunk).long().to(device)).double().sum().item()
    return total / (len(tokens) * (tokens.shape[1] - 1))


def unigram_ce(fit: np.ndarray, measure: np.ndarray, vocabulary: int) -> float:
    """Cross-entropy in nats of ``measure`` under the add-one token frequencies of ``fit``; both (n, position)."""
    counts = np.bincount(fit.ravel(), minlength=vocabulary) + 1.0
    return float(-np.log(counts / counts.sum())[measure[:, 1:].ravel()].mean())


def check_better_than_unigram(base_ce: dict[str, float], unigram: dict[str, float]) -> None:
    """Raises PrefactorError if the target knows a domain no better than its token frequencies do."""
    for domain, ce in base_ce.items():
        if not ce < unigram[domain]:
            raise PrefactorError(
                f"the target is no better than unigram on domain {domain!r} ({ce:.3f} against {unigram[domain]:.3f} "
                "nats), so nothing could be removed there: train it longer (target.model.steps) or leave the domain "
                "out of corpus.shares"
            )

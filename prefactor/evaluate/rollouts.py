"""How the base and the edited model continue the same prompts."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from prefactor.machine.runtime import generator
from prefactor.model.change import Change, applied


class Gumbel(LogitsProcessor):
    """Noise with which the likeliest token is a sample at ``temperature``; it depends on ``seed`` alone."""

    def __init__(self, seed: int, temperature: float = 1.0):
        self.rng, self.temperature = generator(seed), temperature

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:  # type: ignore[override]
        uniform = torch.rand(scores.shape, generator=self.rng).clamp(1e-9, 1 - 1e-7)
        return scores - self.temperature * torch.log(-torch.log(uniform)).to(scores)


@contextmanager
def _plainly(target: Any, plain: GenerationConfig) -> Iterator[GenerationConfig]:
    """Without the checkpoint's own settings, with which transformers fills in what ``plain`` leaves out."""
    own, target.generation_config = target.generation_config, plain
    try:
        yield plain
    finally:
        target.generation_config = own


@torch.no_grad()
def roll_out(target: Any, prompts: Tensor, tokens: int, seed: int, temperature: float = 1.0) -> Tensor:
    """Sample ``tokens`` tokens after ``prompts`` (n, position), at 0 the likeliest; returns the new ones (n, tokens).

    A model that predicts the same continues the same. Nothing ends before that: a separator is a token like any other.
    """
    with _plainly(target, GenerationConfig(max_new_tokens=tokens, do_sample=False, pad_token_id=0)) as plain:
        out = target.generate(
            prompts, attention_mask=torch.ones_like(prompts), generation_config=plain,
            logits_processor=LogitsProcessorList([Gumbel(seed, temperature)]),
        )  # fmt: skip
    return out[:, prompts.shape[1] :]


def rollouts(
    target: Any,
    change: Change,
    prompts: Mapping[str, Tensor],
    tokens: int,
    seed: int,
    decode: Callable[[list[int]], str],
) -> Iterable[dict[str, str]]:
    """A row a prompt: ``domain``, ``prompt``, and how the base and the edited model continue it on the same noise.

    Args:
        prompts: by domain (n, position), all of one shape.
    """
    ids = torch.cat(list(prompts.values()))  # as one batch: the head, which is read for each token, is the most of it
    before = roll_out(target, ids, tokens, seed)
    with applied(target, change):
        after = roll_out(target, ids, tokens, seed)
    domains = [domain for domain, own in prompts.items() for _ in own]
    for domain, prompt, old, new in zip(domains, ids.tolist(), before.tolist(), after.tolist(), strict=True):
        yield {"domain": domain, "prompt": decode(prompt), "before": decode(old), "after": decode(new)}

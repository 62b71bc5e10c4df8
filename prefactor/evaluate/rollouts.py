"""What did an edit change? Cross-entropy and KL per domain on held-out text, and rollouts before and after."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from prefactor.machine.runtime import generator
from prefactor.model.at_once import few, vocabulary_of
from prefactor.model.change import Change, applied
from prefactor.model.head import Head, head_of


@torch.no_grad()
def roll_out(target: Any, prompts: Tensor, tokens: int, seed: int) -> Tensor:
    """Sample ``tokens`` tokens at temperature 1 after ``prompts`` (n, position); returns the new ones (n, tokens).

    The noise depends on ``seed`` alone (Gumbel-max), so a model that predicts the same continues the same.
    """
    rng = generator(seed)
    vocabulary = vocabulary_of(target)
    ids = prompts
    read = tokens * len(prompts) * (prompts.shape[1] + tokens)  # positions, at most
    head = Head(target) if few(target, read) else head_of(target, prompts)  # the latter: of the last token alone
    for _ in range(tokens):
        noise = -torch.log(-torch.log(torch.rand(len(ids), vocabulary, generator=rng).clamp(1e-9, 1 - 1e-7)))
        logits = head.logits(head.states(ids)[:, -1:])[:, 0]
        ids = torch.cat([ids, (logits + noise.to(logits)).argmax(-1, keepdim=True)], dim=1)
    return ids[:, prompts.shape[1] :]


def rollouts(
    target: Any,
    change: Change,
    prompts: Mapping[str, Tensor],
    tokens: int,
    seed: int,
    decode: Callable[[list[int]], str],
) -> Iterable[dict[str, str]]:
    """A row a prompt: ``domain``, ``prompt``, and how the base and the edited model continue it on the same noise."""
    for domain, ids in prompts.items():
        before = roll_out(target, ids, tokens, seed)
        with applied(target, change):
            after = roll_out(target, ids, tokens, seed)
        for prompt, old, new in zip(ids.tolist(), before.tolist(), after.tolist(), strict=True):
            yield {"domain": domain, "prompt": decode(prompt), "before": decode(old), "after": decode(new)}

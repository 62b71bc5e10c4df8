"""What a change of a matrix does to texts, by forward passes that begin at the layer that it changes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefactor.files.cost import Cost
from prefactor.locate.streams import parts
from prefactor.machine.exact import exact
from prefactor.machine.flops import flops_of
from prefactor.model.change import Change, applied
from prefactor.model.prefix import Prefix, Prefixes
from prefactor.model.target import logits_of, next_token_ce


class Damages:
    """Damage (nats a token) that changes of ``target`` do to ``texts`` (n, position), by domain.

    The layers before a changed one are run once, and what they put out is kept while changes of the same layer follow:
    ask in the order of the layers. No logits are kept.
    """

    def __init__(self, target: Any, texts: Mapping[str, np.ndarray], cost: Cost):
        self.target, self.cost = target, cost
        self.texts = {domain: list(parts(target, tokens)) for domain, tokens in texts.items()}
        self.tokens = sum(tokens.size for tokens in texts.values())
        self.prefixes = Prefixes(target, next(iter(self.texts.values()))[0][:1])
        self._flops: dict[tuple[Any, ...], float] = {}  # a token, by the layers that are skipped
        self._enter(self.prefixes.none)
        self.base = self._cross_entropies()

    def of(self, change: Change) -> dict[str, float]:
        """By domain the cross-entropy with ``change`` less that without."""
        prefix = self.prefixes.of(tuple(change))
        if prefix.layers != self.prefix.layers:
            self._charge(self.prefixes.none)
            self._enter(prefix)
        with applied(self.target, change):
            return {domain: ce - self.base[domain] for domain, ce in self._cross_entropies().items()}

    def _enter(self, prefix: Prefix) -> None:
        self.prefix = prefix
        self.states = {domain: [prefix.states(part) for part in text] for domain, text in self.texts.items()}

    @torch.no_grad()
    def _cross_entropies(self) -> dict[str, float]:
        self._charge(self.prefix)
        means = {}
        for domain, text in self.texts.items():
            losses = [
                exact(next_token_ce(self._logits(tokens, states)[:, :-1], tokens))
                for tokens, states in zip(text, self.states[domain], strict=True)
            ]
            means[domain] = torch.cat(losses).mean().item()
        return means

    def _logits(self, tokens: Tensor, states: Tensor) -> Tensor:
        with self.prefix.given(states):
            return logits_of(self.target, tokens)

    @torch.no_grad()
    def _charge(self, prefix: Prefix) -> None:
        if prefix.layers not in self._flops:
            block = next(iter(self.texts.values()))[0][:1]
            with prefix.given(prefix.states(block)):
                self._flops[prefix.layers] = flops_of(lambda: logits_of(self.target, block)) / block.numel()
        self.cost.add(self.tokens, self.tokens * self._flops[prefix.layers])

"""How often each subcomponent fires on each token: only of pairs that occur, since few of all do."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from prefactor.machine.exact import exact
from prefactor.machine.processes import Processes

PENDING = 2**22  # firings that may wait to be counted


class Pairs:
    """Counts by (token, subcomponent): ``keys`` (n,) in order, ``token * C + subcomponent``, and ``counts`` (n,)."""

    def __init__(self, subcomponents: int, device: torch.device | str = "cpu"):
        self.subcomponents = subcomponents
        self.keys = torch.empty(0, dtype=torch.int64, device=device)
        self.counts = torch.empty(0, dtype=torch.int64, device=device)
        self.pending: list[Tensor] = []

    def add(self, token: Tensor, subcomponent: Tensor) -> None:
        """Count some firings (n,)."""
        self.pending.append((token * self.subcomponents).add_(subcomponent))
        if sum(map(len, self.pending)) > max(PENDING, len(self.keys)):
            self.merge()

    def merge(self) -> None:
        """Count what is pending."""
        if self.pending:
            self._take(*_counted(torch.cat(self.pending)))
            self.pending = []

    def _take(self, keys: Tensor, counts: Tensor) -> None:
        every, place = torch.cat([self.keys, keys]).unique(return_inverse=True)
        self.counts = torch.zeros_like(every).index_add_(0, place, torch.cat([self.counts, counts]))
        self.keys = every

    def state(self) -> dict[str, Tensor]:
        """What a run needs to go on from here."""
        self.merge()
        return {"keys": self.keys, "counts": self.counts}

    def resume(self, state: Mapping[str, Tensor]) -> None:
        self.keys, self.counts = (state[name].to(self.keys.device) for name in ("keys", "counts"))

    def join(self, processes: Processes) -> None:
        """Make one of those of several processes."""
        self.merge()
        # Shares must be equally long to be gathered; what is filled in counts for nothing.
        longest = int(processes.gather(torch.tensor([len(self.keys)], device=self.keys.device)).max())
        filled = [torch.cat([own, own.new_zeros(longest - len(own))]) for own in (self.keys, self.counts)]
        keys, counts = (processes.gather(own) for own in filled)
        self.keys, self.counts = self.keys[:0], self.counts[:0]
        self._take(keys[counts > 0], counts[counts > 0])

    def cpu(self) -> None:
        self.merge()
        self.keys, self.counts = self.keys.cpu(), self.counts.cpu()


def _counted(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Which there are of ``keys`` (n,), in order, and how many of each; numpy takes a third of torch's time."""
    if keys.device.type != "cpu":
        return keys.unique(return_counts=True)
    found, counts = np.unique(keys.numpy(), return_counts=True)
    return torch.from_numpy(found), torch.from_numpy(counts)


def top_tokens(pairs: Pairs, total: Tensor, kind: str, k: int, least: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The k best tokens of each subcomponent, their values and counts, (C, k) each; value -inf where there are fewer.

    ``recall``: share of the token's occurrences at which the subcomponent fires.
    ``pmi``: ``ln P(token | fires) / P(token)``.

    Args:
        total: (vocabulary,) occurrences of each token.
        least: firings on a token, below which it is none of the best.
    """
    C, k = pairs.subcomponents, min(k, len(total))
    token, c = pairs.keys // C, pairs.keys % C
    firings = torch.zeros(C, dtype=torch.int64).index_add_(0, c, pairs.counts)
    token, c, count = (each[pairs.counts >= least] for each in (token, c, pairs.counts))
    frequency = exact(total).clamp(min=1)
    value = exact(count) / frequency[token]
    if kind == "pmi":
        given = exact(count) / firings[c].clamp(min=1)
        value = (given / (frequency / total.sum())[token]).clamp(min=1e-30).log()
    order = torch.from_numpy(np.lexsort((token.numpy(), -value.numpy(), c.numpy())))  # ties go by token id
    token, c, count, value = (each[order] for each in (token, c, count, value))
    place = torch.arange(len(c)) - torch.searchsorted(c, c)
    best = place < k
    at = c[best], place[best]
    tables = torch.zeros(C, k, dtype=torch.int64), torch.full((C, k), -torch.inf, dtype=torch.float64)
    ids, counts, values = tables[0], tables[0].clone(), tables[1]
    for table, each in ((ids, token), (values, value), (counts, count)):
        table[at] = each[best]
    return ids.numpy(), values.numpy(), counts.numpy()

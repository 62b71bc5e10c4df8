"""A fixed number of examples of each subcomponent, drawn evenly from all of its firings in one pass.

A firing's priority is a hash of (seed, place, subcomponent), and the E lowest of each subcomponent stay: which these
are does not depend on the order in which firings come, nor on how many come at a time. (Bottom-k sampling; two equal
priorities, one chance in 2^40 a pair, are settled by who came first.)
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

BITS = 40  # of a priority; the rest of an int64 holds the subcomponent
PENDING = 16384  # examples that may wait to be merged, since a merge moves all that are kept
FIELDS = ("key", "place", "importance", "activation")


def priorities(seed: int, place: Tensor, subcomponent: Tensor) -> Tensor:
    """A random-looking int64 in [0, 2^40) for each firing (splitmix64, Steele et al. 2014)."""
    start = (seed + 1) * 0x1E3779B97F4A7C15 % 2**63
    x = (place * 0x632BE59BD9B4E019).add_(subcomponent, alpha=0x5851F42D4C957F2D).add_(start)
    for shift, factor in ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15)):
        x.bitwise_xor_(_shifted(x, shift)).mul_(factor)
    return _shifted(x.bitwise_xor_(_shifted(x, 31)), 64 - BITS)


def _shifted(x: Tensor, by: int) -> Tensor:
    """A logical shift to the right, which int64 has not."""
    return (x >> by).bitwise_and_((1 << (64 - by)) - 1)


class Reservoir:
    """Examples so far, by subcomponent and priority: ``place`` (n,), and ``importance``, ``activation`` (n, W) there.

    Args:
        subcomponents: C, below 2^23.
        examples: E, kept of each.
        window: W.
    """

    def __init__(self, subcomponents: int, examples: int, window: int, device: torch.device | str = "cpu"):
        self.examples = examples
        self.bar = torch.full((subcomponents,), 1 << BITS, device=device)  # nothing from here on enters
        self.kept = {
            "key": torch.empty(0, dtype=torch.int64, device=device),
            "place": torch.empty(0, dtype=torch.int64, device=device),
            "importance": torch.empty(0, window, device=device),
            "activation": torch.empty(0, window, device=device),
        }
        self.pending: list[dict[str, Tensor]] = []

    @property
    def subcomponent(self) -> Tensor:
        """Of each example, (n,)."""
        return self.kept["key"] >> BITS

    def offer(
        self, fires: Tensor, subcomponent: Tensor, place: Tensor, seed: int,
        window: Callable[[Tensor], tuple[Tensor, Tensor]],
    ) -> None:  # fmt: skip
        """Take those of some firings that are among the lowest so far.

        Args:
            fires: (n,) bool; the others are none.
            subcomponent, place: (n,).
            window: importance and activation (m, W) around those of the firings that it is given the numbers of (m,).
        """
        priority = priorities(seed, place, subcomponent)
        among = ((priority < self.bar[subcomponent]) & fires).nonzero()[:, 0]
        key = (subcomponent[among] << BITS) | priority[among]
        order = self._lowest(key)
        among = among[order]
        importance, activation = window(among)
        taken = {"key": key[order], "place": place[among], "importance": importance, "activation": activation}
        self.pending.append(taken)
        if sum(len(batch["key"]) for batch in self.pending) > PENDING:
            self.merge()

    def merge(self) -> None:
        """Make one of what was kept and what is pending."""
        if not self.pending:
            return
        together = {field: torch.cat([self.kept[field], *(batch[field] for batch in self.pending)]) for field in FIELDS}
        self.pending = []
        order = self._lowest(together["key"])
        self.kept = {field: together[field][order] for field in FIELDS}
        last = torch.ones_like(self.kept["key"], dtype=torch.bool)
        owner = self.subcomponent
        last[:-1] = owner[1:] != owner[:-1]
        full = torch.bincount(owner, minlength=len(self.bar))[owner[last]] == self.examples
        self.bar[owner[last][full]] = (self.kept["key"][last] & ((1 << BITS) - 1))[full]

    def _lowest(self, key: Tensor) -> Tensor:
        """Which of ``key`` (n,) are among the E lowest of their subcomponent, in order."""
        ordered, order = key.sort(stable=True)
        owner = ordered >> BITS
        first = torch.searchsorted(owner, owner)
        place = torch.arange(len(owner), device=key.device) - first
        return order[place < self.examples]

    def state(self) -> dict[str, Tensor]:
        """What a run needs to go on from here."""
        self.merge()
        return {f"reservoir.{field}": value for field, value in self.kept.items()} | {"reservoir.bar": self.bar}

    def resume(self, state: Mapping[str, Tensor]) -> None:
        self.kept = {field: state[f"reservoir.{field}"].to(self.bar.device) for field in FIELDS}
        self.bar = state["reservoir.bar"].to(self.bar.device)

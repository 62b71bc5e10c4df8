"""The cost ledger: what each stage took, kept beside what it made.

Seconds and memory differ between equal runs, so ``cost.json`` is an output of its own that only the report reads.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from prefactor.files.artifacts import write_json
from prefactor.machine.peak import peak_memory
from prefactor.machine.surroundings import computed_with


@dataclass
class Cost:
    """Wall seconds, tokens that went through a model, and floating-point operations spent on them.

    Where the model is somebody else's: requests to it, and US dollars.
    """

    seconds: float = 0.0  # before this process took over
    tokens: int = 0
    flops: float = 0.0
    usd: float = 0.0
    requests: int = 0
    begin: float = field(default_factory=time.perf_counter)

    def add(self, tokens: int, flops: float) -> None:
        self.tokens += tokens
        self.flops += flops

    def pay(self, requests: int, tokens: int, usd: float) -> None:
        """Add what was asked of an endpoint. Its floating-point operations are unknown."""
        self.requests += requests
        self.tokens += tokens
        self.usd += usd

    def spent(self) -> float:
        """Wall seconds up to now."""
        return self.seconds + time.perf_counter() - self.begin

    def resume(self, seconds: float, tokens: int, flops: float) -> None:
        """Take over the bill of the run that is resumed."""
        self.seconds += seconds
        self.add(tokens, flops)


@contextmanager
def ledger(path: Path, write: bool = True) -> Iterator[Cost]:
    """Time the block and write what it took to ``path`` when it ends well.

    ``{"seconds", "tokens", "flops", "usd", "requests", "memory", "with"}``: memory in bytes, at the process's peak;
    the last is what it was computed with.
    """
    cost = Cost()
    yield cost
    if write:
        bill = {name: getattr(cost, name) for name in ("tokens", "flops", "requests")}
        took = {"seconds": round(cost.spent(), 3), "usd": round(cost.usd, 6), "memory": peak_memory()}
        write_json(path, bill | took | {"with": computed_with()})

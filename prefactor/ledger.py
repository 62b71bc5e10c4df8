"""The cost ledger: what each stage took, kept beside what it made.

Seconds differ between equal runs, so ``cost.json`` is an output of its own that only the report reads.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prefactor.artifacts import write_json


@dataclass
class Cost:
    """Wall seconds, tokens that went through a model, and floating-point operations spent on them."""

    seconds: float = 0.0
    tokens: int = 0
    flops: float = 0.0

    def add(self, tokens: int, flops: float) -> None:
        self.tokens += tokens
        self.flops += flops


@contextmanager
def ledger(path: Path, write: bool = True) -> Iterator[Cost]:
    """Time the block and write ``{"seconds", "tokens", "flops"}`` to ``path`` when it ends well."""
    cost = Cost()
    begin = time.perf_counter()
    yield cost
    cost.seconds = time.perf_counter() - begin
    if not write:
        return
    write_json(path, {"seconds": round(cost.seconds, 3), "tokens": cost.tokens, "flops": cost.flops})

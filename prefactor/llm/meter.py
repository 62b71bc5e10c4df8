"""What is spent, and a budget that is not passed: every request is paid for by its estimate before it starts."""

import threading
from dataclasses import dataclass

from prefactor.config.llm import Llm
from prefactor.llm.cache import Usage

CHARACTERS = 3  # of a prompt a token: fewer than most text has, so that estimates are rather too high


class BudgetSpent(Exception):
    """``key`` is the budget that one more request would pass: ``tokens`` or ``usd``."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


@dataclass(frozen=True)
class Spent:
    """Requests that were answered, their tokens, and US dollars for them."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.usd + other.usd,
        )

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


class Meter:
    """Thread-safe. ``paid`` is what this run paid, ``bill`` that and what the kept answers cost in their time."""

    def __init__(self, config: Llm) -> None:
        self._config = config
        self._paid, self._kept = Spent(), Spent()
        self._open: list[Spent] = []  # reservations of requests under way
        self._changed = threading.Condition()

    @property
    def paid(self) -> Spent:
        with self._changed:
            return self._paid

    @property
    def bill(self) -> Spent:
        with self._changed:
            return self._paid + self._kept

    def estimate(self, characters: int) -> Spent:
        """One request with a prompt of so many characters and the longest answer."""
        return self.cost(Usage(input=-(-characters // CHARACTERS), output=self._config.output_tokens))

    def cost(self, usage: Usage) -> Spent:
        """One request that took ``usage``."""
        price = self._config.price
        return Spent(1, usage.input, usage.output, (price.input * usage.input + price.output * usage.output) / 1e6)

    def reserve(self, estimate: Spent) -> None:
        """Set ``estimate`` aside. Waits while only requests under way, which may turn out cheaper, are in its way.

        Raises:
            BudgetSpent: the budget has no room for it.
        """
        with self._changed:
            while over := self._over(estimate):
                if not self._open:
                    raise BudgetSpent(over)
                self._changed.wait()
            self._open.append(estimate)

    def settle(self, estimate: Spent, cost: Spent) -> None:
        """Replace a reservation with what was paid."""
        with self._changed:
            self._open.remove(estimate)
            self._paid += cost
            self._changed.notify_all()

    def keep(self, cost: Spent) -> None:
        """Count an answer of an earlier run."""
        with self._changed:
            self._kept += cost

    def _over(self, estimate: Spent) -> str | None:
        budget = self._config.budget
        total = sum(self._open, self._paid + self._kept + estimate)
        if budget.tokens is not None and total.tokens > budget.tokens:
            return "tokens"
        if budget.usd is not None and total.usd > budget.usd * (1 + 1e-9):  # sums of floats
            return "usd"
        return None

"""What is spent, and a budget that is not passed: every send is paid for by its estimate before it starts."""

import threading
from dataclasses import dataclass

from prefactor.config.llm import Llm
from prefactor.llm.cache import Usage

# Of UTF-8 a token. Prompts of labels, JSON full of digits, have 2.25, prose has more, in most scripts too, so that
# estimates are rather too high.
BYTES = 2


class BudgetSpent(Exception):
    """``key`` is the budget that one more request would pass: ``tokens`` or ``usd``."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


@dataclass(frozen=True)
class Spent:
    """Requests that were sent, each retry counted, their tokens, and US dollars for them."""

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

    def estimate(self, size: int) -> Spent:
        """One request with so many bytes of prompt and schema, and the longest answer."""
        return self.cost(Usage(input=-(-size // BYTES), output=self._config.output_tokens))

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


class Sends:
    """What one question takes, retries included: every send is reserved by itself, and settled when it ends.

    So none waits for room while it holds any, and a retry passes the budget no more than a first send does.
    Of one thread.
    """

    def __init__(self, meter: Meter, estimate: Spent) -> None:
        self._meter, self._estimate = meter, estimate
        self._open = False
        self.free = 0  # that ended without an answer and cost nothing
        self.lost = 0  # that ended without an answer and may have been billed

    def begin(self) -> None:
        """Before a send.

        Raises:
            BudgetSpent: the budget has no room for it.
        """
        self._meter.reserve(self._estimate)
        self._open = True

    def withdraw(self) -> None:
        """It was not sent after all."""
        self._settle(Spent())

    def fail(self, billed: bool) -> None:
        """It brought no answer; ``billed``: nobody can know whether it was paid for, so that the estimate counts."""
        self.lost, self.free = self.lost + billed, self.free + (not billed)
        self._settle(self._estimate if billed else Spent(requests=1))

    def end(self, cost: Spent) -> None:
        """It was answered, for ``cost``."""
        self._settle(cost)

    def close(self) -> None:
        """No send follows; what the last one brought could not be used, where it is open still."""
        if self._open:
            self.fail(billed=False)

    def _settle(self, cost: Spent) -> None:
        self._open = False
        self._meter.settle(self._estimate, cost)

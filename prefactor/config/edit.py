"""Parameters of the edit stage: how every edit is fitted. One loss, one text and one procedure for all methods."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from prefactor.config.base import Config, Counts, Seed


class Optimiser(Config):
    """Adam on the edit's parameters.

    With several ``learning_rates`` or ``stops`` the pair with the least loss on the select split is chosen, for each of
    ``probe_budgets`` anew. The weight of the loss's second half is each kind's own: what serves one number would hold a
    LoRA back.
    """

    steps: int = Field(ge=1)  # the cosine's length
    stops: tuple[int, ...] = ()  # steps at which a fit may end early; left out, only the last
    learning_rates: tuple[Annotated[float, Field(gt=0)], ...] = Field(min_length=1)
    retain_weight: float = Field(ge=0)  # weight of the KL that holds the retained domains

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if list(self.stops) != sorted(set(self.stops)) or (self.stops and not 1 <= self.stops[-1] <= self.steps):
            raise ValueError(f"stops must rise, and end at most at steps = {self.steps}")
        return self

    @property
    def has_choice(self) -> bool:
        """Whether there is more than one recipe to choose from."""
        return len(self.learning_rates) * len(self.ends) > 1

    @property
    def ends(self) -> tuple[int, ...]:
        return self.stops or (self.steps,)


class FitConfig(Config):
    budgets: Counts  # target tokens, one fit each
    seeds: int = Field(ge=1)  # draws of the target tokens
    report_budget: int = Field(ge=1)  # the budget that the adapter and the report are about
    retain_tokens: int = Field(gt=0)  # retained text of the fit split
    retain_batch: int = Field(ge=1)  # blocks of it a step
    probe_budgets: Counts  # at which learning rates are compared; the nearest one counts
    probe_seeds: int = Field(ge=1)
    probe_tokens: int = Field(gt=0)  # text a domain of the select split for the comparison
    guard_tokens: int = Field(gt=0)  # text a domain of the fit split for the second moments of guards and directions
    untagged_tokens: int | None = Field(default=None, gt=0)  # ... of its own mix, where none is tagged; else as many
    direction_tokens: int = Field(default=3072, gt=0)  # ... of the target, that a direction is made from
    seed: Seed

    @property
    def untagged(self) -> int:
        """Tokens of the fit split's own mix that guards, tolerances, gains and directions read."""
        return self.untagged_tokens or self.guard_tokens

    def of(self, budgets: tuple[int, ...] | None) -> Self:
        """The same with an edit's own budgets, where it has some."""
        return self if budgets is None else self.model_copy(update={"budgets": budgets})


class Optimisers(Config):
    """By method, so that another learning rate of one refits no edit of another."""

    scalar: Optimiser
    guarded: Optimiser
    lora: Optimiser
    finetune: Optimiser
    direction: Optimiser
    rewrite: None = None  # nothing is fitted

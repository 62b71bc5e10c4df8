"""Parameters of the edit stage: how every edit is fitted. One loss, one text and one procedure for all methods."""

from pydantic import Field

from prefactor.config.base import Config


class Optimiser(Config):
    """Adam on the edit's parameters; the learning rate is chosen once, on the select split, from ``learning_rates``.

    The weight of the loss's second half is each kind's own: what serves one number would hold a LoRA back.
    """

    steps: int = Field(ge=1)
    learning_rates: tuple[float, ...] = Field(min_length=1)
    retain_weight: float = Field(ge=0)  # weight of the KL that holds the retained domains


class FitConfig(Config):
    budgets: tuple[int, ...] = Field(min_length=1)  # target tokens, one fit each
    seeds: int = Field(ge=1)  # draws of the target tokens
    headline: int  # the budget that the adapter and the report's headline are about
    retain_tokens: int = Field(gt=0)  # retained text of the fit split
    retain_batch: int = Field(ge=1)  # blocks of it a step
    prefactor: Optimiser  # scalar and guarded
    lora: Optimiser
    probe_budgets: tuple[int, ...] = Field(min_length=1)  # budgets at which learning rates are compared
    probe_seeds: int = Field(ge=1)
    probe_tokens: int = Field(gt=0)  # text a domain of the select split for the comparison
    guard_tokens: int = Field(gt=0)  # text a domain of the fit split for the second moments of guards
    seed: int

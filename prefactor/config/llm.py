"""How an OpenAI-compatible endpoint is used: pace, patience and price. Which one it is, the environment says."""

from typing import Self

from pydantic import Field, model_validator

from prefactor.config.base import Config


class Budget(Config):
    """What all answers together may cost, those kept from earlier runs included; null: as much as it takes."""

    tokens: int | None = Field(default=None, gt=0)  # read and written
    usd: float | None = Field(default=None, gt=0)


class Price(Config):
    """US dollars a million tokens; 0 on machines of one's own."""

    input: float = Field(default=0.0, ge=0)
    output: float = Field(default=0.0, ge=0)


class Llm(Config):
    concurrency: int = Field(default=8, ge=1)  # requests at a time
    requests_per_minute: float | None = Field(default=None, gt=0)  # null: as many as are answered
    timeout: float = Field(default=120.0, gt=0)  # seconds a request
    retries: int = Field(default=5, ge=0)  # of 429, 5xx, timeouts and dropped connections, waiting longer each time
    attempts: int = Field(default=3, ge=1)  # at an answer that can be used
    output_tokens: int = Field(default=1000, ge=1)  # an answer, what a reasoning model thinks included
    budget: Budget = Budget()
    price: Price = Price()
    most_failures: float = Field(default=0.05, ge=0, lt=1)  # share without an answer, above which the run is no good

    @model_validator(mode="after")
    def _a_budget_in_dollars_needs_a_price(self) -> Self:
        if self.budget.usd is not None and self.price == Price():
            raise ValueError(
                "budget.usd is never spent at price 0; give price.input and price.output, or budget.tokens"
            )
        return self

"""Parameters of the label stage: who writes the labels."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from prefactor.config.base import Config
from prefactor.config.llm import Llm


class DeterministicLabeller(Config):
    """Writes labels from the harvest's figures alone: no model, no network."""

    kind: Literal["deterministic"]
    clear: float = Field(gt=0, le=1)  # what a claim must score (0 = chance, 1 = perfect) to get into a label


class LlmLabelling(Config):
    """Asks the endpoint that ``PREFACTOR_LLM_URL``, ``_MODEL`` and ``_KEY`` name, a request a subcomponent."""

    kind: Literal["llm"]
    prompt: Literal["full", "short"] = "full"  # short: a few lines and two worked examples, for small models
    windows: int | None = Field(default=None, ge=1)  # activating windows shown; null: as many as the prompt is made for
    endpoint: Llm = Llm()


class LabelConfig(Config):
    """``only`` is a query on the harvest's figures: of those that it does not match, ``rest`` writes the labels."""

    labeller: Annotated[DeterministicLabeller | LlmLabelling, Field(discriminator="kind")]
    only: str | None = None  # such as `domain.de > 0.3 and density < 0.2`
    rest: DeterministicLabeller = DeterministicLabeller(kind="deterministic", clear=0.4)

    @model_validator(mode="after")
    def _only_where_it_saves_something(self) -> Self:
        if self.only is not None and isinstance(self.labeller, DeterministicLabeller):
            raise ValueError("only is for a labeller of kind llm: the deterministic one is free; leave only out")
        if self.only is None and "rest" in self.model_fields_set:
            raise ValueError("rest labels what only leaves out; give only, or leave rest out")
        return self

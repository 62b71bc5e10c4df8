"""Parameters of the target stage: the language model to decompose."""

from typing import Literal

from pydantic import Field

from prefactor.config.base import Config, GgufName, Seed


class TrainTarget(Config):
    """A Llama-architecture model trained here."""

    source: Literal["train"]
    layers: int = Field(ge=1)
    width: int = Field(ge=8)
    heads: int = Field(ge=1)
    mlp_width: int = Field(ge=8)
    steps: int = Field(ge=1)
    batch: int = Field(ge=1)  # blocks a step
    learning_rate: float = Field(gt=0)


class LoadTarget(Config):
    """A causal language model from a local folder or the Hub."""

    source: Literal["load"]
    name: str = Field(min_length=1)
    revision: str | None = None
    file: GgufName | None = None  # the GGUF file to read there, in place of config.json and safetensors
    trust_remote_code: bool = False  # whether code that the model brings may run, in every stage that reads it


class TargetConfig(Config):
    model: TrainTarget | LoadTarget = Field(discriminator="source")
    seed: Seed
    evaluate_tokens: int = Field(gt=0)  # tokens a domain for the base cross-entropy

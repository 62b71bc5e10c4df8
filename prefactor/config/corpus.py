"""Parameters of the corpus stage: where the text comes from and how it is cut."""

from typing import Literal

from pydantic import Field

from prefactor.config.base import Config

SPLITS = ("train", "harvest", "select", "fit", "eval")


class GeneratedText(Config):
    """The built-in five-language grammar (English, German, French, Spanish, Italian)."""

    source: Literal["generated"]
    quote_rate: float = Field(ge=0, le=0.5)  # share of documents that quote another language
    chat_rate: float = Field(ge=0, le=1)  # share of English documents in the chat register


class FileSet(Config):
    """One folder, file or glob of parquet, JSONL or text files."""

    path: str
    text: str = "text"  # column with the text
    domain_column: str | None = None  # column with the domain, or ...
    domain: str | None = None  # ... one domain for all of it
    split: str | None = None  # put all of it in this split instead of hashing


class FilesText(Config):
    source: Literal["files"]
    files: tuple[FileSet, ...]


class HubSet(Config):
    """One domain of a ``datasets`` data set, streamed. A local data set folder works as well."""

    name: str
    domain: str
    config: str | None = None
    split: str = "train"
    text: str = "text"


class HubText(Config):
    source: Literal["hub"]
    sets: tuple[HubSet, ...]


class TokenizerConfig(Config):
    source: Literal["train", "target"]  # a byte-level BPE trained here, or the target's own
    vocabulary: int = Field(default=512, ge=258)


class CorpusConfig(Config):
    text: GeneratedText | FilesText | HubText = Field(discriminator="source")
    seed: int
    characters: int = Field(gt=0)  # of all domains together
    shares: dict[str, float]  # domain -> share of the characters; the keys name the domains
    tokenizer: TokenizerConfig
    block: int = Field(ge=8)  # tokens a block
    splits: dict[str, float]  # split -> share of the documents
    max_bad_rows: float = Field(ge=0, le=1)  # share of rows that may be unusable

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(self.shares)

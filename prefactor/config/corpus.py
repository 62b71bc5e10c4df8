"""Parameters of the corpus stage: where the text comes from and how it is cut."""

import math
from collections.abc import Collection
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from prefactor.config.base import Config, GgufName, Seed
from prefactor.config.names import DomainName, told_apart

SPLITS = ("train", "harvest", "select", "fit", "eval")
GENERATED_DOMAINS = ("en", "de", "fr", "es", "it")


class GeneratedText(Config):
    """The built-in five-language grammar (English, German, French, Spanish, Italian)."""

    source: Literal["generated"]
    zipf: float = Field(ge=0, le=3)  # exponent of Zipf's law for the words of the lexicon; 0: all alike
    quote_rate: float = Field(ge=0, le=0.5)  # share of documents that quote another language
    chat_rate: float = Field(ge=0, le=1)  # share of English documents in the chat register


class FileSet(Config):
    """One file, folder or glob of parquet, JSON, CSV or text files (there a document is a paragraph)."""

    path: str = Field(min_length=1)
    text: str = "text"  # column with the text
    domain_column: str | None = None  # column with the domain, or ...
    domain: DomainName | None = None  # ... one domain for all of it
    split: str | None = None  # put all of it in this split instead of hashing; it does not count as corpus.characters

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.domain is None) == (self.domain_column is None):
            raise ValueError(f"{self.path}: give exactly one of domain and domain_column")
        if self.split is not None and self.split not in SPLITS:
            raise ValueError(f"{self.path}: no split {self.split!r}; name one of {', '.join(SPLITS)} or none")
        return self


class FilesText(Config):
    source: Literal["files"]
    files: tuple[FileSet, ...] = Field(min_length=1)


class HubSet(Config):
    """One domain of a ``datasets`` data set, streamed. A local data set folder works as well."""

    name: str
    domain: DomainName
    config: str | None = None
    revision: str | None = None  # a commit, so that the same params mean the same text
    split: str = "train"  # of the data set
    text: str = "text"  # column with the text


class HubText(Config):
    source: Literal["hub"]
    sets: tuple[HubSet, ...] = Field(min_length=1)


class TrainTokenizer(Config):
    """A byte-level BPE trained on the train split."""

    source: Literal["train"]
    vocabulary: int = Field(ge=258)  # 256 bytes, <s>, and at least one merge


class TargetTokenizer(Config):
    """The tokenizer of a model that exists: name, revision, file and trust as in the target section."""

    source: Literal["target"]
    name: str = Field(min_length=1)
    revision: str | None = None
    file: GgufName | None = None
    trust_remote_code: bool = False


TokenizerConfig = Annotated[TrainTokenizer | TargetTokenizer, Field(discriminator="source")]


class CorpusConfig(Config):
    text: GeneratedText | FilesText | HubText = Field(discriminator="source")
    seed: Seed
    characters: int = Field(gt=0)  # of all domains together
    shares: dict[DomainName, float] = Field(min_length=1)  # domain -> share of the characters; names the domains
    # Further domains, of files for the eval split: measured, and nothing else.
    unseen: Annotated[tuple[DomainName, ...], Field(validate_default=True)] = ()
    tokenizer: TokenizerConfig
    block: int = Field(ge=8)  # tokens a block
    splits: dict[str, float]  # split -> share of the documents
    max_bad_rows: float = Field(ge=0, le=1)  # share of rows that may be unusable

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(self.shares)

    def domains_of(self, split: str) -> tuple[str, ...]:
        """The domains that ``split`` has."""
        return self.domains + (self.unseen if split == "eval" else ())

    @property
    def pinned(self) -> frozenset[str]:
        """The splits that have files of their own, besides their share of the others."""
        return _pinned(self.text)

    @property
    def hashed(self) -> bool:
        """Whether there is text that falls into splits by its hash."""
        return _hashed(self.text)

    @field_validator("shares")
    @classmethod
    def _check_shares(cls, shares: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        for domain, share in shares.items():
            if not share > 0:
                raise ValueError(f"the share of {domain} is {share}; make it positive or leave the domain out")
        told_apart(shares)
        _check_sum(shares)
        text = info.data.get("text")
        if isinstance(text, GeneratedText):
            for domain in shares:
                if domain not in GENERATED_DOMAINS:
                    raise ValueError(
                        f"generated text has no {domain!r}, only {', '.join(GENERATED_DOMAINS)}; "
                        "leave it out or take text from files or the Hub"
                    )
        if isinstance(text, HubText):
            named = [entry.domain for entry in text.sets]
            _check_domains(named, shares)
            if sorted(named) != sorted(shares):
                raise ValueError(f"text.sets is for {', '.join(named)}; give each domain of the shares one entry")
        return shares

    @field_validator("unseen")
    @classmethod
    def _check_unseen(cls, unseen: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        shares, text = info.data.get("shares", {}), info.data.get("text")
        if both := sorted(set(unseen) & set(shares)):
            raise ValueError(f"{both[0]} has a share, so that every split has it; take it out of one of the two")
        told_apart([*shares, *unseen])
        if unseen and "eval" not in _pinned(text):
            raise ValueError(f"{unseen[0]} needs files of its own in text.files, with split: eval")
        if shares and isinstance(text, FilesText):
            for files in text.files:
                if files.domain is not None:
                    _check_domains([files.domain], {*shares, *(unseen if files.split == "eval" else ())})
        return unseen

    @field_validator("splits")
    @classmethod
    def _check_splits(cls, splits: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        if sorted(splits) != sorted(SPLITS):
            raise ValueError(f"name each of {', '.join(SPLITS)} once and nothing else")
        text = info.data.get("text")
        pinned = _pinned(text)
        for split, share in splits.items():
            if share < 0 or (share == 0 and split not in pinned):
                raise ValueError(f"the share of {split} is {share}; make it positive")
        _check_sum(splits)
        if not _hashed(text) and pinned != set(SPLITS):
            missing = ", ".join(split for split in SPLITS if split not in pinned)
            raise ValueError(f"all files have a split, but none is for {missing}; leave split out of some files")
        return splits


def _pinned(text: object) -> frozenset[str]:
    files = text.files if isinstance(text, FilesText) else ()
    return frozenset(entry.split for entry in files if entry.split is not None)


def _hashed(text: object) -> bool:
    return not isinstance(text, FilesText) or any(entry.split is None for entry in text.files)


def _check_sum(shares: dict[str, float]) -> None:
    total = math.fsum(shares.values())
    if not abs(total - 1) <= 1e-6:
        raise ValueError(f"the shares sum to {total:g}; make them sum to 1")


def _check_domains(named: Collection[str], known: Collection[str]) -> None:
    for domain in named:
        if domain not in known:
            raise ValueError(f"text names the domain {domain!r}, which has no share; add it or leave it out of text")

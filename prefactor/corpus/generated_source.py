"""Text from the built-in grammar."""

from collections.abc import Callable, Iterator
from pathlib import Path

from prefactor.config.corpus import CorpusConfig, GeneratedText
from prefactor.corpus.document import SourceRow
from prefactor.generated.documents import documents

SURPLUS = 1.1  # asked for in place of 1, since a text that two domains have in common is dropped from one of them


def rows(config: CorpusConfig, text: GeneratedText, lexicon: Path, wants: Callable[[str], bool]) -> Iterator[SourceRow]:
    """Generated documents, until every domain has its share."""
    characters = round(config.characters * SURPLUS)
    for document in documents(config.shares, characters, text, config.seed, lexicon):
        yield SourceRow(document.domain, document.text, id=document.id, quotes=document.quotes)
        if not any(wants(domain) for domain in config.shares):
            return

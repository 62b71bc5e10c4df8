"""What must hold of the splits, whatever the source."""

from collections.abc import Callable, Iterable, Mapping

from prefactor.corpus.blocks import Blocks
from prefactor.errors import PrefactorError


def check(splits: Mapping[str, Blocks], domains: Callable[[str], Iterable[str]], vocabulary: int) -> None:
    """Every split has its ``domains``, no document is in two splits, and every token is in the vocabulary.

    Raises:
        PrefactorError: a split has no whole block of a domain; the params ask for too little text.
        AssertionError: one of the other two does not hold, which is a defect of the corpus stage.
    """
    owner: dict[str, str] = {}
    for split, blocks in splits.items():
        for domain in domains(split):
            if domain not in blocks.domains:
                raise PrefactorError(
                    f"params.yaml: corpus.splits.{split}: there is not one whole block of {domain} in it; raise "
                    f"corpus.characters, corpus.shares.{domain} or corpus.splits.{split}, or add files to that split"
                )
        lowest, highest = int(blocks.tokens.min()), int(blocks.tokens.max())
        assert lowest >= 0 and highest < vocabulary, f"{split}: tokens {lowest} to {highest}, vocabulary {vocabulary}"
        for document in {document for documents in blocks.documents for document in documents}:
            first = owner.setdefault(document, split)
            assert first == split, f"document {document} is in {first} and in {split}"

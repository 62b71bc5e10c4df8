"""Text of the receiver's own, in place of that which a decomposition was published with."""

from pathlib import Path

from prefactor.corpus.tokenizer_file import read_tokenizer
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import read_entry
from prefactor.published.find import Published


def check_own_text(corpus: Path, found: Published) -> None:
    """Whether the blocks of ``corpus``, a project's ``data/corpus``, can stand in for the text of ``found``.

    Raises:
        PrefactorError: it has other tokens, or a domain that the decomposition was not harvested on.
    """
    theirs = found.folder / "data" / "corpus"
    if read_tokenizer(corpus).get_vocab() != read_tokenizer(theirs).get_vocab():
        raise PrefactorError(
            f"{corpus}: its tokenizer is another than that of {found.index.called}: make it with corpus.tokenizer = "
            "{source: target, name: " + str(found.folder / "data/target/checkpoint") + "}"
        )
    known = read_entry(theirs / "metrics.json", "tokens", "train")
    own = read_entry(corpus / "metrics.json", "tokens", "train")
    if strange := sorted(set(own) - set(known)):
        raise PrefactorError(
            f"{corpus}: {found.index.called} knows no domain {strange[0]!r}, only {', '.join(sorted(known))}: "
            "name the domains of your text as it does"
        )

"""Whether the labels can tell the domains apart: each is one word of a label, and of a query for labels."""

from collections.abc import Collection

from prefactor.corpus.languages import one_word
from prefactor.errors import ParamsError
from prefactor.query.words import words_of

# What labels say besides domains and tokens in quotes (``label/about.py``, ``tokens.py``, ``deterministic.py``), and
# what their reader takes for a denial. A query that leaves out the domain "text" would leave out every label.
LABEL_WORDS = {
    *("text", "foreign", "all", "of", "domains", "but", "and", "document", "block", "start", "before", "token"),
    *("unclear", "dead", "dense", "fires", "everywhere", "on", "many", "too", "few", "firings", "space", "line-break"),
    *("half-character", "digits", "punctuation", "line", "breaks", "capitalised", "words", "accented", "letters"),
    *("tokens", "the", "word", "continuations", "not", "no", "non", "never", "neither", "without", "except"),
}


def check_domains_in_labels(domains: Collection[str]) -> None:
    """Check that each domain has a word of its own.

    Raises:
        ParamsError: a domain's word means something else in labels, or two have the same.
    """
    whose: dict[str, str] = {}
    for domain in domains:
        word = label_word(domain)
        if word in LABEL_WORDS:
            raise ParamsError(
                f'params.yaml: corpus.shares: the domain "{domain}": labels use the word "{word}" for something else, '
                f'so that no query could tell its subcomponents; rename it, such as "{word}-1", there and in the text'
            )
        other = whose.setdefault(word, domain)
        if other != domain:
            raise ParamsError(
                f'params.yaml: corpus.shares: labels call both "{other}" and "{domain}" {word}; rename one of the two, '
                "there and in the text"
            )


def label_word(domain: str) -> str:
    """The domain as a word of a label, as queries compare words: ``de`` -> ``german``."""
    return words_of(one_word(domain))[0]

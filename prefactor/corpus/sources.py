"""Three sources of text behind one contract.

A source yields every row it meets, good or bad, and judges none: :mod:`prefactor.corpus.gather` counts, drops and
sorts them, so that generated text, files and the Hub are treated alike.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from prefactor.config.corpus import CorpusConfig, FilesText, HubText
from prefactor.corpus import files, generated_source, hub
from prefactor.corpus.document import SourceRow
from prefactor.corpus.gather import Corpus, Gatherer
from prefactor.corpus.listing import listing
from prefactor.machine.progress import track

CHECK_EVERY = 10_000  # rows; a stream may be endless, and so may its bad rows


def gather(config: CorpusConfig, lexicon: Path) -> Corpus:
    """Read the source that ``config.text`` names; ``lexicon`` is the folder of the generated one's words.

    Raises:
        PrefactorError: unreadable source, too many bad rows, or too little text in a domain.
    """
    gatherer = Gatherer(config)
    if isinstance(config.text, FilesText):
        found = listing(config.text, files.READERS)
        for entry, path in track(found.members, len(found.members), "files read"):
            with gatherer.file(path):
                for row in files.rows(entry, path):
                    gatherer.add(row)
        return replace(gatherer.finish(), passed_over=found.passed_over)
    if isinstance(config.text, HubText):
        rows = hub.rows(config.text, config.seed, gatherer.wants)
    else:
        rows = generated_source.rows(config, config.text, lexicon, gatherer.wants)
    for count, row in enumerate(_announced(rows, gatherer), start=1):
        gatherer.add(row)
        if count % CHECK_EVERY == 0:
            gatherer.check_bad_rows()
    return gatherer.finish()


def _announced(rows: Iterator[SourceRow], gatherer: Gatherer) -> Iterator[SourceRow]:
    """``rows``, with a line now and then on how much of the asked text is there."""
    percents = track(range(100), 100, "per cent of the text gathered")
    shown = 0
    for row in rows:
        yield row
        while shown < int(100 * gatherer.filled):
            next(percents, None)
            shown += 1

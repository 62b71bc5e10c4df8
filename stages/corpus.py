"""Which text do we decompose on, select, fit and evaluate with, and in which tokens?

Reads  the generator's lexicon in ``data/corpus/lexicon``, local files, or a Hub data set. What lies outside the
repository is not watched by DVC: after changing it, rerun with ``dvc repro --force --single-item corpus``.
Writes ``tokenizer/``; ``train/``, ``harvest/``, ``select/``, ``fit/`` and ``eval/``, blocks of tokens, no document in
two splits; ``metrics.json``. Each folder has a manifest of its own: other text in one reruns no reader of another.
"""

import sys
from dataclasses import replace

from prefactor.config.corpus import SPLITS, CorpusConfig, FilesText, TargetTokenizer, TrainTokenizer
from prefactor.corpus.blocks import write_blocks
from prefactor.corpus.checks import check
from prefactor.corpus.cut import cut
from prefactor.corpus.gather import counts
from prefactor.corpus.listing import some
from prefactor.corpus.sources import gather
from prefactor.corpus.target_tokenizer import of_target
from prefactor.corpus.tokenizer import balanced, train
from prefactor.corpus.tokenizer_file import write_tokenizer
from prefactor.files.artifacts import write_json
from prefactor.files.cost import ledger
from stages.common import DATA, run, section

FOLDER = DATA / "corpus"
MOST_NAMES = 100  # of files passed over that metrics list


def main() -> None:
    config: CorpusConfig = section("corpus", CorpusConfig)
    with ledger(FOLDER / "cost.json"):
        # A target's own tokenizer is read first: it may be refused, and no text need be gathered for that.
        wanted = config.tokenizer
        own = of_target(wanted, config.block) if isinstance(wanted, TargetTokenizer) else None
        corpus = gather(config, FOLDER / "lexicon")
        left_out = sum(corpus.bad_rows.values())
        if left_out:
            print(f"corpus: left out {left_out} of {corpus.rows} rows: {counts(corpus.bad_rows)}", file=sys.stderr)
        if corpus.passed_over:
            print(f"corpus: passed over {len(corpus.passed_over)} files: {some(corpus.passed_over)}", file=sys.stderr)
        if isinstance(wanted, TrainTokenizer):
            tokenizer = train(balanced(corpus.documents["train"], config.shares), wanted.vocabulary)
        else:
            assert own is not None
            tokenizer = own
        splits = {
            split: cut(corpus.documents[split], tokenizer, config.block, (config.seed, index), split)
            for index, split in enumerate(SPLITS)
        }
        check(splits, config.domains_of, tokenizer.vocabulary)

        write_tokenizer(FOLDER, tokenizer.backend, tokenizer.files)
        for split, blocks in splits.items():
            # Quotes are told apart where edits are measured, and no reader of another split need run again for them.
            write_blocks(FOLDER, split, blocks if split == "eval" else replace(blocks, quoted=None))
        metrics = {
            "tokens": {s: {d: blocks.of(d).tokens.size for d in config.domains_of(s)} for s, blocks in splits.items()},
            "documents": {s: {d: len(documents) for d, documents in by.items()} for s, by in corpus.documents.items()},
            "rows": corpus.rows,
            "bad_rows": dict(corpus.bad_rows),
            "vocabulary": tokenizer.vocabulary,
            "separator": tokenizer.separator,
            "separator_token": tokenizer.backend.id_to_token(tokenizer.separator),
            "block": config.block,
            "domains": list(config.domains),
        }
        if isinstance(config.text, FilesText):
            names = list(corpus.passed_over)
            metrics["passed_over"] = {"files": len(names), "names": names[:MOST_NAMES]}
        if tokenizer.positions is not None:
            metrics["positions"] = tokenizer.positions
        write_json(FOLDER / "metrics.json", metrics)


if __name__ == "__main__":
    run(main)

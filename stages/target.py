"""Which model is decomposed, and how well does it know each domain?

Reads  corpus: tokenizer, train and eval blocks.
Writes checkpoint/ (a standard Hugging Face checkpoint), bars.json (what an edit may be fitted towards), metrics.json
(parameters, vocabulary, chance, cross-entropies).
"""

import math

import torch

from prefactor.config.target import LoadTarget, TargetConfig, TrainTarget
from prefactor.corpus.blocks import read_blocks, take
from prefactor.corpus.needs import measured_target
from prefactor.corpus.tokenizer_file import read_tokenizer, vocabulary_of
from prefactor.files.artifacts import identities, write_json
from prefactor.files.cost import ledger
from prefactor.machine.runtime import setup
from prefactor.model.load import load_target, save_target
from prefactor.model.memory import check_memory, sizes_of
from prefactor.model.target import cross_entropy
from prefactor.model.train import llama, train_target
from prefactor.model.unigram import bars_of, check_better_than_unigram, unigram_ce, write_bars
from stages.common import DATA, run, section

MEASURED = 64  # blocks a forward pass


def main() -> None:
    config = section("target", TargetConfig)
    corpus, out = DATA / "corpus", DATA / "target"
    tokenizer = read_tokenizer(corpus)
    train, held_out = read_blocks(corpus, "train"), read_blocks(corpus, "eval")
    measured = {domain: take(held_out, measured_target(config, domain)).tokens for domain in held_out.domains}
    device = setup()
    with ledger(out / "cost.json") as cost:
        trust = isinstance(config.model, LoadTarget) and config.model.trust_remote_code
        block = train.tokens.shape[1]
        if isinstance(config.model, TrainTarget):
            with torch.device("meta"):
                planned = llama(config.model, tokenizer.get_vocab_size(), block)
            check_memory("target", sizes_of(planned, block, batch=config.model.batch, trained=1), device)
            model = train_target(config.model, tokenizer.get_vocab_size(), train, config.seed, cost, device)
        else:
            model = load_target(config.model, vocabulary_of(tokenizer), block).to(device)
            check_memory("target", sizes_of(model, block, batch=MEASURED), device)
        vocabulary = model.get_input_embeddings().weight.shape[0]
        base = {domain: cross_entropy(model, tokens, MEASURED) for domain, tokens in measured.items()}
        unigram = {d: unigram_ce(train.of(d).tokens, tokens, vocabulary) for d, tokens in measured.items()}
        write_bars(out, bars_of(train, vocabulary))
        read = [corpus / "tokenizer"] + ([corpus / "train"] if isinstance(config.model, TrainTarget) else [])
        save_target(model, corpus, out / "checkpoint", trust, identities(*read))
    check_better_than_unigram(base, unigram)
    metrics = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "vocabulary": vocabulary,
        "chance": math.log(vocabulary),
        "base_ce": base,
        "unigram_ce": unigram,
    }
    write_json(out / "metrics.json", metrics)


if __name__ == "__main__":
    run(main)

"""Where is it worth decomposing? A closed-form change of every matrix, and what the best of them do to each domain.

Reads  target: checkpoint; corpus: train blocks, since it decides what is decomposed.
Writes table/ (a row a matrix and amount), metrics.json; best/ (the best matrix, for baselines) and modules/ (the top
ones, for decompose, if `decompose.modules` asks for them; else always the same).
"""

import math

import torch

from prefactor.config.decompose import Logits
from prefactor.config.locate import LOCATED, LocateConfig
from prefactor.corpus.blocks import read_blocks, take
from prefactor.corpus.needs import located, verified
from prefactor.corpus.used import read_vocabulary
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import identities, write_json, write_part
from prefactor.files.cost import ledger
from prefactor.locate.direction import directions
from prefactor.locate.names import modules_from, write_names
from prefactor.locate.rank import locate
from prefactor.locate.streams import BATCH
from prefactor.locate.table import table_of
from prefactor.machine.runtime import setup
from prefactor.model.at_once import vocabulary_of
from prefactor.model.memory import check_memory, sizes_of
from prefactor.model.sites import sites
from stages.common import CHECKPOINT, DATA, TEXT, run, section
from stages.models import load_target


def main() -> None:
    config, modules = section("locate", LocateConfig), section("decompose.modules", str)
    corpus, out = DATA / "corpus", DATA / "locate"
    vocabulary = read_vocabulary(TEXT, section("decompose.logits", Logits))
    blocks = vocabulary.blocks(read_blocks(corpus, "train"))
    spared = config.spared(blocks.domains)
    domains = [config.target, *spared]
    made = {domain: take(blocks, located(config, domain)).tokens for domain in domains}
    held = {domain: take(blocks, verified(config, domain)).tokens for domain in domains}
    device = setup()
    target = load_target(device, vocabulary)
    block, tokens, texts = blocks.tokens.shape[1], config.verify_tokens, len(domains)
    check_memory("locate", sizes_of(target, block, batch=BATCH, tokens=tokens, texts=texts), device)
    chance = math.log(vocabulary_of(target))
    with ledger(out / "cost.json") as cost:
        sample = torch.from_numpy(made[config.target])
        matrices = sites(target, config.modules, sample, "locate.modules").matrices
        texts = [made[domain] for domain in spared]
        ways = directions(target, matrices, made[config.target], texts, config.ridge, cost)
        if not ways:
            raise PrefactorError(f"locate.modules = {config.modules!r}: no matrix that matches reads anything of both "
                                 "texts; take others")  # fmt: skip
        found = locate(target, ways, held, config.target, chance, config, cost)
    best, reach = found.best, found.verified[found.best[0]].reach
    read, made_from = made[config.target].size + held[config.target].size, identities(corpus / "train", CHECKPOINT)
    about = {"target": config.target, "tolerated": config.tolerated}
    write_part(out, "table", table_of(found, config.amounts, domains), about, made_from)
    asked = modules_from(best, matrices, config.top) if modules == LOCATED else []
    write_names(out, asked, best[0], read, made_from)
    metrics = {"matrices": len(matrices), "verified": len(best), "score": reach.score, "spill": reach.spill}
    write_json(out / "metrics.json", metrics | {"target_tokens": read})
    print(
        f"locate: {best[0]} takes {reach.score:.2f} nats from {config.target} for {reach.spill:+.3f} of another domain"
    )


if __name__ == "__main__":
    run(main)

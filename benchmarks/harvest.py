"""How fast is the harvest, beside the forward passes that it cannot do without? ``python -m benchmarks.harvest``

On the decomposition of the last run (``make run`` first), in CPU seconds: target and importance net alone (*bare*),
before and after the harvest of the same text, so that other work on the machine meets both. Peak memory is that of a
process of its own, above what it holds with model and text loaded, for all tokens and for a quarter of them. Then the
harvest is made at other batch sizes, and every count, sum, example and sampled firing compared.
"""

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable

import numpy as np
import psutil
import torch

from prefactor.config.harvest import HarvestConfig
from prefactor.config.params import section
from prefactor.corpus.blocks import Blocks
from prefactor.files.cost import Cost
from prefactor.harvest.collect import Harvest, harvest
from prefactor.workspace import Workspace

BATCHES = (1, 7, 64)
COMPARED = 65536  # tokens


def text(work: Workspace, tokens: int) -> Blocks:
    """``tokens`` of the train split, over again where there are fewer."""
    blocks = work.blocks("train")
    rows = np.arange(tokens // blocks.tokens.shape[1]) % len(blocks)
    return Blocks(blocks.tokens[rows], blocks.domain[rows], [blocks.documents[i] for i in rows])


def cpu_seconds(call: Callable[[], object]) -> float:
    begin = time.process_time()
    call()
    return time.process_time() - begin


@torch.no_grad()
def bare(work: Workspace, blocks: Blocks, batch: int) -> None:
    for tokens in torch.from_numpy(blocks.tokens).long().split(batch):
        work.net(work.model.observe(tokens)[1])


def peak_memory(tokens: int, batch: int) -> tuple[float, float]:
    """MB held with model and text loaded, and MB on top of that at the worst."""
    work = Workspace()
    blocks, config = text(work, tokens), section("harvest", HarvestConfig).model_copy(update={"batch": batch})
    bare(work, Blocks(blocks.tokens[:batch], blocks.domain[:batch], blocks.documents[:batch]), batch)
    held = psutil.Process().memory_info().rss / 2**20
    harvest(work.model, work.net, blocks, config, Cost())
    return held, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10 - held


def same(a: Harvest, b: Harvest) -> bool:
    """Bit for bit."""
    pairs = [(vars(a.sums), vars(b.sums)), (a.examples.kept, b.examples.kept)]
    pairs += [(own.state(), b.pairs[side].state()) for side, own in a.pairs.items()]
    equal = (torch.equal(x.nan_to_num(9), other[k].nan_to_num(9)) for one, other in pairs for k, x in one.items())
    return all(equal) and torch.equal(a.sample.bits, b.sample.bits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=2**20)
    parser.add_argument("--batch", type=int, default=section("harvest", HarvestConfig).batch)
    args = parser.parse_args()
    work = Workspace()
    config = section("harvest", HarvestConfig).model_copy(update={"batch": args.batch})
    blocks = text(work, args.tokens)
    bare(work, text(work, COMPARED), args.batch)  # warms up
    before = cpu_seconds(lambda: bare(work, blocks, args.batch))
    whole = cpu_seconds(lambda: harvest(work.model, work.net, blocks, config, Cost()))
    after = cpu_seconds(lambda: bare(work, blocks, args.batch))
    passes = (before + after) / 2
    print(f"{args.tokens} tokens, batches of {args.batch} blocks, {torch.get_num_threads()} thread")
    print(f"bare passes {before:.1f} and {after:.1f} CPU s, harvest {whole:.1f}: {passes / whole:.1%} of their speed")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for tokens in (args.tokens // 4, args.tokens):
            held, more = pool.apply(peak_memory, (tokens, args.batch))
            print(f"{tokens} tokens: {more:.0f} MB above the {held:.0f} MB of model, text and torch")
    few = text(work, COMPARED)
    found = [harvest(work.model, work.net, few, config.model_copy(update={"batch": b}), Cost()) for b in BATCHES]
    equal = all(same(found[0], other) for other in found[1:])
    print(f"batches of {', '.join(map(str, BATCHES))} blocks on {COMPARED} tokens: {'equal' if equal else 'DIFFERENT'}")


if __name__ == "__main__":
    main()

"""Which rank-1 subcomponents is the target made of?

Reads  target: checkpoint; corpus: train blocks; locate: the matrices, where `decompose.modules` is `located`.
Writes components/ (U, V), net/ (the jointly trained importance net), curve.parquet and live/ (the training curve),
metrics.json (its end, and which share of the weights is decomposed).
"""

import sys
from dataclasses import asdict

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from prefactor.config.decompose import DecomposeConfig
from prefactor.corpus.blocks import read_blocks
from prefactor.corpus.used import read_vocabulary
from prefactor.files.artifacts import identities, write_json, write_table
from prefactor.files.checkpoint import Checkpoint, run_key
from prefactor.files.cost import ledger
from prefactor.machine.processes import join
from prefactor.machine.runtime import setup
from prefactor.model.memory import check_memory
from prefactor.model.shares import in_words, shares
from prefactor.model.sites import sites
from prefactor.vpd.local import fit_locally
from prefactor.vpd.start import planned_sizes, start_decomposition
from prefactor.vpd.store import write_components, write_net
from prefactor.vpd.targeted import streams
from prefactor.vpd.train import train
from stages.common import CHECKPOINT, DATA, RUNS, TEXT, section
from stages.live import live
from stages.located import to_decompose
from stages.models import load_target
from stages.multiprocess import run_processes


def main() -> None:
    config = section("decompose", DecomposeConfig)
    corpus, out = DATA / "corpus", DATA / "decompose"
    vocabulary = read_vocabulary(TEXT, config.logits)
    blocks = vocabulary.blocks(read_blocks(corpus, "train"))
    own, other = streams(blocks, config.objective)
    device = setup()
    processes = join(device)
    target = load_target(device, vocabulary)
    modules, located = to_decompose(config.modules)
    found = sites(target, modules, torch.from_numpy(own))
    weights = shares(target, found)
    if processes.main:
        print(in_words(weights), file=sys.stderr)
    check_memory("decompose", planned_sizes(target, config, found.matrices, own.shape[1], processes), device)
    model, net = start_decomposition(target, config, found.matrices, device, processes)
    made_from = identities(corpus / "train", CHECKPOINT) | located
    key = run_key(config.model_dump(mode="json"), list(made_from.values()))
    checkpoint = Checkpoint(RUNS / "decompose", key)
    clip = config.clip if config.source == "trained" else None  # None: the components are not trained
    lost = None
    with ledger(out / "cost.json", processes.main) as cost, live(out / "live", processes.main) as record:
        if config.local is not None:
            text = own if other is None else np.concatenate([own, other.blocks])
            lost = fit_locally(model, text, config.local, config.training.seed, cost)
        curve = train(
            model, net, own, config.training, cost, checkpoint, clip, processes=processes, after_record=record,
            other=other,
        )  # fmt: skip
    write_components(out / "components", model, processes, made_from)
    write_net(out / "net", net, processes, made_from)
    if not processes.main:
        return
    write_table(out / "curve.parquet", pa.Table.from_pandas(pd.DataFrame(curve), preserve_index=False))
    last = pd.DataFrame(curve).tail(max(1, len(curve) // 10)).mean().to_dict()  # the last tenth: a window, not a point
    metrics = {"subcomponents": model.subcomponents, "matrices": len(model.sites), "steps": config.training.steps}
    metrics |= {key: value for key, value in last.items() if key != "step"}
    metrics |= {} if lost is None else {"unexplained": lost}
    write_json(out / "metrics.json", metrics | {"weights": [asdict(part) for part in weights]})
    checkpoint.done()


if __name__ == "__main__":
    run_processes(main)

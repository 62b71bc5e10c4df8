"""Which subcomponents does each token need, and how faithful is the model that keeps only those?

Reads  decompose: components and net; target: checkpoint; corpus: train and eval blocks.
Writes net/ (the importance net refitted with the components frozen, against a fresh adversary and at the final
sharpness; every later stage uses this one), curve.parquet, metrics.json (the quality battery), depth.parquet (how many
subcomponents a token needs, by layer and position).
"""

import numpy as np
import pandas as pd
import pyarrow as pa

from prefactor.config.decompose import Logits, Objective
from prefactor.config.importance import ImportanceConfig
from prefactor.corpus import needs
from prefactor.corpus.blocks import read_blocks, take
from prefactor.corpus.used import read_vocabulary
from prefactor.files.artifacts import identities, write_json, write_table
from prefactor.files.checkpoint import Checkpoint, run_key
from prefactor.files.cost import ledger
from prefactor.machine.processes import join
from prefactor.machine.runtime import setup
from prefactor.model.memory import check_memory
from prefactor.vpd.battery import battery, l0_by_depth, pgd_kl
from prefactor.vpd.sharding import place
from prefactor.vpd.sizes import decomposed_sizes
from prefactor.vpd.store import read_net, write_net
from prefactor.vpd.targeted import streams
from prefactor.vpd.train import train
from stages.common import CHECKPOINT, DATA, RUNS, TEXT, section
from stages.live import live
from stages.models import load_decomposed
from stages.multiprocess import run_processes

DEPTH = pa.schema([("layer", pa.string()), ("position", pa.int32()), ("l0", pa.float64())])


def main() -> None:
    config = section("importance", ImportanceConfig)
    corpus, parts, out = (DATA / name for name in ("corpus", "decompose", "importance"))
    vocabulary = read_vocabulary(TEXT, section("decompose.logits", Logits))
    objective = section("decompose.objective", Objective)
    blocks, other = streams(vocabulary.blocks(read_blocks(corpus, "train")), objective)
    eval_split, drawn = vocabulary.blocks(read_blocks(corpus, "eval")), needs.battery(config, objective)
    held_out = {stream: np.concatenate([take(eval_split, n).tokens for n in own]) for stream, own in drawn.items()}
    device = setup()
    processes = join(device)
    model = load_decomposed(device, vocabulary)
    net = read_net(parts / "net", model).train().requires_grad_(True)
    own = {"batch": len(processes.rows(config.training.batch)), "tokens": held_out["target"].size}
    trained = sum(parameter.numel() for parameter in net.parameters())
    check_memory("importance", decomposed_sizes(model, net, blocks.shape[1], trained=trained, **own), device)
    place(model, net, processes, device)
    made_from = identities(corpus / "train", CHECKPOINT, parts / "components", parts / "net")
    key = run_key(config.model_dump(mode="json"), list(made_from.values()), vocabulary.size, str(objective))
    checkpoint = Checkpoint(RUNS / "importance", key)
    with ledger(out / "cost.json", processes.main) as cost:
        with live(out / "live", processes.main) as record:
            curve = train(
                model, net, blocks, config.training, cost, checkpoint, what="importance", processes=processes,
                after_record=record, other=other,
            )  # fmt: skip
        net.eval().requires_grad_(False)
        metrics = battery(model, net, held_out["target"], config.seed)
        metrics["kl"] |= pgd_kl(model, net, held_out["target"], config.battery.pgd_steps, config.seed)
        depth = list(l0_by_depth(model, net, held_out["target"]))
        if other is not None:
            metrics["other"] = battery(model, net, held_out["other"], config.seed, pinned=True)
    write_net(out / "net", net, processes, made_from)
    if not processes.main:
        return
    write_table(out / "curve.parquet", pa.Table.from_pandas(pd.DataFrame(curve), preserve_index=False))
    write_table(out / "depth.parquet", pa.Table.from_pylist(depth, schema=DEPTH))
    write_json(out / "metrics.json", metrics)
    checkpoint.done()


if __name__ == "__main__":
    run_processes(main)

"""Which subcomponents does each token need, and how faithful is the model that keeps only those?

Reads  decompose: components and net; target: checkpoint; corpus: train and eval blocks.
Writes importance.safetensors (the net refitted with the components frozen, against a fresh adversary and at the final
sharpness; every later stage uses this one), curve.parquet, metrics.json (the quality battery).
"""

import pandas as pd
import pyarrow as pa

from prefactor.artifacts import MANIFEST, read_json, sha256, verify, write_json, write_manifest, write_table
from prefactor.checkpoint import Checkpoint, run_key
from prefactor.config.importance import ImportanceConfig
from prefactor.corpus.blocks import read_blocks, take
from prefactor.decompose import read_components, read_net, write_net
from prefactor.ledger import ledger
from prefactor.quality import battery, pgd_kl
from prefactor.ranks import join
from prefactor.runtime import setup
from prefactor.sharding import place
from prefactor.target import read_target
from prefactor.vpd import train
from stages.common import DATA, RUNS, section
from stages.live import live
from stages.together import run_together


def main() -> None:
    config = section("importance", ImportanceConfig)
    corpus, target, parts, out = (DATA / name for name in ("corpus", "target", "decompose", "importance"))
    verify(target, only=["checkpoint"])
    verify(parts, only=["components.safetensors", "importance.safetensors"])
    blocks = read_blocks(corpus, "train")
    held_out = take(read_blocks(corpus, "eval"), config.battery.tokens, "importance.battery.tokens").tokens
    device = setup()
    ranks = join(device)
    model = read_components(parts / "components.safetensors", read_target(target / "checkpoint", device))
    net = read_net(parts / "importance.safetensors", model).train().requires_grad_(True)
    place(model, net, ranks, device)
    inputs = [sha256(corpus / "train.parquet"), *(read_json(folder / MANIFEST) for folder in (target, parts))]
    checkpoint = Checkpoint(RUNS / "importance", run_key(config.model_dump(mode="json"), inputs))
    with ledger(out / "cost.json", ranks.main) as cost:
        with live(out / "live", ranks.main) as record:
            curve = train(
                model, net, blocks.tokens, config.training, cost, checkpoint, what="importance", ranks=ranks,
                after_record=record,
            )  # fmt: skip
        net.eval().requires_grad_(False)
        metrics = battery(model, net, held_out, config.seed)
        metrics["kl"] |= pgd_kl(model, net, held_out, config.battery.pgd_steps, config.seed)
    write_net(out / "importance.safetensors", net, ranks)
    if not ranks.main:
        return
    write_table(out / "curve.parquet", pa.Table.from_pandas(pd.DataFrame(curve), preserve_index=False))
    write_json(out / "metrics.json", metrics)
    write_manifest(out, ["importance.safetensors"])  # not what is measured: measuring more must not rerun the rest
    checkpoint.done()


if __name__ == "__main__":
    run_together(main)

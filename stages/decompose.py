"""Which rank-1 subcomponents is the target made of?

Reads  target: checkpoint; corpus: train blocks.
Writes components.safetensors (U, V), importance.safetensors (the jointly trained net), curve.parquet and live/
(the training curve), metrics.json.
"""

import pandas as pd
import pyarrow as pa

from prefactor.artifacts import MANIFEST, read_json, sha256, verify, write_json, write_manifest, write_table
from prefactor.checkpoint import Checkpoint, run_key
from prefactor.config.decompose import DecomposeConfig
from prefactor.corpus.blocks import read_blocks
from prefactor.decompose import start_decomposition, write_components, write_net
from prefactor.ledger import ledger
from prefactor.ranks import join
from prefactor.runtime import setup
from prefactor.target import read_target
from prefactor.vpd import train
from stages.common import DATA, RUNS, section
from stages.live import live
from stages.together import run_together


def main() -> None:
    config = section("decompose", DecomposeConfig)
    corpus, target, out = DATA / "corpus", DATA / "target", DATA / "decompose"
    verify(target, only=["checkpoint"])
    blocks = read_blocks(corpus, "train")
    device = setup()
    ranks = join(device)
    model, net = start_decomposition(read_target(target / "checkpoint", device), config, device, ranks)
    key = run_key(config.model_dump(mode="json"), sha256(corpus / "train.parquet"), read_json(target / MANIFEST))
    checkpoint = Checkpoint(RUNS / "decompose", key)
    clip = config.clip if config.source == "trained" else None  # None: the components are not trained
    with ledger(out / "cost.json", ranks.main) as cost, live(out / "live", ranks.main) as record:
        curve = train(
            model, net, blocks.tokens, config.training, cost, checkpoint, clip, ranks=ranks, after_record=record
        )
    write_components(out / "components.safetensors", model, ranks)
    write_net(out / "importance.safetensors", net, ranks)
    if not ranks.main:
        return
    write_table(out / "curve.parquet", pa.Table.from_pandas(pd.DataFrame(curve), preserve_index=False))
    last = pd.DataFrame(curve).tail(max(1, len(curve) // 10)).mean().to_dict()  # the last tenth: a window, not a point
    metrics = {"subcomponents": model.subcomponents, "matrices": len(model.sites), "steps": config.training.steps}
    write_json(out / "metrics.json", metrics | {k: v for k, v in last.items() if k != "step"})
    write_manifest(out, ["components.safetensors", "importance.safetensors", "curve.parquet"])
    checkpoint.done()


if __name__ == "__main__":
    run_together(main)

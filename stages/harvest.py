"""When is each subcomponent needed, and on what?

Reads  importance: net; decompose: components; target: checkpoint; corpus: tokenizer, harvest blocks.
Writes subcomponents.parquet (statistics and token tables), examples.parquet (activating windows), sample.parquet (all
firings on a few blocks), metrics.json.
"""

from tokenizers import Tokenizer

from prefactor.config.harvest import HarvestConfig
from prefactor.corpus.blocks import read_blocks, take
from prefactor.files.artifacts import MANIFEST, read_json, verify, write_json, write_manifest, write_table
from prefactor.files.checkpoint import Checkpoint, run_key
from prefactor.files.cost import ledger
from prefactor.harvest.collect import harvest
from prefactor.harvest.tables import example_table, sample_table, subcomponent_table
from prefactor.machine.processes import join
from prefactor.machine.runtime import setup
from prefactor.model.target import read_target
from prefactor.vpd.store import read_components, read_net
from stages.common import DATA, RUNS, section
from stages.multiprocess import run_processes


def main() -> None:
    config = section("harvest", HarvestConfig)
    corpus, target, parts, refit, out = (
        DATA / name for name in ("corpus", "target", "decompose", "importance", "harvest")
    )
    verify(corpus, only=["tokenizer.json"])
    verify(target, only=["checkpoint"])
    verify(parts, only=["components.safetensors"])
    verify(refit, only=["importance.safetensors"])
    blocks = take(read_blocks(corpus, "harvest"), config.tokens, "harvest.tokens")
    tokenizer = Tokenizer.from_file(str(corpus / "tokenizer.json"))
    device = setup()
    processes = join(device)
    model = read_components(parts / "components.safetensors", read_target(target / "checkpoint", device))
    net = read_net(refit / "importance.safetensors", model)
    inputs = [read_json(folder / MANIFEST) for folder in (corpus, target, parts, refit)]
    key = run_key(config.model_dump(mode="json"), inputs, processes.rank, processes.count)
    checkpoint = Checkpoint(RUNS / "harvest" / str(processes.rank), key)
    with ledger(out / "cost.json", processes.main) as cost:
        gathered = harvest(model, net, blocks, config, cost, processes, checkpoint)
    checkpoint.done()
    if not processes.main:
        return

    def decode(token: int) -> str:
        return tokenizer.decode([token], skip_special_tokens=False)

    table = subcomponent_table(gathered, model, decode, config)
    write_table(out / "subcomponents.parquet", table)
    write_table(out / "examples.parquet", example_table(gathered, model.names, blocks, decode))
    write_table(out / "sample.parquet", sample_table(gathered, blocks, decode))
    metrics = {
        "tokens": dict(zip(gathered.domains, gathered.sums.tokens.tolist(), strict=True)),
        "alive": int(sum(table["alive"].to_pylist())),
        "subcomponents": model.subcomponents,
    }
    write_json(out / "metrics.json", metrics)
    write_manifest(out, ["subcomponents.parquet", "examples.parquet", "sample.parquet", "metrics.json"])


if __name__ == "__main__":
    run_processes(main)

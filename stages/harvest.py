"""When is each subcomponent needed, and on what?

Reads  importance: net; decompose: components; target: checkpoint; corpus: tokenizer, harvest blocks.
Writes subcomponents.parquet (statistics and token tables), examples.parquet (activating windows), metrics.json.
"""

from tokenizers import Tokenizer

from prefactor.artifacts import verify, write_json, write_manifest, write_table
from prefactor.config.harvest import HarvestConfig
from prefactor.corpus.blocks import read_blocks, take
from prefactor.decompose import read_components, read_net
from prefactor.harvest import harvest
from prefactor.harvest_tables import example_table, subcomponent_table
from prefactor.ledger import ledger
from prefactor.ranks import join
from prefactor.runtime import setup
from prefactor.target import read_target
from stages.common import DATA, section
from stages.together import run_together


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
    ranks = join(device)
    model = read_components(parts / "components.safetensors", read_target(target / "checkpoint", device))
    net = read_net(refit / "importance.safetensors", model)
    with ledger(out / "cost.json", ranks.main) as cost:
        gathered = harvest(model, net, blocks, config, cost, ranks)
    if not ranks.main:
        return

    def decode(token: int) -> str:
        return tokenizer.decode([token], skip_special_tokens=False)

    table = subcomponent_table(gathered, model, decode, config)
    write_table(out / "subcomponents.parquet", table)
    write_table(out / "examples.parquet", example_table(gathered, model.names, blocks, decode))
    metrics = {
        "tokens": dict(zip(gathered.domains, gathered.tokens.tolist(), strict=True)),
        "alive": int(sum(table["alive"].to_pylist())),
        "subcomponents": model.subcomponents,
    }
    write_json(out / "metrics.json", metrics)
    write_manifest(out, ["subcomponents.parquet", "examples.parquet", "metrics.json"])


if __name__ == "__main__":
    run_together(main)

"""When is each subcomponent needed, and on what?

Reads  importance: net; decompose: components; target: checkpoint; corpus: tokenizer, harvest blocks.
Writes subcomponents/ (statistics and token tables), examples/ (activating windows), sample/ (all firings on a few
blocks), held_out/ (windows of further text, of which nothing enters the others), metrics.json.
"""

from functools import partial

from prefactor.config.decompose import Logits
from prefactor.config.harvest import HarvestConfig
from prefactor.corpus.blocks import read_blocks, take
from prefactor.corpus.needs import harvested, scored_on
from prefactor.corpus.tokenizer_file import read_tokenizer
from prefactor.corpus.used import read_vocabulary
from prefactor.files.artifacts import identities, write_json, write_part
from prefactor.files.checkpoint import Checkpoint, run_key
from prefactor.files.cost import ledger
from prefactor.harvest.collect import harvest
from prefactor.harvest.tables import example_table, sample_table, subcomponent_table
from prefactor.machine.processes import join
from prefactor.machine.runtime import setup
from prefactor.model.memory import check_memory
from prefactor.vpd.sizes import decomposed_sizes
from prefactor.vpd.store import components_sha256
from stages.common import CHECKPOINT, COMPONENTS, DATA, NET, RUNS, TEXT, section
from stages.models import load_decomposed, load_net
from stages.multiprocess import run_processes


def main() -> None:
    config = section("harvest", HarvestConfig)
    corpus, out = DATA / "corpus", DATA / "harvest"
    vocabulary = read_vocabulary(TEXT, section("decompose.logits", Logits))
    split = vocabulary.blocks(read_blocks(corpus, "harvest"))
    blocks, held_out = take(split, harvested(config)), take(split, scored_on(config))
    tokenizer = read_tokenizer(corpus)
    device = setup()
    processes = join(device)
    model = load_decomposed(device, vocabulary)
    net = load_net(model)
    own = {"batch": config.batch, "tokens": config.tokens, "sample": config.sample_tokens, "examples": config.kept}
    check_memory("harvest", decomposed_sizes(model, net, blocks.tokens.shape[1], **own), device)
    made_from = identities(corpus / "tokenizer", corpus / "harvest", CHECKPOINT, COMPONENTS, NET)
    inputs = [*made_from.values(), vocabulary.size]
    key = run_key(config.model_dump(mode="json"), inputs, processes.rank, processes.count)
    checkpoint = Checkpoint(RUNS / "harvest", key)  # every process's own, by its key
    with ledger(out / "cost.json", processes.main) as cost:
        gathered = harvest(model, net, blocks, config, cost, processes, checkpoint, held_out)
    if not processes.main:
        return

    decode = vocabulary.decoder(partial(tokenizer.decode, skip_special_tokens=False))
    table = subcomponent_table(gathered, model, decode, config)
    metrics = {
        "tokens": dict(zip(gathered.domains, gathered.sums.tokens.tolist(), strict=True)),
        "alive": int(sum(table["alive"].to_pylist())),
        "subcomponents": model.subcomponents,
    }
    about = {"tokens": metrics["tokens"], "threshold": config.threshold, "decomposition": components_sha256(DATA)}
    write_part(out, "subcomponents", table, about, made_from)
    write_part(out, "examples", example_table(gathered.examples, model.names, blocks, decode), made_from=made_from)
    write_part(out, "held_out", example_table(gathered.held_out, model.names, held_out, decode), made_from=made_from)
    write_part(out, "sample", sample_table(gathered, blocks, decode), made_from=made_from)
    write_json(out / "metrics.json", metrics)
    checkpoint.done()


if __name__ == "__main__":
    run_processes(main)

"""What does each subcomponent do? The damage to every domain of ablating it, and of inverting it.

Reads  harvest: which are alive; decompose: components; target: checkpoint; corpus: select blocks.
Writes effects/, a row an alive subcomponent; metrics.json. With ``effects.exact`` only those that stand out are
measured, and of the others the effect is that to first order.
"""

import pyarrow.parquet as pq

from prefactor.config.decompose import Logits
from prefactor.config.effects import EffectsConfig
from prefactor.corpus.blocks import read_blocks, take
from prefactor.corpus.needs import ablated
from prefactor.corpus.used import read_vocabulary
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import identities, part, write_json, write_part
from prefactor.files.checkpoint import Checkpoint, run_key
from prefactor.files.cost import ledger
from prefactor.machine.runtime import setup
from prefactor.model.memory import check_memory
from prefactor.rescale.ablate import BATCH, effects_of, first_order, standing_out
from prefactor.vpd.sizes import decomposed_sizes
from stages.common import CHECKPOINT, COMPONENTS, DATA, RUNS, TEXT, run, section
from stages.models import load_decomposed


def main() -> None:
    config = section("effects", EffectsConfig)
    corpus, harvest, out = DATA / "corpus", DATA / "harvest" / "subcomponents", DATA / "effects"
    table = pq.read_table(part(DATA / "harvest", "subcomponents")).to_pandas()
    table = table[table["alive"]]
    names = table["subcomponent"].tolist()
    if not names:
        raise PrefactorError(f"{harvest}: no subcomponent is alive, so there is nothing to ablate: decompose longer")
    vocabulary = read_vocabulary(TEXT, section("decompose.logits", Logits))
    blocks = vocabulary.blocks(read_blocks(corpus, "select"))
    text = {d: take(blocks, ablated(config, d)).tokens for d in blocks.domains}
    device = setup()
    model = load_decomposed(device, vocabulary)
    own = {"batch": BATCH, "tokens": config.tokens, "texts": len(text)}
    check_memory("effects", decomposed_sizes(model, None, blocks.tokens.shape[1], **own), device)
    made_from = identities(corpus / "select", CHECKPOINT, COMPONENTS, harvest)
    key = run_key(config.model_dump(mode="json"), list(made_from.values()), vocabulary.size)
    checkpoint = Checkpoint(RUNS / "effects", key)
    with ledger(out / "cost.json") as cost:
        if config.exact == "all" or config.exact >= len(names):
            effects = effects_of(model, names, text, cost, checkpoint)
        else:
            rough = first_order(model, names, text, cost)
            stand_out = standing_out(rough, table.filter(regex="^importance_").to_numpy(), config.exact)
            effects = effects_of(model, stand_out, text, cost, checkpoint).filled_from(rough)
    write_part(out, "effects", effects.table(), made_from=made_from)
    largest = effects.damage[:, 1].max(dim=1).values
    metrics = {
        "tokens": {d: int(tokens.size) for d, tokens in text.items()},
        "subcomponents": len(names),
        "exact": int(effects.exact.sum()),
        "above_0.01": int((largest > 0.01).sum()),  # nats, on some domain, if inverted
    }
    write_json(out / "metrics.json", metrics)
    checkpoint.done()
    print(f"effects: {len(names)} subcomponents; inverting {metrics['above_0.01']} costs some domain over 0.01 nats")


if __name__ == "__main__":
    run(main)

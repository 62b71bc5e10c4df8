"""What did this edit change, in the target domain and everywhere else? ``python -m stages.evaluate NAME``

Reads  edit: what is known of it, and the change of every fit; target; corpus: tokenizer, eval blocks. What the base
model makes of the latter is kept in ``.runs/reference``, so that it is worked out once for all edits.
Writes table/ (a row a fit and domain), rollouts/, tokens/ (what it does to single tokens), metrics.json (the report's
budget).
"""

from functools import partial

import pyarrow as pa
import torch

from prefactor.config.domains import Domains
from prefactor.config.evaluate import EvaluateConfig
from prefactor.corpus import needs
from prefactor.corpus.blocks import read_blocks, take
from prefactor.corpus.tokenizer_file import read_tokenizer
from prefactor.edits.made import fits_folder, matrices_in, read_changes, read_edit, tensors_file
from prefactor.evaluate.intervals import Figure, figure
from prefactor.evaluate.rollouts import rollouts
from prefactor.evaluate.table import evaluate
from prefactor.evaluate.tokens import FIGURES, by_token
from prefactor.files.artifacts import MANIFEST, identities, read_entry, read_json, write_json, write_part
from prefactor.files.cost import ledger
from prefactor.machine.runtime import setup
from prefactor.model.kept import KEPT, hold_out_blocks
from prefactor.model.memory import check_memory, sizes_of
from prefactor.model.reference import BATCH
from stages.common import CHECKPOINT, DATA, run, section
from stages.models import load_target

TEXT, COUNT = pa.string(), pa.int32()
TOKENS = pa.schema(
    {"edit": TEXT, "budget": COUNT, "seed": COUNT, "domain": TEXT, "block": COUNT, "position": COUNT, "token": TEXT}
    | dict.fromkeys(FIGURES, pa.float64())
)


def main(name: str) -> None:
    config = section("evaluate", EvaluateConfig)
    corpus, out = DATA / "corpus", DATA / "evaluate" / name
    edit = read_edit(DATA, name)
    roles = Domains(target=edit["target"], retain=edit["retain"], protect=edit["protect"]).roles
    tokenizer, held_out = read_tokenizer(corpus), read_blocks(corpus, "eval")
    taken = {d: take(held_out, needs.held_out(config, d, role)) for d, role in roles.items()}
    device = setup()
    target, most = load_target(device), max(own.tokens.size for own in taken.values())
    stored = tensors_file(DATA, name).stat().st_size // 4  # numbers in the changes of all fits
    block, changed = held_out.tokens.shape[1], matrices_in(DATA, name)
    sizes = sizes_of(target, block, changed, batch=BATCH, tokens=most, texts=len(taken), fitted=stored)
    check_memory("evaluate", sizes, device)
    changes = read_changes(DATA, name, device)
    with ledger(out / "cost.json") as cost:
        about = {"edit": name, "method": edit["method"]}
        checkpoint = read_json(CHECKPOINT / MANIFEST)
        held = {domain: hold_out_blocks(target, own, checkpoint, KEPT, domain) for domain, own in taken.items()}
        rows = [about | row for row in evaluate(target, changes, held, roles, cost, name)]
        budget, seed, reported = next(fit for fit in changes if fit[0] == edit["report_budget"])
        starts = {d: take(held_out, needs.prompts(config, d)).tokens[:, : config.prompt_tokens] for d in roles}
        prompts = {domain: torch.from_numpy(start).long().to(device) for domain, start in starts.items()}
        decode = partial(tokenizer.decode, skip_special_tokens=False)  # a separator is part of what a model says
        texts = list(rollouts(target, reported, prompts, config.rollout_tokens, config.seed, decode))
        fit = {"budget": budget, "seed": seed}
        single = [{"edit": name} | fit | row for row in by_token(target, reported, held, decode)]

    bars = DATA / "target" / "metrics.json"  # on this very text
    chance, unigram = read_entry(bars, "chance"), read_entry(bars, "unigram_ce", edit["target"])
    at = [row for row in rows if row["budget"] == edit["report_budget"]]

    def figure_of(domain: str, column: str, less: float = 0.0) -> Figure:
        own = [row for row in at if row["domain"] == domain]
        return figure([r[column] - less for r in own], [r[f"{column}_error"] for r in own], own[0]["blocks"])

    metrics = {
        "target_ce_minus_chance": figure_of(edit["target"], "edited_ce", chance),
        "target_ce_minus_unigram": figure_of(edit["target"], "edited_ce", unigram),
        "damage": {d: figure_of(d, "damage") for d in roles if roles[d] != "target"},
        "damage_own": {d: figure_of(d, "damage_own") for d in roles if roles[d] != "target"},
    }
    made_from = identities(corpus / "eval", CHECKPOINT, fits_folder(DATA, name))
    write_part(out, "table", pa.Table.from_pylist(rows), made_from=made_from)
    made_from |= identities(corpus / "tokenizer")
    write_part(out, "rollouts", pa.Table.from_pylist([{"edit": name} | text for text in texts]), made_from=made_from)
    write_part(out, "tokens", pa.Table.from_pylist(single, schema=TOKENS), made_from=made_from)
    write_json(out / "metrics.json", metrics)


if __name__ == "__main__":
    run(main)

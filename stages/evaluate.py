"""What did this edit change, in the target domain and everywhere else? ``python -m stages.evaluate NAME``

Reads  edit: every fit; target; corpus: tokenizer, eval blocks. What the base model makes of the latter is kept in
``.runs/reference``, so that it is worked out once for all edits.
Writes table/ (a row a fit and domain), rollouts/, metrics.json (the report's budget).
"""

import pyarrow as pa

from prefactor.config.domains import Domains
from prefactor.config.evaluate import EvaluateConfig
from prefactor.corpus.blocks import read_blocks, take
from prefactor.corpus.tokenizer_file import read_tokenizer
from prefactor.edits.made import read_changes, read_edit
from prefactor.evaluate.intervals import Figure, figure
from prefactor.evaluate.rollouts import rollouts
from prefactor.evaluate.table import evaluate
from prefactor.files.artifacts import MANIFEST, read_json, write_json, write_part
from prefactor.files.cost import ledger
from prefactor.machine.runtime import setup
from prefactor.model.kept import KEPT, hold_out_once
from stages.common import DATA, run, section
from stages.models import CHECKPOINT, load_target


def main(name: str) -> None:
    config = section("evaluate", EvaluateConfig)
    corpus, folder, out = DATA / "corpus", DATA / "edit" / name, DATA / "evaluate" / name
    edit = read_edit(folder)
    roles = Domains(target=edit["target"], retain=edit["retain"], protect=edit["protect"]).roles
    tokenizer, held_out = read_tokenizer(corpus), read_blocks(corpus, "eval")
    blocks = {d: take(held_out.of(d), config.tokens.of(role), "evaluate.tokens").tokens for d, role in roles.items()}
    device = setup()
    target, changes = load_target(device), read_changes(folder, device)
    with ledger(out / "cost.json") as cost:
        about = {"edit": name, "method": edit["method"]}
        checkpoint = read_json(CHECKPOINT / MANIFEST)
        held = {domain: hold_out_once(target, tokens, checkpoint, KEPT, domain) for domain, tokens in blocks.items()}
        rows = [about | row for row in evaluate(target, changes, held, roles, cost, name)]
        reported = next(change for budget, _, change in changes if budget == edit["report_budget"])
        prompts = {domain: text.tokens[: config.prompts, : config.prompt_tokens] for domain, text in held.items()}
        texts = list(rollouts(target, reported, prompts, config.rollout_tokens, config.seed, tokenizer.decode))

    chance = read_json(DATA / "target" / "metrics.json")["chance"]
    at = [row for row in rows if row["budget"] == edit["report_budget"]]

    def figure_of(domain: str, column: str, less: float = 0.0) -> Figure:
        own = [row for row in at if row["domain"] == domain]
        return figure([r[column] - less for r in own], [r[f"{column}_error"] for r in own], own[0]["blocks"])

    metrics = {
        "target_ce_minus_chance": figure_of(edit["target"], "edited_ce", chance),
        "damage": {d: figure_of(d, "damage") for d in roles if roles[d] != "target"},
    }
    write_part(out, "table", pa.Table.from_pylist(rows))
    write_part(out, "rollouts", pa.Table.from_pylist([{"edit": name} | text for text in texts]))
    write_json(out / "metrics.json", metrics)


if __name__ == "__main__":
    run(main)

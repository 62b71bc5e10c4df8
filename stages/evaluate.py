"""What did this edit change, in the target domain and everywhere else? ``python -m stages.evaluate NAME``

Reads  edit: every fit; target: checkpoint; corpus: tokenizer, eval blocks.
Writes table.parquet (a row a fit and domain), rollouts.parquet, metrics.json (the headline budget).
"""

import pyarrow as pa
from tokenizers import Tokenizer

from prefactor.config.edits import Domains
from prefactor.config.evaluate import EvaluateConfig
from prefactor.corpus.blocks import read_blocks, take
from prefactor.edits.tables import read_changes
from prefactor.evaluate.intervals import interval
from prefactor.evaluate.rollouts import rollouts
from prefactor.files.artifacts import read_json, verify, write_json, write_manifest, write_table
from prefactor.files.cost import ledger
from prefactor.machine.flops import flops_of
from prefactor.machine.progress import track
from prefactor.machine.runtime import setup
from prefactor.model.reference import hold_out, measure
from prefactor.model.target import read_target
from stages.common import DATA, run, section


def main(name: str) -> None:
    config = section("evaluate", EvaluateConfig)
    corpus, folder, out = DATA / "corpus", DATA / "edit" / name, DATA / "evaluate" / name
    verify(corpus, only=["tokenizer.json"])
    verify(DATA / "target", only=["checkpoint"])
    verify(folder, only=["edit.json", "fits.parquet", "fits.safetensors"])
    edit = read_json(folder / "edit.json")
    roles = Domains(target=edit["target"], retain=edit["retain"], protect=edit["protect"]).roles
    held_out = read_blocks(corpus, "eval")
    blocks = {d: take(held_out.of(d), config.tokens.of(role), "evaluate.tokens").tokens for d, role in roles.items()}
    device = setup()
    target = read_target(DATA / "target" / "checkpoint", device)
    tokenizer = Tokenizer.from_file(str(corpus / "tokenizer.json"))
    changes = read_changes(folder, device)

    rows = []
    with ledger(out / "cost.json") as cost:
        domains = {d: hold_out(target, held) for d, held in blocks.items()}
        tokens = sum(h.tokens.numel() for h in domains.values())
        flops = flops_of(lambda: measure(target, changes[0][2], domains))
        for budget, seed, change in track(changes, len(changes), f"evaluate {name}"):
            for domain, figures in measure(target, change, domains).items():
                about = {"edit": name, "method": edit["method"], "budget": budget, "seed": seed, "domain": domain}
                rows.append(about | {"role": roles[domain]} | figures | {"tokens": domains[domain].tokens.numel()})
            cost.add(tokens, flops)
        headline = next(c for budget, _, c in changes if budget == edit["headline_budget"])
        prompts = {d: h.tokens[: config.prompts, : config.prompt_tokens] for d, h in domains.items()}
        texts = list(rollouts(target, headline, prompts, config.rollout_tokens, config.seed, tokenizer.decode))

    chance = read_json(DATA / "target" / "metrics.json")["chance"]
    at = [row for row in rows if row["budget"] == edit["headline_budget"]]
    metrics = {
        "target_ce_minus_chance": interval([r["edited_ce"] - chance for r in at if r["role"] == "target"]),
        "damage": {d: interval([r["damage"] for r in at if r["domain"] == d]) for d in roles if roles[d] != "target"},
    }
    write_table(out / "table.parquet", pa.Table.from_pylist(rows))
    write_table(out / "rollouts.parquet", pa.Table.from_pylist([{"edit": name} | text for text in texts]))
    write_json(out / "metrics.json", metrics)
    write_manifest(out, ["table.parquet", "rollouts.parquet", "metrics.json"])


if __name__ == "__main__":
    run(main)

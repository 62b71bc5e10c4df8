"""Is an edit the same in other people's hands? ``python -m benchmarks.reload EDIT MODEL``, after evaluate

Loads MODEL, the checkpoint as its makers published it, and the edit's adapter with stock transformers and peft, and
measures the text that the edit was evaluated on: the damage to every domain beside that of the evaluation's table, and
the largest difference; loose, and merged into the weights.
"""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from peft import PeftModel
from transformers import AutoModelForCausalLM

from benchmarks.common import markdown
from prefactor.config.evaluate import EvaluateConfig
from prefactor.corpus import needs
from prefactor.corpus.blocks import read_blocks, take
from prefactor.edits.made import adapter_folder, read_edit
from prefactor.files.artifacts import part
from prefactor.machine.runtime import setup
from stages.common import DATA, section

BATCH = 2  # blocks a forward pass


@torch.no_grad()
def cross_entropy(model: Any, tokens: torch.Tensor) -> float:
    """Nats a token of ``tokens`` (n, position) but the first of a block; not by the code that is on trial."""
    found = [
        F.cross_entropy(model(input_ids=part).logits[:, :-1].flatten(0, 1).float(), part[:, 1:].flatten()).double()
        * len(part)
        for part in tokens.split(BATCH)
    ]
    return float(sum(found)) / len(tokens)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("edit")
    parser.add_argument("model", type=Path, help="a folder")
    parser.add_argument("--file", help="a GGUF file in it")
    asked = parser.parse_args()
    device = setup()
    edit, config = read_edit(DATA, asked.edit), section("evaluate", EvaluateConfig)
    table = pd.read_parquet(part(DATA / "evaluate" / asked.edit, "table"))
    table = table[(table["budget"] == edit["report_budget"]) & (table["seed"] == table["seed"].min())]
    roles = dict(zip(table["domain"], table["role"], strict=True))
    split = read_blocks(DATA / "corpus", "eval")
    blocks = {domain: take(split, needs.held_out(config, domain, role)).tokens for domain, role in roles.items()}
    text = {domain: torch.from_numpy(own).long().to(device) for domain, own in blocks.items()}
    model: Any = AutoModelForCausalLM.from_pretrained(asked.model, gguf_file=asked.file, dtype=torch.float32)
    model.to(device)
    base = {domain: cross_entropy(model, tokens) for domain, tokens in text.items()}
    model = PeftModel.from_pretrained(model, str(adapter_folder(DATA, asked.edit)))
    loose = {domain: cross_entropy(model, tokens) - base[domain] for domain, tokens in text.items()}
    model = model.merge_and_unload()
    merged = {domain: cross_entropy(model, tokens) - base[domain] for domain, tokens in text.items()}
    ours = dict(zip(table["domain"], table["damage"], strict=True))
    told = {"evaluation": ours, "stock peft": loose, "merged": merged}
    rows = [{"damage, nats": how, **{d: f"{found[d]:+.4f}" for d in text}} for how, found in told.items()]
    print("\n".join(markdown(rows)))
    largest = max(abs(found[d] - ours[d]) for found in (loose, merged) for d in text)
    print(f"\nlargest difference from the evaluation: {largest:.1e} nats")


if __name__ == "__main__":
    main()

"""A folder with the cached decomposition of a tiny target, as the stages would leave it: for edits by hand."""

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import yaml
from tokenizers import Tokenizer as Backend
from tokenizers.models import WordLevel

from prefactor.config.harvest import HarvestConfig
from prefactor.corpus.blocks import Blocks, write_blocks
from prefactor.corpus.tokenizer_file import write_tokenizer
from prefactor.files.artifacts import write_json, write_part
from prefactor.files.cost import Cost
from prefactor.harvest.collect import harvest
from prefactor.harvest.tables import example_table, subcomponent_table
from prefactor.label.labeller import LABELS
from prefactor.model.load import save_target
from prefactor.model.unigram import Bars, write_bars
from prefactor.vpd.store import write_components, write_net
from tests.tiny import POSITIONS, VOCABULARY, tiny_blocks, tiny_decomposed, tiny_net

ROOT = Path(__file__).resolve().parent.parent
GERMAN = "layers.1.self_attn.v_proj:2"


def some_blocks(n: int, seed: int) -> Blocks:
    return Blocks(
        tiny_blocks(n, seed), np.array([("en", "de", "fr")[i % 3] for i in range(n)]), [[str(i)] for i in range(n)]
    )


def build_work(root: Path) -> None:
    """Write ``params.yaml`` and ``data/`` under ``root``; German is what :data:`GERMAN` is labelled as."""
    data, model = root / "data", tiny_decomposed(6)
    net = tiny_net(model)
    for place, split in enumerate(("train", "select", "fit", "eval")):
        write_blocks(data / "corpus", split, some_blocks(30, place))
    tokens = {"train": {"en": 90, "de": 30, "fr": 30}}
    write_json(data / "corpus" / "metrics.json", {"tokens": tokens, "block": POSITIONS})
    tokenizer = Backend(WordLevel({f"t{i}": i for i in range(VOCABULARY)}, unk_token="t0"))
    write_tokenizer(data / "corpus", tokenizer)
    save_target(model.target, data / "corpus", data / "target" / "checkpoint")
    bars = Bars(math.log(VOCABULARY), dict.fromkeys(("en", "de", "fr"), 3.0))
    write_bars(data / "target", bars)
    write_json(data / "target" / "metrics.json", {"chance": bars.chance, "unigram_ce": bars.unigram})
    write_components(data / "decompose" / "components", model)
    write_net(data / "importance" / "net", net)
    config = HarvestConfig(
        tokens=360, batch=5, threshold=0.1, examples=3, either_side=3, table=5, least_count=1, sample_tokens=24, seed=0
    )  # fmt: skip
    read = some_blocks(30, 9)
    found = harvest(model, net, read, config, Cost())
    about = {"tokens": {"de": 120, "en": 120, "fr": 120}, "threshold": 0.1, "decomposition": "5" * 64}
    write_part(data / "harvest", "subcomponents", subcomponent_table(found, model, str, config), about)
    write_part(data / "harvest", "examples", example_table(found.examples, model.names, read, str))
    text = {GERMAN: "German text", "layers.0.self_attn.q_proj:1": "German and French text"}
    labels = [
        {
            "subcomponent": n,
            "label": text.get(n, "unclear"),
            "reasoning": "",
            "evidence": "{}",
            "score": 0.5,
            "labeller": "t",
        }
        for n in model.names
    ]
    write_part(data / "label", "labels", pa.Table.from_pylist(labels, schema=LABELS))
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["edit"] |= {"retain_tokens": 60, "guard_tokens": 60, "untagged_tokens": 60}
    for method in ("scalar", "guarded"):
        params["optimisers"][method] = params["optimisers"][method] | {"steps": 4}
    params["candidates"] |= {"tokens": 60, "untagged_tokens": 120}
    params["evaluate"] |= {"tokens": {"target": 60, "retained": 60, "protected": 60}}
    (root / "params.yaml").write_text("# mine\n" + yaml.safe_dump(params), encoding="utf-8")

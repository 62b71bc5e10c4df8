"""The harvest as two tables: statistics a subcomponent, and activating windows. Schemas in ``docs/contracts.md``."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from torch import Tensor

from prefactor.components import DecomposedModel
from prefactor.config.harvest import HarvestConfig
from prefactor.corpus.blocks import Blocks
from prefactor.harvest import Harvest, top_tokens
from prefactor.quality import ALIVE

TOKEN_TABLE = pa.list_(pa.struct([("token", pa.string()), ("value", pa.float64()), ("count", pa.int64())]))


def subcomponent_table(
    result: Harvest, model: DecomposedModel, decode: Callable[[int], str], config: HarvestConfig
) -> pa.Table:
    """A row a subcomponent, dead ones included. ``decode`` turns a token id into its text."""
    importance = (result.importance / result.tokens).numpy()
    density = (result.firings / result.tokens).numpy()
    firings = result.firings.sum(1).numpy()
    mean_importance = (result.importance.sum(1) / result.tokens.sum()).numpy()
    norm = np.concatenate(
        [(u.norm(dim=1) * v.norm(dim=1)).detach().cpu().numpy() for u, v in zip(model.U, model.V, strict=True)]
    )
    columns: dict[str, pa.Array] = {
        "subcomponent": pa.array(model.names),
        "module": pa.array([site.name for site in model.sites for _ in range(site.count)]),
        "index": pa.array([i for site in model.sites for i in range(site.count)]),
        "alive": pa.array(mean_importance > ALIVE),
        "density": pa.array(firings / int(result.tokens.sum())),
        "mean_importance": pa.array(mean_importance),
        "mean_activation": pa.array(result.activation.numpy() / np.maximum(firings, 1)),
        "norm": pa.array(norm.astype(np.float64)),
    }
    total_density = np.maximum(density.sum(1), 1e-30)
    for d, domain in enumerate(result.domains):
        columns[f"importance_{domain}"] = pa.array(importance[:, d])
        columns[f"density_{domain}"] = pa.array(density[:, d])
        columns[f"share_{domain}"] = pa.array(density[:, d] / total_density)
    for side, counts, total in (
        ("input", result.inputs, result.input_total),
        ("output", result.outputs, result.output_total),
    ):
        for kind in ("recall", "pmi"):
            columns[f"{side}_{kind}"] = _token_tables(counts, total, kind, decode, config)
    return pa.table(columns)


def _token_tables(
    counts: Tensor, total: Tensor, kind: str, decode: Callable[[int], str], config: HarvestConfig
) -> pa.Array:
    ids, values = top_tokens(counts, total, kind, config.table, config.least_count)
    rows = [
        [
            {"token": decode(int(t)), "value": float(v), "count": int(counts[c, t])}
            for t, v in zip(ids[c], values[c], strict=True)
            if np.isfinite(v)
        ]
        for c in range(len(ids))
    ]
    return pa.array(rows, type=TOKEN_TABLE)


def example_table(result: Harvest, names: Sequence[str], blocks: Blocks, decode: Callable[[int], str]) -> pa.Table:
    """A row an activating window, in the random order of the reservoir."""
    positions = blocks.tokens.shape[1]
    half = result.window_importance.shape[-1] // 2
    rows: dict[str, list] = {
        k: [] for k in ("subcomponent", "rank", "domain", "position", "tokens", "importance", "activation")
    }
    priority, place = result.priority.numpy(), result.place.numpy()
    importance, activation = result.window_importance.numpy(), result.window_activation.numpy()
    for c, name in enumerate(names):
        for rank in range(len(priority)):
            if priority[rank, c] > 1:
                break
            block, at = divmod(int(place[rank, c]), positions)
            inside = np.isfinite(importance[rank, c])
            begin = max(0, at - half)
            rows["subcomponent"].append(name)
            rows["rank"].append(rank)
            rows["domain"].append(str(blocks.domain[block]))
            rows["position"].append(at - begin)
            rows["tokens"].append([decode(int(t)) for t in blocks.tokens[block, begin : at + half + 1]])
            rows["importance"].append(importance[rank, c][inside].tolist())
            rows["activation"].append(activation[rank, c][inside].tolist())
    types = {
        "subcomponent": pa.string(), "rank": pa.int32(), "domain": pa.string(), "position": pa.int32(),
        "tokens": pa.list_(pa.string()), "importance": pa.list_(pa.float32()), "activation": pa.list_(pa.float32()),
    }  # fmt: skip
    return pa.table({k: pa.array(v, type=types[k]) for k, v in rows.items()})

"""The harvest as tables: statistics a subcomponent, activating windows, sampled blocks (``docs/contracts.md``)."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from torch import Tensor

from prefactor.config.harvest import HarvestConfig
from prefactor.corpus.blocks import Blocks
from prefactor.harvest.collect import Harvest, example_rows
from prefactor.harvest.firings import Sample, together
from prefactor.harvest.pairs import Pairs, top_tokens
from prefactor.harvest.reservoir import Reservoir
from prefactor.vpd.battery import ALIVE
from prefactor.vpd.components import DecomposedModel

TOKEN_TABLE = pa.list_(pa.struct([("token", pa.string()), ("value", pa.float64()), ("count", pa.int64())]))
TOGETHER = pa.list_(pa.struct([("subcomponent", pa.string()), ("value", pa.float64()), ("count", pa.int64())]))


def subcomponent_table(
    result: Harvest, model: DecomposedModel, decode: Callable[[int], str], config: HarvestConfig
) -> pa.Table:
    """A row a subcomponent, dead ones included. ``decode`` turns a token id into its text."""
    sums = result.sums
    importance, activation = result.importance.numpy(), result.activation.numpy()
    density = (sums.firings / sums.tokens).numpy()
    mean_importance = result.mean_importance.numpy()
    norm = np.concatenate(
        [(u.norm(dim=1) * v.norm(dim=1)).detach().cpu().numpy() for u, v in zip(model.U, model.V, strict=True)]
    )
    columns: dict[str, pa.Array] = {
        "subcomponent": pa.array(model.names),
        "module": pa.array([site.name for site in model.sites for _ in range(site.count)]),
        "index": pa.array([i for site in model.sites for i in range(site.count)]),
        "alive": pa.array(mean_importance > ALIVE),
        "density": pa.array(sums.firings.sum(1).numpy() / int(sums.tokens.sum())),
        "mean_importance": pa.array(mean_importance),
        "mean_activation": pa.array(result.mean_activation.numpy()),
        "norm": pa.array(norm.astype(np.float64)),
    }
    total_density = np.maximum(density.sum(1), 1e-30)
    for d, domain in enumerate(result.domains):
        columns[f"importance_{domain}"] = pa.array(importance[:, d])
        columns[f"density_{domain}"] = pa.array(density[:, d])
        columns[f"share_{domain}"] = pa.array(density[:, d] / total_density)
        columns[f"activation_{domain}"] = pa.array(activation[:, d])
    for side, pairs, total in (
        ("input", result.inputs, sums.input_total),
        ("output", result.outputs, sums.output_total),
    ):
        for kind in ("recall", "pmi"):
            columns[f"{side}_{kind}"] = _token_tables(pairs, total, kind, decode, config)
    columns["together"] = _together(result.sample, model.names, config.table)
    return pa.table(columns)


def _together(sample: Sample, names: Sequence[str], k: int) -> pa.Array:
    others, values, counts = together(sample, k)
    rows = [
        [
            {"subcomponent": names[j], "value": float(v), "count": int(n)}
            for j, v, n in zip(others[c], values[c], counts[c], strict=True)
            if n > 0
        ]
        for c in range(len(names))
    ]
    return pa.array(rows, type=TOGETHER)


def _token_tables(
    pairs: Pairs, total: Tensor, kind: str, decode: Callable[[int], str], config: HarvestConfig
) -> pa.Array:
    ids, values, counts = top_tokens(pairs, total, kind, config.table, config.least_count)
    rows = [
        [
            {"token": decode(int(t)), "value": float(v), "count": int(n)}
            for t, v, n in zip(ids[c], values[c], counts[c], strict=True)
            if np.isfinite(v)
        ]
        for c in range(len(ids))
    ]
    return pa.array(rows, type=TOKEN_TABLE)


def example_table(kept: Reservoir, names: Sequence[str], blocks: Blocks, decode: Callable[[int], str]) -> pa.Table:
    """A row an activating window of ``blocks``, in the random order of the reservoir."""
    positions = blocks.tokens.shape[1]
    half = (kept.kept["importance"].shape[-1] - 1) // 2
    rows: dict[str, list] = {
        k: [] for k in ("subcomponent", "rank", "domain", "position", "tokens", "importance", "activation")
    }
    for c, rank, place, importance, activation in example_rows(kept):
        block, at = divmod(place, positions)
        inside = np.isfinite(importance)
        begin = max(0, at - half)
        rows["subcomponent"].append(names[c])
        rows["rank"].append(rank)
        rows["domain"].append(str(blocks.domain[block]))
        rows["position"].append(at - begin)
        rows["tokens"].append([decode(int(t)) for t in blocks.tokens[block, begin : at + half + 1]])
        rows["importance"].append(importance[inside].tolist())
        rows["activation"].append(activation[inside].tolist())
    types = {
        "subcomponent": pa.string(), "rank": pa.int32(), "domain": pa.string(), "position": pa.int32(),
        "tokens": pa.list_(pa.string()), "importance": pa.list_(pa.float32()), "activation": pa.list_(pa.float32()),
    }  # fmt: skip
    return pa.table({k: pa.array(v, type=types[k]) for k, v in rows.items()})


def sample_table(result: Harvest, blocks: Blocks, decode: Callable[[int], str]) -> pa.Table:
    """A row a sampled block: its tokens, and which of the C subcomponents fire at each (bits, position by position)."""
    sample = result.sample
    return pa.table(
        {
            "domain": pa.array([str(blocks.domain[b]) for b in sample.blocks]),
            "tokens": pa.array([[decode(int(t)) for t in blocks.tokens[b]] for b in sample.blocks]),
            "fires": pa.array([bits.numpy().tobytes() for bits in sample.bits], type=pa.binary()),
        }
    )

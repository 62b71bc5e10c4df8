"""One pass over text that gathers, for every subcomponent, when it is needed and on what.

Nothing grows with the number of tokens: sums, a count a (subcomponent, token), and a fixed number of example windows
drawn by reservoir. Each firing's place in the reservoir is decided by a random priority that depends on (seed, block)
alone, so the result is the same under any batching, and on any number of processes, up to the rounding of the sums.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prefactor.components import DecomposedModel
from prefactor.config.harvest import HarvestConfig
from prefactor.corpus.blocks import Blocks
from prefactor.flops import flops_of
from prefactor.importance_net import ImportanceNet, lower_leaky
from prefactor.ledger import Cost
from prefactor.progress import track
from prefactor.ranks import ALONE, Ranks
from prefactor.runtime import generator


@dataclass
class Harvest:
    """What one pass gathers. C subcomponents, D domains, E examples, W = 2 · either_side + 1 window positions."""

    domains: list[str]
    tokens: Tensor  # (D,) tokens read
    importance: Tensor  # (C, D) sum of g
    firings: Tensor  # (C, D) positions with g above the threshold
    activation: Tensor  # (C,) sum of the subcomponent activation where it fires
    inputs: Tensor  # (C, vocabulary) firings by token at the position
    outputs: Tensor  # (C, vocabulary) firings by the target's most likely next token there
    input_total: Tensor  # (vocabulary,)
    output_total: Tensor  # (vocabulary,)
    priority: Tensor  # (E, C) priorities of the kept examples; 2 where there is none
    place: Tensor  # (E, C) block · positions + position of the firing token
    window_importance: Tensor  # (E, C, W) g around the firing token; NaN past the block's ends
    window_activation: Tensor  # (E, C, W)


@torch.no_grad()
def harvest(
    model: DecomposedModel, net: ImportanceNet, blocks: Blocks, config: HarvestConfig, cost: Cost, ranks: Ranks = ALONE
) -> Harvest:
    """Read ``blocks`` once through target and importance net; of several processes each reads its share of batches."""
    device = next(net.parameters()).device
    vocabulary = model.target.get_input_embeddings().weight.shape[0]
    C, E, W = model.subcomponents, config.examples, 2 * config.either_side + 1
    domains = blocks.domains
    D = len(domains)
    domain_of = torch.tensor([domains.index(str(d)) for d in blocks.domain])
    norms = torch.cat([u.norm(dim=1) for u in model.U])
    result = Harvest(
        domains, torch.zeros(D, dtype=torch.long), torch.zeros(C, D, dtype=torch.float64),
        torch.zeros(C, D, dtype=torch.float64), torch.zeros(C, dtype=torch.float64),
        torch.zeros(C, vocabulary), torch.zeros(C, vocabulary),
        torch.zeros(vocabulary, dtype=torch.long), torch.zeros(vocabulary, dtype=torch.long),
        torch.full((E, C), 2.0), torch.zeros((E, C), dtype=torch.long),
        torch.full((E, C, W), torch.nan), torch.full((E, C, W), torch.nan),
    )  # fmt: skip
    for field, value in vars(result).items():
        if isinstance(value, Tensor):
            setattr(result, field, value.to(device))
    starts = range(0, len(blocks), config.batch)
    sample = torch.from_numpy(blocks.tokens[:1]).long().to(device)
    flops = flops_of(lambda: _read(model, net, norms, sample))
    cost.add(blocks.tokens.size, flops * len(blocks))
    mine = starts[ranks.rank :: ranks.count]
    for start in track(mine, len(mine), "harvest") if ranks.main else mine:
        tokens = torch.from_numpy(blocks.tokens[start : start + config.batch]).long().to(device)
        logits, g, activation = _read(model, net, norms, tokens)
        fires = g > config.threshold
        where = domain_of[start : start + config.batch].to(device)
        _add_sums(result, tokens, logits.argmax(-1), g, activation, fires, where)
        _keep_examples(result, g, activation, fires, start, config)
    _join(result, ranks)
    for field, value in vars(result).items():
        if isinstance(value, Tensor):
            setattr(result, field, value.cpu())
    return result


def _read(model: DecomposedModel, net: ImportanceNet, norms: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (batch, position, vocabulary), importances and subcomponent activations (batch, position, C)."""
    logits, inputs = model.observe(tokens)
    return logits, lower_leaky(net(inputs)), model.inner_activations(inputs) * norms


def _add_sums(
    result: Harvest, tokens: Tensor, predicted: Tensor, g: Tensor, activation: Tensor, fires: Tensor, domain: Tensor
) -> None:
    one_hot = torch.nn.functional.one_hot(domain, len(result.domains)).double()  # (batch, D)
    fired = fires.float()
    result.tokens += (one_hot.sum(0) * tokens.shape[1]).long()
    result.importance += g.double().sum(1).T @ one_hot
    result.firings += fired.sum(1).double().T @ one_hot
    result.activation += (activation * fired).double().sum((0, 1))
    vocabulary = result.input_total.shape[0]
    flat = fired.flatten(0, 1).T.contiguous()  # (C, batch · position)
    # One count a firing: float32 counts stay exact up to 2^24 firings of one subcomponent on one token.
    result.inputs.index_add_(1, tokens.flatten(), flat)
    result.outputs.index_add_(1, predicted.flatten(), flat)
    result.input_total += torch.bincount(tokens.flatten(), minlength=vocabulary)
    result.output_total += torch.bincount(predicted.flatten(), minlength=vocabulary)


def _keep_examples(
    result: Harvest, g: Tensor, activation: Tensor, fires: Tensor, start: int, config: HarvestConfig
) -> None:
    """Merge the firings of a batch into the reservoir: the E lowest priorities of each subcomponent stay."""
    batch, positions, C = g.shape
    draws = [torch.rand(positions, C, generator=generator(config.seed, start + b)) for b in range(batch)]
    priority = torch.where(fires, torch.stack(draws).to(g.device), 2.0).flatten(0, 1)
    E = min(config.examples, len(priority))
    low, chosen = priority.topk(E, dim=0, largest=False)  # (E, C)
    block, position = chosen // positions, chosen % positions
    column = torch.arange(C, device=g.device)
    offsets = torch.arange(-config.either_side, config.either_side + 1, device=g.device)
    around = position[..., None] + offsets  # (E, C, W)
    inside = (around >= 0) & (around < positions)
    index = (block[..., None], around.clamp(0, positions - 1), column[None, :, None])
    nothing = torch.tensor(torch.nan, device=g.device)
    new = {
        "priority": low,
        "place": chosen + start * positions,
        "window_importance": torch.where(inside, g[index], nothing),
        "window_activation": torch.where(inside, activation[index], nothing),
    }
    _keep_lowest(result, {name: torch.cat([getattr(result, name), found]) for name, found in new.items()})


def _keep_lowest(result: Harvest, candidates: dict[str, Tensor]) -> None:
    """Of ``candidates`` (n, C) or (n, C, W), by field, each subcomponent's E of lowest priority become its examples."""
    order = candidates["priority"].topk(len(result.priority), dim=0, largest=False).indices
    for field, found in candidates.items():
        index = order if found.ndim == 2 else order[..., None].expand(-1, -1, found.shape[-1])
        setattr(result, field, found.gather(0, index))


def _join(result: Harvest, ranks: Ranks) -> None:
    """Make one harvest of those of several processes."""
    if ranks.count == 1:
        return
    examples = ("priority", "place", "window_importance", "window_activation")
    _keep_lowest(result, {name: ranks.gather(getattr(result, name)) for name in examples})
    for field, value in vars(result).items():
        if isinstance(value, Tensor) and field not in examples:
            setattr(result, field, ranks.total(value))


def top_tokens(counts: Tensor, total: Tensor, kind: str, k: int, least: int) -> tuple[np.ndarray, np.ndarray]:
    """The k best tokens of each subcomponent and their values, (C, k) each; value -inf where there are fewer.

    ``recall``: share of the token's occurrences at which the subcomponent fires.
    ``pmi``: ``ln P(token | fires) / P(token)``.
    """
    frequency = total.double().clamp(min=1)
    if kind == "recall":
        value = counts.double() / frequency
    else:
        given = counts.double() / counts.double().sum(1, keepdim=True).clamp(min=1)
        value = (given / (frequency / total.sum())).clamp(min=1e-30).log()
    value = torch.where(counts >= least, value, -torch.inf)
    # Break ties by token id: add nothing, sort stably.
    best = value.sort(dim=1, descending=True, stable=True)
    return best.indices[:, :k].numpy(), best.values[:, :k].numpy()

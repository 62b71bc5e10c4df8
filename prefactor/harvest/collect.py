"""One pass over text that gathers, for every subcomponent, when it is needed and on what.

Little grows with the number of tokens: sums, a fixed number of example windows, and the firings on a fixed number of
sampled tokens do not, and a count a (token, subcomponent) is held of such pairs alone as occur. What is summed is
rounded to a fixed point first, so that sums are exact and come out the same in any order: equal results under any
batching, on any number of processes and after a kill, as long as the forward passes themselves do not depend on the
batch (on the CPUs tried they do not).

Most subcomponents are not needed at most tokens, so that only what is above zero is looked at after the forward pass.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prefactor.config.harvest import HarvestConfig
from prefactor.corpus.blocks import Blocks
from prefactor.files.checkpoint import Checkpoint
from prefactor.files.cost import Cost
from prefactor.harvest.firings import Sample
from prefactor.harvest.pairs import Pairs
from prefactor.harvest.reservoir import Reservoir
from prefactor.machine.exact import exact, exact_device
from prefactor.machine.flops import flops_of
from prefactor.machine.processes import ALONE, Processes
from prefactor.machine.progress import track
from prefactor.model.at_once import blocks_at_once, vocabulary_of
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet

IMPORTANCE_UNIT = 2.0**24  # importance is summed in parts of this size: exact up to 2^29 tokens
ACTIVATION_UNIT = 2.0**20  # so is the subcomponent activation, up to a sum of 2^33
SAVE_EVERY = 60.0  # seconds between checkpoints, or
SAVING = 20.0  # ... so many times what the last one took


@dataclass
class Sums:
    """What is added up. C subcomponents, D domains."""

    tokens: Tensor  # (D,) tokens read
    importance: Tensor  # (C, D) sum of g · 2^24
    firings: Tensor  # (C, D) positions with g above the threshold
    activation: Tensor  # (C, D) sum of the subcomponent activation where it fires, · 2^20
    input_total: Tensor  # (vocabulary,)
    output_total: Tensor  # (vocabulary,)

    @classmethod
    def zero(cls, subcomponents: int, domains: int, vocabulary: int, device: torch.device) -> "Sums":
        by_domain, whole, real = (subcomponents, domains), torch.int64, torch.float64
        sizes = [(domains,), by_domain, by_domain, by_domain, (vocabulary,), (vocabulary,)]
        kinds = [whole, real, whole, real, whole, whole]
        lies = {kind: exact_device(device) if kind == real else device for kind in kinds}
        return cls(*(torch.zeros(s, dtype=k, device=lies[k]) for s, k in zip(sizes, kinds, strict=True)))


@dataclass
class Harvest:
    """What one pass gathers."""

    domains: list[str]
    sums: Sums
    inputs: Pairs  # firings by token at the position
    outputs: Pairs  # ... by the target's most likely next token there
    examples: Reservoir
    held_out: Reservoir  # of text that nothing else here has seen: labels are scored on it
    sample: Sample

    @property
    def reservoirs(self) -> tuple[Reservoir, Reservoir]:
        return self.examples, self.held_out

    @property
    def pairs(self) -> dict[str, Pairs]:
        return {"inputs": self.inputs, "outputs": self.outputs}

    @property
    def importance(self) -> Tensor:
        """Mean g by domain, (C, D)."""
        return self.sums.importance / IMPORTANCE_UNIT / self.sums.tokens

    @property
    def mean_importance(self) -> Tensor:
        """Mean g over all tokens, (C,)."""
        return self.sums.importance.sum(1) / IMPORTANCE_UNIT / self.sums.tokens.sum()

    @property
    def activation(self) -> Tensor:
        """Mean subcomponent activation over the firings in each domain, (C, D); 0 where there are none."""
        return self.sums.activation / ACTIVATION_UNIT / self.sums.firings.clamp(min=1)

    @property
    def mean_activation(self) -> Tensor:
        """... over all firings, (C,)."""
        return self.sums.activation.sum(1) / ACTIVATION_UNIT / self.sums.firings.sum(1).clamp(min=1)


@torch.no_grad()
def harvest(
    model: DecomposedModel, net: ImportanceNet, blocks: Blocks, config: HarvestConfig, cost: Cost,
    processes: Processes = ALONE, checkpoint: Checkpoint | None = None, held_out: Blocks | None = None,
) -> Harvest:  # fmt: skip
    """Read ``blocks`` once through target and importance net; of several processes each reads its share of batches.

    With a ``checkpoint`` (one a process) a run that was killed goes on where its last one was written.

    Args:
        held_out: other text, read after it; it gives windows and enters no sum, so that no label rests on it.
    """
    device = next(net.parameters()).device
    C, window = model.subcomponents, 2 * config.either_side + 1
    positions = blocks.tokens.shape[1]
    vocabulary, batch = vocabulary_of(model.target), blocks_at_once(model.target, positions, config.batch)
    domains = blocks.domains
    domain_of = torch.tensor([domains.index(str(d)) for d in blocks.domain])
    gathered = Harvest(
        domains, Sums.zero(C, len(domains), vocabulary, device), Pairs(C, device), Pairs(C, device),
        Reservoir(C, config.shown, window, device), Reservoir(C, config.scored, window, device),
        Sample.of(len(blocks), positions, config.sample_tokens, C),
    )  # fmt: skip
    reader = _Reader(model, net)
    flops = flops_of(lambda: reader.read(torch.from_numpy(blocks.tokens[:1]).long().to(device)))
    texts = [(blocks, False)] + ([] if held_out is None else [(held_out, True)])
    batches = [(text, held, start) for text, held in texts for start in range(0, len(text), batch)]
    mine = batches[processes.rank :: processes.count]
    done = 0
    if checkpoint and (saved := checkpoint.load()):
        done = _resume(gathered, saved, cost)
    left, saved_at, saving = mine[done:], time.monotonic(), 0.0
    for text, held, start in track(left, len(mine), "harvest", done=done) if processes.main else left:
        tokens = torch.from_numpy(text.tokens[start : start + batch]).long().to(device)
        if held:
            _hold_out(gathered.held_out, reader, tokens, start, config)
        else:
            _add(gathered, reader, tokens, domain_of[start : start + batch].to(device), start, config)
        done += 1
        if checkpoint and time.monotonic() - saved_at > max(SAVE_EVERY, SAVING * saving):
            begin = time.monotonic()
            checkpoint.save(_state(gathered, done, cost))
            saved_at = time.monotonic()
            saving = saved_at - begin
    read = len(blocks) + (0 if held_out is None else len(held_out))
    cost.add(read * positions, flops * read)
    for reservoir in gathered.reservoirs:
        reservoir.merge()
    if processes.count > 1:
        _join(gathered, processes, device)
    for field, value in vars(gathered.sums).items():
        setattr(gathered.sums, field, value.cpu())
    for pairs in gathered.pairs.values():
        pairs.cpu()
    for reservoir in gathered.reservoirs:
        reservoir.kept = {field: value.cpu() for field, value in reservoir.kept.items()}
    return gathered


class _Reader:
    """The forward passes, and the subcomponent activations ``‖u_c‖ v_c^T x`` in one matrix product a matrix."""

    def __init__(self, model: DecomposedModel, net: ImportanceNet):
        self.model, self.net = model, net
        self.scaled = [
            (v * u.norm(dim=1, keepdim=True)).detach().T for u, v in zip(model.U, model.V, strict=True)
        ]  # (d_in, C) of each matrix
        # Written anew for each batch: fresh memory would cost as much as what is written there.
        self.met = torch.empty(0)
        self.found = np.empty(0, dtype=bool)

    def read(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (batch, position, vocabulary), the net's logits z and the activations (batch · position, C)."""
        logits, inputs = self.model.observe(tokens)
        z = self.net(inputs).flatten(0, 1)
        if self.met.shape != z.shape:
            self.met = torch.empty_like(z)
        for site, reads, scaled in zip(self.model.sites, self.model.input_of, self.scaled, strict=True):
            torch.mm(inputs[reads].flatten(0, 1), scaled, out=self.met[:, site.columns])
        return logits, z, self.met

    def above(self, z: Tensor, bound: float) -> Tensor:
        """The flat indices of what is above ``bound``; numpy finds them in half of torch's time on a CPU."""
        if z.device.type != "cpu":
            return (z.flatten() > bound).nonzero()[:, 0]
        if self.found.shape != z.shape:
            self.found = np.empty(z.shape, dtype=bool)
        return torch.from_numpy(np.flatnonzero(np.greater(z.numpy(), bound, out=self.found)))


def _add(gathered: Harvest, reader: _Reader, tokens: Tensor, domain: Tensor, start: int, config: HarvestConfig) -> None:
    """Add a batch ``tokens`` (batch, position), whose first block is number ``start``."""
    logits, z, activation = reader.read(tokens)
    sums, (batch, positions), (_, C) = gathered.sums, tokens.shape, z.shape
    D = len(gathered.domains)
    needed = reader.above(z, 0.0)  # flat indices, each a (row, subcomponent)
    row = needed // C
    c = needed - row * C
    g = z.flatten().index_select(0, needed).clamp_(max=1)
    fires = g > config.threshold  # most do; the others are carried along, which costs less than to sort them out
    domain = domain.repeat_interleave(positions)  # of each row
    place = domain.index_select(0, row).add_(c, alpha=D)
    sums.importance.view(-1).index_add_(0, place.to(sums.importance.device), exact(g).mul_(IMPORTANCE_UNIT).round_())
    sums.firings.view(-1).index_add_(0, place, fires.long())
    met = exact(activation.flatten().index_select(0, needed)).mul_(ACTIVATION_UNIT).round_()
    sums.activation.view(-1).index_add_(0, place.to(met.device), met.mul_(fires.to(met.device)))
    read, predicted = tokens.flatten(), _most_likely(logits).flatten()
    firing = fires.nonzero()[:, 0]
    at, by = row.index_select(0, firing), c.index_select(0, firing)
    for pairs, total, ids in (
        (gathered.inputs, sums.input_total, read), (gathered.outputs, sums.output_total, predicted)
    ):  # fmt: skip
        pairs.add(ids.index_select(0, at), by)
        total.index_add_(0, ids, torch.ones_like(ids))
    sums.tokens.index_add_(0, domain, torch.ones_like(domain))

    _offer(gathered.examples, z, activation, (fires, row, c), start, positions, config)
    if gathered.sample.holds(start, batch):
        gathered.sample.note(start, (z > config.threshold).view(batch, positions, C))


def _hold_out(held_out: Reservoir, reader: _Reader, tokens: Tensor, start: int, config: HarvestConfig) -> None:
    """Keep windows of a batch of held-out ``tokens`` (batch, position), and nothing else of it."""
    _, z, activation = reader.read(tokens)
    row, c = (z > config.threshold).nonzero().unbind(1)
    fires = torch.ones_like(row, dtype=torch.bool)
    _offer(held_out, z, activation, (fires, row, c), start, tokens.shape[1], config)


def _offer(
    examples: Reservoir, z: Tensor, activation: Tensor, needed: tuple[Tensor, Tensor, Tensor], start: int,
    positions: int, config: HarvestConfig,
) -> None:  # fmt: skip
    """Offer the firings of a batch of rows ``z``, ``activation`` (batch · position, C), with what is around them.

    Args:
        needed: of some (row, subcomponent) whether it fires there, its row and its subcomponent, (n,) each.
        start: the number of the batch's first block.
    """
    (fires, row, c), C = needed, z.shape[1]
    side = torch.arange(-config.either_side, config.either_side + 1, device=z.device)

    def window(which: Tensor) -> tuple[Tensor, Tensor]:
        at = row[which] % positions
        around = at[:, None] + side
        outside = (around < 0) | (around >= positions)
        flat = ((row[which] - at)[:, None] + around.clamp(0, positions - 1)) * C + c[which, None]
        importance, met = (part.flatten()[flat] for part in (z, activation))
        return importance.clamp(0, 1).masked_fill(outside, torch.nan), met.masked_fill(outside, torch.nan)

    examples.offer(fires, c, start * positions + row, config.seed, window)


def _most_likely(logits: Tensor) -> Tensor:
    """The token with the largest logit, the first of equals; on a CPU numpy takes a tenth of torch's time."""
    return torch.from_numpy(logits.numpy().argmax(-1)) if logits.device.type == "cpu" else logits.argmax(-1)


def _state(gathered: Harvest, done: int, cost: Cost) -> dict[str, Tensor]:
    sums = {f"sums.{field}": value for field, value in vars(gathered.sums).items()}
    pairs = {f"{side}.{k}": value for side, own in gathered.pairs.items() for k, value in own.state().items()}
    progress = torch.tensor([done, cost.spent()], dtype=torch.float64)
    held_out = {f"held_out.{field}": value for field, value in gathered.held_out.state().items()}
    rest = {"sample.bits": gathered.sample.bits, "progress": progress}
    return sums | pairs | gathered.examples.state() | held_out | rest


def _resume(gathered: Harvest, saved: dict[str, Tensor], cost: Cost) -> int:
    """Take over ``saved``; returns how many batches it has."""
    for field, value in vars(gathered.sums).items():
        value.copy_(saved[f"sums.{field}"])
    for side, pairs in gathered.pairs.items():
        pairs.resume({k: saved[f"{side}.{k}"] for k in pairs.state()})
    gathered.examples.resume(saved)
    held_out = {name: value for name, value in saved.items() if name.startswith("held_out.")}
    gathered.held_out.resume({name.removeprefix("held_out."): value for name, value in held_out.items()})
    gathered.sample.bits.copy_(saved["sample.bits"])
    done, seconds = saved["progress"].tolist()
    cost.resume(seconds, 0, 0.0)
    return int(done)


def _join(gathered: Harvest, processes: Processes, device: torch.device) -> None:
    """Make one harvest of those of several processes."""
    for field, value in vars(gathered.sums).items():
        setattr(gathered.sums, field, processes.total(value))
    for pairs in gathered.pairs.values():
        pairs.join(processes)
    gathered.sample.bits = processes.total(gathered.sample.bits.to(device)).cpu()
    for examples in gathered.reservoirs:
        _join_examples(examples, processes, device)


def _join_examples(examples: Reservoir, processes: Processes, device: torch.device) -> None:
    # Shares must be equally long to be gathered; what is filled in has a priority that no firing has.
    longest = int(processes.gather(torch.tensor([len(examples.kept["key"])], device=device)).max())
    padded = {}
    for field, value in examples.kept.items():
        filler = value.new_full((longest - len(value), *value.shape[1:]), -1 if field == "key" else 0)
        padded[field] = processes.gather(torch.cat([value, filler]))
    real = padded["key"] >= 0
    examples.pending = [{field: value[real] for field, value in padded.items()}]
    examples.kept = {field: value[:0] for field, value in examples.kept.items()}
    examples.merge()


def example_rows(examples: Reservoir) -> Iterator[tuple[int, int, int, np.ndarray, np.ndarray]]:
    """Subcomponent, rank, place, importance and activation (W,) of each example; NaN past the block's ends."""
    rank, before = 0, -1
    arrays = (examples.subcomponent, *(examples.kept[field] for field in ("place", "importance", "activation")))
    for c, place, importance, activation in zip(*(array.numpy() for array in arrays), strict=True):
        rank = rank + 1 if c == before else 0
        before = c
        yield int(c), rank, int(place), importance, activation

"""How good is a decomposition? The battery of masks that design and paper report together, never one alone.

Low KL with high L0 is no simplification; low L0 with high KL is no decomposition.
"""

import re
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from prefactor.machine.exact import exact
from prefactor.machine.progress import track
from prefactor.machine.runtime import generator
from prefactor.model.at_once import blocks_at_once, few
from prefactor.model.head import Head, head_of
from prefactor.model.matrices import weight_of
from prefactor.model.target import next_token_ce
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet, lower_leaky
from prefactor.vpd.losses import token_kl

ALIVE = 1e-6  # mean importance above which a subcomponent counts as alive
PGD_STEP = 0.1

MASKS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    # each from importances g (batch, position, C) and a uniform source r of the same shape
    "unmasked": lambda g, r: torch.ones_like(g),
    "stochastic": lambda g, r: g + (1 - g) * r,
    "importance": lambda g, r: g,
    "rounded_0": lambda g, r: (g > 0).float(),
    "rounded_0.1": lambda g, r: (g > 0.1).float(),
    "rounded_0.5": lambda g, r: (g > 0.5).float(),
    "random": lambda g, r: r,
    "zero": lambda g, r: torch.zeros_like(g),
}


@torch.no_grad()
def battery(
    model: DecomposedModel, net: ImportanceNet, tokens: np.ndarray, seed: int, batch: int = 16, pinned: bool = False
) -> dict:
    """KL to the target and next-token CE (nats a token) under every mask, L0, alive count, ``‖Δ‖`` and its share.

    Δ is masked by a uniform source under ``stochastic`` and ablated under every other mask.

    Args:
        tokens: (n, position) held-out blocks.
        pinned: Δ is never ablated, as on the other stream of a targeted decomposition.
    """
    kl = dict.fromkeys(MASKS, 0.0)
    ce = dict.fromkeys(["target", *MASKS], 0.0)
    l0 = {"0": 0.0, "0.01": 0.0, "0.1": 0.0}
    mean_g = torch.zeros(model.subcomponents, dtype=torch.float64)
    for number, (part, states, logits, g) in enumerate(_importances(model, net, tokens, batch)):
        rng = generator(seed, number)
        logp = F.log_softmax(logits, dim=-1)
        r = torch.rand(g.shape, generator=rng).to(g.device)
        rho = torch.rand(*g.shape[:2], len(model.sites), generator=rng).to(g.device)
        ce["target"] += exact(next_token_ce(logits[:, :-1], part)).sum().item()
        for name, mask in MASKS.items():
            delta = torch.ones_like(rho) if pinned else rho if name == "stochastic" else torch.zeros_like(rho)
            out = model.masked(part, mask(g, r), delta, states=states)
            kl[name] += exact(token_kl(logp, out)).sum().item()
            ce[name] += exact(next_token_ce(out[:, :-1], part)).sum().item()
        for threshold in l0:
            l0[threshold] += (g > float(threshold)).sum().item()
        mean_g += exact(g).sum(dim=(0, 1)).cpu()
    delta = sum(exact(d).square().sum() for d in model.deltas())
    positions = tokens.size
    labels = len(tokens) * (tokens.shape[1] - 1)
    return {
        "kl": {name: value / positions for name, value in kl.items()},
        "ce": {name: value / labels for name, value in ce.items()},
        "l0": {threshold: value / positions for threshold, value in l0.items()},
        "alive": int((mean_g / positions > ALIVE).sum()),
        "subcomponents": model.subcomponents,
        "delta_norm": float(delta**0.5),
        "delta_share": float(delta / sum(exact(weight_of(site.module)).square().sum() for site in model.sites)),
    }


@torch.no_grad()
def l0_by_depth(
    model: DecomposedModel, net: ImportanceNet, tokens: np.ndarray, batch: int = 16
) -> Iterator[dict[str, str | int | float]]:
    """A row a ``layer`` and ``position``: ``l0``, how many of the layer's subcomponents have importance above 0 at that
    position, a mean over blocks of ``tokens`` (n, position). A matrix that is in no numbered layer is one by itself.
    """
    layers: dict[str, Tensor] = {}
    for _, _, _, g in _importances(model, net, tokens, batch):
        needed = exact(g > 0).sum(0)  # (position, C)
        for site in model.sites:
            numbered = re.match(r".*?\.\d+(?=\.)", site.name)
            layer, own = numbered[0] if numbered else site.name, needed[:, site.columns].sum(1)
            layers[layer] = own if layer not in layers else layers[layer] + own
    for layer, total in layers.items():
        for position, count in enumerate((total / len(tokens)).tolist()):
            yield {"layer": layer, "position": position, "l0": count}


def pgd_kl(
    model: DecomposedModel, net: ImportanceNet, tokens: np.ndarray, steps: tuple[int, ...], seed: int, batch: int = 16
) -> dict[str, float]:
    """KL (nats a token) against a fresh adversary: one source a subcomponent and a Δ, shared by all positions.

    The sources start uniform at random and climb the mean KL by sign steps of 0.1, clamped to [0, 1]. Returns, for each
    rung of ``steps``, the largest KL seen up to then (``{"pgd20": ...}``): an adversary never loses to its own start.
    """
    head, device = Head(model.target), model.U[0].device
    if not few(model.target, tokens.size):
        head = head_of(model.target, torch.from_numpy(tokens[:1]).long().to(device))
    parts = [
        (part, before, logits if head.body is None else _states(model, head, part, before), g)
        for part, before, logits, g in _importances(model, net, tokens, batch)
    ]
    sources = torch.rand(model.subcomponents + len(model.sites), generator=generator(seed, -7)).to(device)
    best, largest = 0.0, {}
    for step in track(range(max(steps) + 1), max(steps) + 1, "steps of the adversary"):
        leaf = sources.clone().requires_grad_(True)
        r, rho = leaf[: model.subcomponents], leaf[model.subcomponents :]
        total = 0.0
        for part, before, states, g in parts:
            with torch.no_grad():
                logp = F.log_softmax(head.logits(states), dim=-1)
            loss = token_kl(logp, model.masked(part, g + (1 - g) * r, rho.view(1, 1, -1), states=before)).sum()
            loss.backward(inputs=[leaf])
            total += loss.item()
        best = max(best, total / tokens.size)
        if step in steps:
            largest[f"pgd{step}"] = best
        assert leaf.grad is not None
        sources = (sources + PGD_STEP * leaf.grad.sign()).clamp(0, 1)
    return largest


@torch.no_grad()
def _states(model: DecomposedModel, head: Head, tokens: Tensor, before: Tensor) -> Tensor:
    """What the head reads, of ``tokens`` whose states before the first decomposed matrix are ``before``."""
    with model.prefix.given(before):
        return head.states(tokens)


@torch.no_grad()
def _importances(
    model: DecomposedModel, net: ImportanceNet, tokens: np.ndarray, batch: int
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Batches of tokens: with their states before the first decomposed matrix, the target's logits, the importances."""
    device = next(net.parameters()).device
    batch = blocks_at_once(model.target, tokens.shape[1], batch)
    starts = range(0, len(tokens), batch)
    for start in track(starts, len(starts), "quality battery"):
        part = torch.from_numpy(tokens[start : start + batch]).long().to(device)
        states = model.states(part)
        logits, inputs = model.observe(part, states)
        yield part, states, logits, lower_leaky(net(inputs))

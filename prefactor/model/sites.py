"""Which matrices can be decomposed and edited: those whose use in a forward pass is ``W x + b``, once at every token.

Masks, edits that are fitted and edits that are merged all rest on that. It is looked at, not assumed: a kernel may read
the weight and never call the module, a tower may wait for pictures, a layer may be run several times.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from prefactor.errors import PrefactorError
from prefactor.machine.runtime import generator
from prefactor.model.at_once import positions_at_once
from prefactor.model.change import Change, applied, attached
from prefactor.model.hooks import hooked
from prefactor.model.matrices import Matrix, matrices, shape_of, weight_of
from prefactor.model.target import logits_of

BLOCKS = 4  # of text that are looked at
CHANGED = 0.1  # norm of a trial change, as a share of the matrix's
ROUNDING = 1e-2  # what a merged and a fitted change may differ by, as a share of what they do
EXACT = 1e-4  # what an output may differ from W x + b by, as a share of it


@dataclass(frozen=True)
class Sites:
    """The matrices that can be decomposed, and why others cannot; both by name, in the target's order."""

    matrices: Mapping[str, Matrix]
    left_out: Mapping[str, str]


@torch.no_grad()
def sites(target: Any, pattern: str, tokens: Tensor, key: str = "decompose.modules") -> Sites:
    """The matrices of ``target`` whose names match ``pattern``, which stands in params under ``key``.

    Args:
        tokens: (n, position) some text, of which a few blocks are read.

    Raises:
        PrefactorError: no matrix matches, none that matches can be decomposed, or one is quantised.
    """
    positions = min(tokens.shape[1], max(2, positions_at_once(target, BLOCKS)))
    blocks = BLOCKS if positions != BLOCKS else BLOCKS - 1  # batch and position must not be taken for each other
    tokens = tokens[:blocks, :positions].long().to(next(target.parameters()).device)
    matching = matrices(target, pattern, key)
    left_out = _misused(target, matching, tokens)
    sound = [name for name in matching if name not in left_out]
    apart = "its weight is also used elsewhere, so that merged and fitted edits differ"
    left_out |= dict.fromkeys(_disagreeing(target, sound, tokens), apart)
    if len(left_out) == len(matching):
        name, why = next(iter(left_out.items()))
        raise PrefactorError(
            f"{key} = {pattern!r} matches no matrix that can be decomposed: of {name}, {why}"
            + (f" (and {len(matching) - 1} more)" if len(matching) > 1 else "")
        )
    return Sites(
        {name: matrix for name, matrix in matching.items() if name not in left_out},
        {name: left_out[name] for name in matching if name in left_out},
    )


def _misused(target: Any, modules: Mapping[str, Matrix], tokens: Tensor) -> dict[str, str]:
    """Why not, of the matrices that a forward pass does not call once, with every token, for ``W x + b``."""
    calls: dict[str, list[str | None]] = {name: [] for name in modules}  # what is wrong with each, None if nothing is

    def watch(name: str) -> Callable[..., None]:
        def hook(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            calls[name].append(_wrong(module, args, kwargs, output, tokens))

        return hook

    with hooked(modules, watch, with_kwargs=True):
        logits_of(target, tokens)
    reasons = {}
    for name, seen in calls.items():
        if not seen:
            reasons[name] = "its forward is never called on text"
        elif len(seen) > 1:
            reasons[name] = f"it is called {len(seen)} times in a forward pass"
        elif seen[0] is not None:
            reasons[name] = seen[0]
    return reasons


def _wrong(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any, tokens: Tensor) -> str | None:
    """What a call of ``module`` has that one of a matrix, for ``tokens`` (batch, position), has not."""
    if len(args) != 1 or kwargs or not isinstance(args[0], Tensor) or not isinstance(output, Tensor):
        return "it takes, or gives, something else than one tensor"
    x, d_in = args[0], shape_of(module)[1]
    places = [size for size in x.shape[:-1] if size != 1]
    if x.shape[-1] != d_in or places not in ([size for size in tokens.shape if size != 1], [tokens.numel()]):
        return "it does not read each token once, in order"
    expected = F.linear(x, weight_of(module), module.bias)
    if output.shape != expected.shape:
        return "its output is not W x + b"
    if (output - expected).float().norm() > EXACT * expected.float().norm() + 1e-6:
        return "its output is not W x + b"
    return None


def _disagreeing(target: Any, names: Sequence[str], tokens: Tensor) -> list[str]:
    """Of the matrices ``names``, those whose change does another thing in their weights than beside them."""
    if not names or _agree(target, names, tokens):
        return []
    if len(names) == 1:
        return list(names)
    half = len(names) // 2
    return _disagreeing(target, names[:half], tokens) + _disagreeing(target, names[half:], tokens)


def _agree(target: Any, names: Sequence[str], tokens: Tensor) -> bool:
    """Whether a trial change of the matrices ``names`` is one thing, merged and fitted.

    By the middle token: where tokens are routed, rounding alone sends some of them another way.
    """
    change = _trial(target, names)
    base = logits_of(target, tokens)
    with attached(target, change):
        beside = logits_of(target, tokens)
    with applied(target, change):
        merged = logits_of(target, tokens)
    apart = (merged - beside).float().norm(dim=-1)
    effect = (merged - base).float().norm(dim=-1)
    return bool((apart - ROUNDING * effect).median() <= 1e-5 * base.float().norm(dim=-1).median())


def _trial(target: Any, names: Sequence[str]) -> Change:
    """A random change of rank 1 of each of ``names``, of a tenth of the matrix's norm."""
    rng, change = generator(0, len(names)), {}
    found = dict(target.base_model.named_modules())
    for name in names:
        weight = weight_of(found[name])
        d_out, d_in = weight.shape
        a = F.normalize(torch.randn(1, d_in, generator=rng), dim=1)
        b = F.normalize(torch.randn(d_out, 1, generator=rng), dim=0) * (CHANGED * weight.float().norm().item())
        change[name] = (a.to(weight), b.to(weight))
    return change

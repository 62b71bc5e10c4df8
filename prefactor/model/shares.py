"""How much of a model is decomposed, and why the rest is not: every weight counts once."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from prefactor.model.cut import weights_cut
from prefactor.model.experts import ExpertMatrix
from prefactor.model.matrices import Matrix, all_matrices, weight_of
from prefactor.model.sites import Sites

DECOMPOSED = "decomposed"
BY_CHOICE = "left out by decompose.modules"
EMBEDDINGS = "embeddings and unembedding"
CONVOLUTIONS = "convolutions"
STACKED = "stacked matrices, stored in a way that is not known (experts, block-diagonal ones)"
OUTSIDE = "matrices outside the base model"
VECTORS = "norms, biases and other vectors"
OTHER = "matrices that are no nn.Linear or Conv1D (routers, state-space parameters)"


@dataclass(frozen=True)
class Share:
    """A part of a model's weights."""

    what: str  # DECOMPOSED, or the reason why not
    weights: int
    share: float  # of all weights
    names: tuple[str, ...]  # the modules, numbers of layers and experts written *; none of what is decomposed


def shares(target: Any, found: Sites) -> list[Share]:
    """What is decomposed of ``target`` first, then a row a reason, the largest first."""
    counts: dict[str, int] = {DECOMPOSED: 0}
    names: dict[str, dict[str, None]] = {}
    for what, name, weights in _parts(target, found):
        counts[what] = counts.get(what, 0) + weights
        if name:
            names.setdefault(what, {})[re.sub(r"\b\d+\b", "*", name)] = None
    total = sum(counts.values())
    order = sorted(counts, key=lambda what: (what != DECOMPOSED, -counts[what], what))
    return [
        Share(what, counts[what], counts[what] / total, () if what == DECOMPOSED else tuple(names[what]))
        for what in order
    ]


def _parts(target: Any, found: Sites) -> Iterator[tuple[str, str, int]]:
    """(what, module, number of weights) of every matrix, then of every other parameter of ``target``."""
    counted: set[int] = set()
    for name, matrix in all_matrices(target).items():
        expert = isinstance(matrix, ExpertMatrix)
        stored = getattr(matrix.experts, matrix.parameter) if expert else getattr(matrix, "weight", None)
        if not isinstance(stored, nn.Parameter) or (id(stored) in counted and not expert):
            continue
        counted.add(id(stored))
        what = DECOMPOSED if name in found.matrices else found.left_out.get(name, BY_CHOICE)
        yield what, name, weight_of(matrix).numel() if expert else stored.numel()
    for module_name, module in target.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) not in counted:
                counted.add(id(parameter))
                yield _kind(target, module, name, parameter), module_name, parameter.numel()
    if cut := weights_cut(target):
        yield EMBEDDINGS, "", cut


def _kind(target: Any, module: nn.Module, name: str, parameter: nn.Parameter) -> str:
    ends = (target.get_input_embeddings(), target.get_output_embeddings())
    if isinstance(module, nn.Embedding) or any(module is end for end in ends):
        return EMBEDDINGS
    if name.endswith("bias") or parameter.ndim <= 1 or parameter.numel() == max(parameter.shape):
        return VECTORS
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return CONVOLUTIONS
    if isinstance(module, Matrix):
        return OUTSIDE
    return STACKED if parameter.ndim == 3 else OTHER


def in_words(parts: list[Share]) -> str:
    """``parts`` for a terminal: a line for what is decomposed, and one a reason for the rest."""
    lines = [f"  {100 * parts[0].share:.1f} % of the target's weights are decomposed"]
    for part in parts[1:]:
        lines.append(f"  {100 * part.share:.1f} % are not: {part.what}")
        if part.what not in (EMBEDDINGS, VECTORS):
            lines[-1] += f": {', '.join(part.names)}"
    return "\n".join(lines)

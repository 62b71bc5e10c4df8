"""The guarded scalar: keep what a subcomponent writes, and have its *change* read a direction that spares other text.

``v' ∝ (Σ_0 + εI)^{-1} Σ_1 v`` with Σ_1, Σ_0 second moments of the matrix's input where the subcomponent is needed and
where it is not: of all rank-1 changes with this write direction and this response where needed, the one that acts least
elsewhere (the generalised least-squares direction; design.md section 4). Closed form, no training.

The first token of a block counts as spared, whatever its importance. Nothing stands before it, so it tells no text from
another; and pretrained models rest their attention on it, with inputs fifty times as large as others' (massive
activations, Sun et al. 2024, arXiv 2402.17762): as needed text it would be all of Σ_1, and all that a change acts on.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from prefactor.config.guard import GuardByDomain, GuardByImportance
from prefactor.errors import PrefactorError
from prefactor.machine.exact import exact, exact_device
from prefactor.model.matrices import shape_of
from prefactor.rescale.terms import Term
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet, lower_leaky

NOTHING = 1e-12  # of a second moment beside the other one: what rounding leaves of none
MOST_CONDITION = 1e14  # of the matrix that is inverted: beyond it, what comes out is rounding


def guarded_read(v: Tensor, needed: Tensor, spared: Tensor, ridge: float) -> Tensor:
    """The read direction (d_in,) of the change.

    Args:
        v: (d_in,) read direction of the subcomponent.
        needed: Σ_1 (d_in, d_in).
        spared: Σ_0 (d_in, d_in).
        ridge: ε as a share of the mean eigenvalue of Σ_0, as far as float64 can tell: from d_in · 1e-14 to 1e14.

    The scale keeps the response where the subcomponent is needed: ``v'^T Σ_1 v = v^T Σ_1 v``. Where it never is,
    nothing says what to keep, and where it always is there is nothing to spare: ``v`` itself is returned.

    Raises:
        PrefactorError: the moments are not finite, or no finite direction solves them.
    """
    d = len(v)
    v64, needed, spared = exact(v), exact(needed), exact(spared)
    aim = needed @ v64
    whole = needed.trace() + spared.trace()
    if not (torch.isfinite(whole) and torch.isfinite(aim).all() and torch.isfinite(spared).all()):
        raise PrefactorError("what it reads, or its importance, is not finite on the text that a guard looks at")
    if not aim.any() or min(needed.trace(), spared.trace()) <= NOTHING * whole:
        return v
    epsilon = min(max(ridge, d / MOST_CONDITION), MOST_CONDITION) * spared.trace() / d
    direction = torch.linalg.solve(spared + epsilon * torch.eye(d, dtype=torch.float64, device=spared.device), aim)
    read = (direction * (v64 @ aim) / (direction @ aim)).to(v)
    if not torch.isfinite(read).all():
        raise PrefactorError("no finite direction guards it")
    return read


def guarded_term(name: str, term: Term, moments: tuple[Tensor, Tensor], ridge: float) -> Term:
    """The term of the subcomponent ``name`` with a guarded read direction; ``term`` itself where there is none to find.

    Raises:
        PrefactorError: as :func:`guarded_read`, with the name.
    """
    try:
        read = guarded_read(term.read, *moments, ridge)
    except PrefactorError as error:
        raise PrefactorError(f"{name} cannot be guarded: {error}: choose another, or leave out the guard") from None
    return term if read is term.read else Term(term.module, term.write, read)


def guarded_terms(
    guard: GuardByDomain | GuardByImportance, target: str, subcomponents: Sequence[str], terms: Sequence[Term],
    model: DecomposedModel, net: ImportanceNet, untagged: np.ndarray, tagged: Mapping[str, np.ndarray],
) -> list[Term]:  # fmt: skip
    """``terms`` with the guarded read directions that ``guard`` asks for; arguments as for :func:`moments_for`.

    Raises:
        PrefactorError: one cannot be guarded.
    """
    moments = moments_for(guard, target, subcomponents, terms, model, net, untagged, tagged)
    every = zip(subcomponents, terms, moments, strict=True)
    return [guarded_term(name, term, pair, guard.ridge) for name, term, pair in every]


def moments_for(
    guard: GuardByDomain | GuardByImportance, target: str, subcomponents: Sequence[str], terms: Sequence[Term],
    model: DecomposedModel, net: ImportanceNet, untagged: np.ndarray, tagged: Mapping[str, np.ndarray],
) -> list[tuple[Tensor, Tensor]]:  # fmt: skip
    """Σ_1 and Σ_0 of each of ``subcomponents``.

    Args:
        target: the domain to be removed.
        untagged: (n, position) text for a guard by importance.
        tagged: text of the target and the spared domains, for a guard by domain.
    """
    if isinstance(guard, GuardByDomain):
        pairs = {}
        for module in dict.fromkeys(term.module for term in terms):
            spared = [domain_moment(model, module, tagged[domain]) for domain in guard.spare]
            needed = domain_moment(model, module, tagged[target], first=False)
            pairs[module] = (needed, sum(spared) / len(spared))
        return [pairs[term.module] for term in terms]
    by_name = importance_moments(model, net, subcomponents, untagged, of_context=guard.weigh == "context")
    return [by_name[name] for name in subcomponents]


@torch.no_grad()
def domain_moment(
    model: DecomposedModel, module: str, tokens: np.ndarray, batch: int = 32, *, first: bool = True
) -> Tensor:
    """``E[x x^T]`` (d_in, d_in) of the input of ``module`` over ``tokens`` (n, position).

    Without ``first`` that of a block's first token is taken for 0.
    """
    site = [s.name for s in model.sites].index(module)
    width = shape_of(model.sites[site].module)[1]
    total = torch.zeros(width, width, dtype=torch.float64, device=exact_device(model.U[0].device))
    for inputs in _inputs(model, tokens, batch):
        x = exact(inputs[model.input_of[site]][:, 0 if first else 1 :].flatten(0, 1))
        total += x.T @ x
    return total / tokens.size


@torch.no_grad()
def importance_moments(
    model: DecomposedModel, net: ImportanceNet, subcomponents: Sequence[str], tokens: np.ndarray, batch: int = 32, *,
    of_context: bool = False,
) -> dict[str, tuple[Tensor, Tensor]]:  # fmt: skip
    """``E[g x x^T]`` and ``E[(1 - g) x x^T]`` of each subcomponent over ``tokens``: no domain tag, no target token.

    ``g`` is the importance of the token, or ``of_context`` its mean over the block, and 0 at a block's first token.
    """
    columns = {name: model.names.index(name) for name in subcomponents}
    moments: dict[str, tuple[Tensor, Tensor]] = {}
    for inputs in _inputs(model, tokens, batch):
        importance = lower_leaky(net(inputs))
        if of_context:
            importance[:, 1:] = importance[:, 1:].mean(1, keepdim=True)
        importance[:, 0] = 0
        g = exact(importance.flatten(0, 1))
        for name, column in columns.items():
            site = [s.name for s in model.sites].index(name.rpartition(":")[0])
            x = exact(inputs[model.input_of[site]].flatten(0, 1))
            needed = (x * g[:, column : column + 1]).T @ x / tokens.size
            spared = x.T @ x / tokens.size - needed
            before = moments.get(name, (torch.zeros_like(needed), torch.zeros_like(needed)))
            moments[name] = (before[0] + needed, before[1] + spared)
    return moments


def _inputs(model: DecomposedModel, tokens: np.ndarray, batch: int) -> Iterator[list[Tensor]]:
    for start in range(0, len(tokens), batch):
        yield model.inputs(torch.from_numpy(tokens[start : start + batch]).long().to(model.U[0].device))

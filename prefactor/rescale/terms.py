"""The rank-1 terms that prefactors rescale, and the change of the weights that they make."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prefactor.errors import PrefactorError
from prefactor.model.change import Change
from prefactor.model.matrices import weight_of
from prefactor.vpd.components import DecomposedModel


@dataclass(frozen=True)
class Term:
    """The rank-1 term ``(α - 1) u w^T`` that a prefactor adds: ``w`` is ``v_c``, or a guarded direction for it."""

    module: str
    write: Tensor  # u_c (d_out,)
    read: Tensor  # (d_in,)


# One prefactor's loss has more than one valley (inverting and amplifying both hurt), and a gradient sees only its own.
# Of a wide model one subcomponent is a small part, and what it takes is far away.
PREFACTOR_STARTS = (
    1.0, 0.0, -1.0, -2.0, -3.0, -4.0, -6.0, -8.0, -12.0, -16.0, -24.0, -32.0, -48.0, -64.0, 3.0, 6.0,
)  # fmt: skip

SINGULAR = "sv"  # `module:sv3` names a singular direction of the matrix where `module:3` names a subcomponent


@dataclass(frozen=True)
class Prefactors:
    """A prefactor α a term; all start at one common value."""

    terms: tuple[Term, ...]
    share: float = 1.0

    @property
    def modules(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(term.module for term in self.terms))

    def only(self, places: Sequence[int]) -> "Prefactors":
        """The same with the terms at ``places`` alone."""
        return Prefactors(tuple(self.terms[place] for place in places), self.share)

    def starts(self, rng: torch.Generator) -> list[list[Tensor]]:
        device = self.terms[0].read.device
        return [[torch.full((len(self.terms),), alpha, device=device)] for alpha in PREFACTOR_STARTS]

    def nearer(self, start: int) -> int:
        return 0 if PREFACTOR_STARTS[start] > 1 and PREFACTOR_STARTS[start - 1] <= 1 else start - 1

    def common(self, alpha: float) -> Change:
        """The change at one prefactor for all terms."""
        return self.change([torch.full((len(self.terms),), alpha, device=self.terms[0].read.device)])

    def change(self, parameters: Sequence[Tensor]) -> Change:
        (alpha,) = parameters
        by_module: dict[str, list[int]] = {}
        for i, term in enumerate(self.terms):
            by_module.setdefault(term.module, []).append(i)
        return {
            module: (
                torch.stack([self.terms[i].read for i in members]),
                torch.stack([(alpha[i] - 1) * self.terms[i].write for i in members], dim=1),
            )
            for module, members in by_module.items()
        }


def rewrite(term: Term, token: Tensor, strength: float) -> Change:
    """The change that replaces ``u_c`` of ``term`` by ``strength`` times the unit vector of ``token``.

    Args:
        token: the token's row of the unembedding (d_model,); a hand-written edit of the VPD paper.

    Raises:
        PrefactorError: the matrix does not write to the residual stream, so the token has no direction there.
    """
    if token.shape != term.write.shape:
        raise PrefactorError(
            f"{term.module} writes vectors of {len(term.write)}, an unembedding row has {len(token)}: rewrite a "
            "subcomponent of a matrix that writes to the residual stream (o_proj, down_proj)"
        )
    towards = strength * token / token.norm() - term.write
    return {term.module: (term.read[None], towards[:, None])}


def term_of(model: DecomposedModel, subcomponent: str) -> Term:
    """The term of ``module:index`` with its own read direction, or of the singular direction ``module:sv3``."""
    module, _, index = subcomponent.rpartition(":")
    number = next(i for i, site in enumerate(model.sites) if site.name == module)
    if index.startswith(SINGULAR):
        U, S, Vh = torch.linalg.svd(weight_of(model.sites[number].module).detach(), full_matrices=False)
        i = int(index.removeprefix(SINGULAR))
        return Term(module, U[:, i] * S[i], Vh[i])
    return Term(module, model.U[number][int(index)].detach(), model.V[number][int(index)].detach())

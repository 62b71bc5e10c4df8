"""Which tokens of a neighbour's text read like the target: quotes of it, which a removal is to take along.

Reports tell quotes by marks that only the eval split has. Here it is told by the importance net, so that no choice
rests on such marks: a stretch of tokens that needs the target's subcomponents at least half as much as its text does.
On the default's English 77 of 111 quoted tokens are found, and 33 of 8,081 others (all are quotes of any language).
"""

from collections.abc import Sequence

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from prefactor.config.domains import Domains
from prefactor.rescale.footprint import importance_of
from prefactor.workspace import Workspace

TOLD_BY = 12  # subcomponents
EITHER_SIDE = 4  # tokens
LIKE = 0.5  # of what the target's text needs


def told_by(work: Workspace, domains: Domains) -> list[str]:
    """The subcomponents that the target's text needs most beyond every other domain."""
    rows = work.table[work.table["alive"]]
    others = [f"importance_{domain}" for domain in (*domains.retain, *domains.protect)]
    margin = np.asarray(rows[f"importance_{domains.target}"] - rows[others].max(axis=1))
    return list(rows["subcomponent"].iloc[np.argsort(-margin, kind="stable")[:TOLD_BY]])


def need(work: Workspace, names: Sequence[str], tokens: np.ndarray) -> Tensor:
    """How much each stretch of ``tokens`` (n, position) needs ``names``, (n, position)."""
    importance = importance_of(work.model, work.net, tokens, names).mean(-1)
    window = 2 * EITHER_SIDE + 1
    return F.avg_pool1d(importance[:, None], window, 1, EITHER_SIDE, count_include_pad=False)[:, 0]


def like_target(needed: Tensor, by_target: Tensor) -> Tensor:
    """Where (n, position) ``needed`` is at least half of the mean ``by_target``, of the target's own text."""
    return needed > LIKE * by_target.mean()

"""The sizes of an edit and of its fits, for ``model/memory.py``."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from prefactor.config.edit import FitConfig, Optimiser
from prefactor.config.edits import (
    AnyEdit,
    DirectionBaseline,
    FinetuneBaseline,
    GuardedEdit,
    LoraBaseline,
    PrefactorEdit,
    has_gains,
)
from prefactor.corpus.needs import target_text
from prefactor.model.memory import Sizes


def fit_sizes(
    sizes: Sizes, edit: AnyEdit, shapes: Mapping[str, tuple[int, int]], chosen: Collection[str], config: FitConfig,
    optimiser: Optimiser | None,
) -> Sizes:  # fmt: skip
    """``sizes`` with those of ``edit``.

    Args:
        shapes: (d_out, d_in) of each matrix that it changes.
        chosen: its subcomponents.
        optimiser: None of an edit that no token is fitted on.
    """
    blocks = target_text(config.budgets, edit.domains.target).blocks(sizes.block)
    probes = config.probe_seeds * len(optimiser.learning_rates) if optimiser and optimiser.has_choice else 0
    tolerates = isinstance(edit, PrefactorEdit) and edit.alpha.by == "tolerance"
    untagged = config.untagged if tolerates or has_gains(edit) else 0
    return replace(
        sizes,
        batch=blocks + config.retain_batch,
        tokens=max(config.retain_tokens, config.probe_tokens, untagged),
        moments=len(chosen) if isinstance(edit, GuardedEdit) else int(isinstance(edit, DirectionBaseline)),
        fitted=_numbers(edit, shapes, len(chosen)),
        draws=max(config.seeds, probes) if optimiser else 1,
        fits=len(config.budgets) * config.seeds if optimiser else 1,
    )


def _numbers(edit: AnyEdit, shapes: Mapping[str, tuple[int, int]], chosen: int) -> int:
    """How many there are in its change, A (r, d_in) and B (d_out, r) of each matrix."""
    if isinstance(edit, FinetuneBaseline):
        return sum((d_out + d_in) * d_in for d_out, d_in in shapes.values())
    rank = edit.rank if isinstance(edit, LoraBaseline) else max(1, chosen)
    return rank * sum(d_out + d_in for d_out, d_in in shapes.values())

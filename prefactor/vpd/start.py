"""Start the decomposition of a target: its components, and the importance net that is trained with them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from prefactor.config.decompose import DecomposeConfig
from prefactor.errors import PrefactorError
from prefactor.machine.processes import ALONE, Processes
from prefactor.machine.runtime import generator
from prefactor.model.matrices import Matrix, shape_of, weight_of
from prefactor.model.memory import Sizes, sizes_of
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet
from prefactor.vpd.initial import initial_components, singular_components
from prefactor.vpd.sharding import place
from prefactor.vpd.store import build_net

NAMED = 3  # matrices in a message


def start_decomposition(
    target: Any, config: DecomposeConfig, modules: Mapping[str, Matrix], device: torch.device,
    processes: Processes = ALONE,
) -> tuple[DecomposedModel, ImportanceNet]:  # fmt: skip
    """The untrained components and importance net of ``target``, drawn from the training seed.

    Args:
        modules: the matrices of ``target`` that are decomposed (:func:`prefactor.model.sites.sites`).

    Raises:
        PrefactorError: a matrix has no parts: it is zero or not finite.
    """
    check_values(modules)
    rng = generator(config.training.seed, -2)
    counts = counts_of(config, modules)
    parts = singular_components(modules, counts) if config.singular else initial_components(modules, counts, rng)
    model = DecomposedModel(target, *parts)
    net = build_net(model, config.net).initialise(rng)
    place(model, net, processes, device)
    return model, net


@torch.no_grad()
def check_values(modules: Mapping[str, Matrix]) -> None:
    """Raises PrefactorError for matrices that are zero (no direction of theirs is one) or hold what is no number."""
    weights = {name: weight_of(module) for name, module in modules.items()}
    broken = [name for name, weight in weights.items() if not torch.isfinite(weight).all()]
    if broken:
        raise PrefactorError(
            f"{_shown(broken)} NaN or infinite weights, and so has all that the target computes: mend its checkpoint"
        )
    if zero := [name for name, weight in weights.items() if not weight.any()]:
        left = [name for name in modules if name not in zero]
        pattern = f"(?!({'|'.join(map(re.escape, zero))})$).*"
        remedy = f"leave it out with decompose.modules ('{pattern}')" if left else "train or load another target"
        raise PrefactorError(f"{_shown(zero)} only zeros, which have no parts: {remedy}")


def _shown(names: Sequence[str]) -> str:
    return f"{', '.join(names[:NAMED])}{' and others' if len(names) > NAMED else ''} of the target has"


def planned_sizes(
    target: Any, config: DecomposeConfig, modules: Mapping[str, Matrix], block: int, processes: Processes
) -> Sizes:
    """The sizes of the decomposition of ``modules`` that ``config`` asks for, in one of ``processes``."""
    counts, shapes = counts_of(config, modules), {name: shape_of(module) for name, module in modules.items()}
    components, C = sum(counts[name] * sum(shapes[name]) for name in shapes), sum(counts.values())
    # As if no two matrices read the same input.
    net = config.net.width * (sum(d_in for _, d_in in shapes.values()) + 12 * config.net.width * config.net.blocks + C)
    trained = net + (components if config.source != "svd" else 0)
    parts = processes.count if processes.sharded else 1
    other = 0 if config.objective == "full" else config.objective.batch
    faithful = config.objective == "full" and config.source == "trained"
    return sizes_of(
        target, block, modules, subcomponents=C, components=components // parts, net=net // parts,
        batch=max(len(processes.rows(config.training.batch)), -(-other // processes.count)), trained=trained // parts,
        decomposed=sum(d_out * d_in for d_out, d_in in shapes.values()) if faithful else 0,
    )  # fmt: skip


def counts_of(config: DecomposeConfig, modules: Mapping[str, Matrix]) -> dict[str, int]:
    """How many subcomponents each of ``modules`` gets.

    Raises:
        PrefactorError: params do not say, or say more than there can be.
    """
    return {name: _count(name, module, config) for name, module in modules.items()}


def _count(name: str, matrix: Matrix, config: DecomposeConfig) -> int:
    rank, wanted = min(shape_of(matrix)), config.subcomponents
    if wanted == "auto":
        return rank if config.singular else 2 * rank
    if isinstance(wanted, dict):
        count = next((count for pattern, count in wanted.items() if re.fullmatch(pattern, name)), None)
        if count is None:
            raise PrefactorError(
                f"decompose.subcomponents has no pattern that matches the matrix {name}: add one, or '.*' as the last"
            )
        wanted = count
    if config.singular and wanted > rank:
        raise PrefactorError(
            f"decompose.subcomponents asks for {wanted} singular directions of {name}, which has {rank}: ask for "
            "fewer, or write auto"
        )
    return wanted

"""The sizes of a decomposition, for ``model/memory.py``."""

from prefactor.model.memory import Sizes, sizes_of
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet


def decomposed_sizes(model: DecomposedModel, net: ImportanceNet | None, block: int, **more: int) -> Sizes:
    """Of ``model`` and ``net`` as they are; ``more`` as for :func:`sizes_of`."""
    return sizes_of(
        model.target, block, [site.name for site in model.sites], subcomponents=model.subcomponents,
        components=sum(part.numel() for part in (*model.U, *model.V)),
        net=0 if net is None else sum(parameter.numel() for parameter in net.parameters()), **more,
    )  # fmt: skip

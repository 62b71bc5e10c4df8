"""What matrices are called there: a *source* a matrix, and a *source set* the matrices of one kind."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from prefactor.errors import PrefactorError


@dataclass(frozen=True)
class Place:
    """Where a matrix goes: ``layers.0.mlp.up_proj`` becomes source ``0-<set>-mlp-up_proj``."""

    module: str
    layer: int
    set: str

    @property
    def source(self) -> str:
        return f"{self.layer}-{self.set}"


def places(modules: Iterable[str], prefix: str) -> dict[str, Place]:
    """By module; the layer is the first number of its name, and the kind what comes behind.

    Raises:
        PrefactorError: a module has no layer, or two would have one name.
    """
    found = {module: _place(module, prefix) for module in modules}
    names = [place.source for place in found.values()]
    for module, place in found.items():
        if names.count(place.source) > 1:
            raise PrefactorError(f"{module}: another matrix is {place.source} on Neuronpedia, too: export them apart")
    return found


def slug(text: str) -> str:
    """``text`` in small letters, digits, underscores and dashes, as the id of a model has to be."""
    return re.sub(r"-{2,}", "-", re.sub(r"[^a-z0-9_-]+", "-", text.lower())).strip("-")


def _place(module: str, prefix: str) -> Place:
    parts = module.split(".")
    at = next((place for place, part in enumerate(parts) if part.isdigit()), None)
    if at is None or at == len(parts) - 1:
        raise PrefactorError(f"{module}: its name has no layer, and a source on Neuronpedia is of one: leave it out")
    kind = re.sub(r"_{2,}", "_", "-".join(parts[at + 1 :]))  # two underscores would begin something else there
    return Place(module, int(parts[at]), f"{prefix}-{kind}")

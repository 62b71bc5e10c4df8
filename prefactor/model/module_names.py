"""What the name of a module tells."""


def layer_of(name: str) -> int | None:
    """The number of the layer that the module ``name`` is in: the first in it. None where it has none."""
    return next((int(part) for part in name.split(".") if part.isdigit()), None)

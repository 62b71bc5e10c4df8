"""Forward hooks that are there for the length of a block."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from torch import nn

K = TypeVar("K")


@contextmanager
def hooked(
    modules: Mapping[K, nn.Module], make: Callable[[K], Callable[..., Any]], with_kwargs: bool = False
) -> Iterator[None]:
    """Hook every module; ``make`` gives the forward hook of a key of ``modules``, called ``with_kwargs`` or without."""
    handles = [module.register_forward_hook(make(key), with_kwargs=with_kwargs) for key, module in modules.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

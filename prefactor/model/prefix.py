"""The layers before the first changed one: equal in every pass, so they are run once and what they put out is replayed.

Embeddings, position encodings and attention masks are still computed each time, so that nothing is assumed about how a
family of models makes them.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from prefactor.machine.flops import counting
from prefactor.model.at_once import positions_at_once
from prefactor.model.kept_states import KeptStates, kept_states
from prefactor.model.target import logits_of

BATCH = 32  # blocks a forward pass


class _Enough(Exception):
    """The layers have put out their states: what comes after them, logits above all, is not worked out."""


@dataclass(frozen=True, eq=False)
class Prefix:
    """The layers of ``target`` that come before all of some modules."""

    target: Any
    layers: tuple[nn.Module, ...]
    more: int | None = None  # of a tuple that a layer puts out, how many values come after the states
    kept: KeptStates | None = None  # where states lie that were computed before

    @property
    def depth(self) -> int:
        """How many layers it skips."""
        return len(self.layers)

    def states(self, tokens: Tensor) -> Tensor:
        """What the last of the layers puts out for ``tokens`` (n, position): (n, position, width).

        Without layers it is (n, position, 0), which :meth:`given` takes as well.
        """
        kept = None if counting() else self.kept
        return self._compute(tokens) if kept is None else kept.states(tokens, self._compute)

    @torch.no_grad()
    def _compute(self, tokens: Tensor) -> Tensor:
        if not self.layers:
            return torch.empty(*tokens.shape[:2], 0, device=tokens.device)
        outputs: list[Tensor] = []

        def keep(module: nn.Module, args: Any, output: Any) -> None:
            outputs.append((output[0] if isinstance(output, tuple) else output).detach())
            raise _Enough

        handle = self.layers[-1].register_forward_hook(keep)
        try:
            for part in tokens.split(BATCH):
                with suppress(_Enough):
                    logits_of(self.target, part)
        finally:
            handle.remove()
        return torch.cat(outputs)

    @contextmanager
    def given(self, states: Tensor) -> Iterator[None]:
        """Within the block the layers are skipped, and ``states`` are what they put out."""
        out = states if self.more is None else (states, *[None] * self.more)
        try:
            for layer in self.layers:
                layer.forward = lambda *args, **kwargs: out  # hides the class's own
            yield
        finally:
            for layer in self.layers:
                layer.__dict__.pop("forward", None)


@torch.no_grad()
def prefix_of(target: Any, modules: Iterable[str], tokens: Tensor) -> Prefix:
    """The layers that can be skipped while ``modules`` of the base model change.

    None where the modules are not all in one ``ModuleList`` of layers, where a layer's ``forward`` is its own already,
    or where skipping does not give the very logits of ``tokens`` (batch, position) that the whole model gives, or none.
    """
    nothing, tokens = Prefix(target, ()), tokens[:, : positions_at_once(target, len(tokens))]
    places = [re.match(r"(.*?)\.?(\d+)\.", name) for name in modules]
    lists = {place.group(1) for place in places if place}
    if None in places or len(lists) != 1:
        return nothing
    name = lists.pop()
    stack = target.base_model.get_submodule(name)
    first = min(int(place.group(2)) for place in places if place)
    layers = tuple(stack)[:first] if isinstance(stack, nn.ModuleList) else ()
    if not layers or any("forward" in layer.__dict__ for layer in layers):
        return nothing
    kinds: list[int | None] = []
    handle = layers[-1].register_forward_hook(
        lambda module, args, output: kinds.append(len(output) - 1 if isinstance(output, tuple) else None)
    )
    try:
        whole = logits_of(target, tokens)
    finally:
        handle.remove()
    prefix = Prefix(target, layers, kinds[0])
    with prefix.given(prefix.states(tokens)):
        try:
            same = torch.equal(logits_of(target, tokens), whole)
        except (TypeError, ValueError, AttributeError, IndexError, RuntimeError):
            same = False  # the model needs what else a layer puts out, such as a recurrent state
    return replace(prefix, kept=kept_states(target, layers, name)) if same else nothing


class Prefixes:
    """The prefix of any modules of ``target``, each looked for once; ``sample`` (1, position) is some text."""

    def __init__(self, target: Any, sample: Tensor):
        self.target, self.sample = target, sample
        self._known: dict[tuple[str, ...], Prefix] = {}

    @property
    def none(self) -> Prefix:
        """The one that skips nothing."""
        return Prefix(self.target, ())

    def of(self, modules: tuple[str, ...]) -> Prefix:
        if modules not in self._known:
            self._known[modules] = prefix_of(self.target, modules, self.sample)
        return self._known[modules]

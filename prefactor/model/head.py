"""The head of a causal language model apart from the rest, since logits grow with the vocabulary and states do not.

The base model makes *states* (position, width) of text; the head makes logits of them, position by position: a matrix
product, and whatever else the family has (a bias, a scale, a soft-cap). It is the model's own forward pass with the
base model replaced by one that puts out given states, so that nothing is assumed of a family. What is long is kept as
states, and its logits are worked out a few positions at a time where they are needed, forward and backward.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from prefactor.model.at_once import positions_at_once
from prefactor.model.matrices import all_matrices
from prefactor.model.target import logits_of

SAMPLE = 16  # tokens of a text on which it is looked at whether a head can be told apart
ROUNDING = 1e-4  # what the logits of a state may differ by in another place, as a share of the largest

Loss = Callable[[Tensor, slice], Tensor]  # of logits (n, vocabulary) of some positions, and which: (n,)


@dataclass(frozen=True, eq=False)
class Head:
    """The head of ``target``. Without a ``body`` it could not be told apart: its states are the logits themselves."""

    target: Any
    body: nn.Module | None = None  # whose output it reads
    kind: Callable[[Tensor], Any] = lambda states: states  # what the body puts out, of states

    def states(self, tokens: Tensor) -> Tensor:
        """What it reads on ``tokens`` (batch, position): (batch, position, width)."""
        if self.body is None:
            return logits_of(self.target, tokens)
        return self.body(input_ids=tokens, use_cache=False)[0]

    def all_states(self, tokens: Tensor, batch: int) -> Tensor:
        """... worked out for so many blocks at a time; for all at once where these are the logits."""
        return torch.cat([self.states(part) for part in tokens.split(batch if self.body else len(tokens))])

    def logits(self, states: Tensor) -> Tensor:
        """Logits (..., vocabulary) of ``states`` (n, width) or (batch, position, width), whatever the body now is."""
        if self.body is None:
            return states
        given = states if states.ndim == 3 else states[None]
        ids = torch.zeros(given.shape[:2], dtype=torch.long, device=given.device)
        out = self.kind(given)
        self.body.forward = lambda *args, **kwargs: out  # hides the class's own
        try:
            return logits_of(self.target, ids).view(*states.shape[:-1], -1)
        finally:
            self.body.__dict__.pop("forward", None)

    def parts(self, positions: int) -> Iterator[slice]:
        """Of so many positions, some at a time."""
        some = positions_at_once(self.target)
        return (slice(start, start + some) for start in range(0, positions, some))

    def each(self, states: Tensor, loss: Loss) -> Tensor:
        """``loss`` at each position (...) of ``states`` (..., width), in the order of the flattened positions.

        Differentiable once, in ``states`` alone: the gradients are worked out with the losses, so that the logits of a
        few positions are all that is ever held, and each is made once.
        """
        flat = states.flatten(0, -2)
        if not torch.is_grad_enabled():
            flat = flat.detach()
        return _Each.apply(flat, self, loss).view(states.shape[:-1])

    def kl(self, base: Tensor, states: Tensor) -> Tensor:
        """``KL(base ‖ other)`` in nats at each position (...) of two models' ``states`` (..., width).

        Differentiable in those of the other model.
        """
        base = base.flatten(0, -2)

        def loss(logits: Tensor, rows: slice) -> Tensor:
            with torch.no_grad():
                logp = F.log_softmax(self.logits(base[rows]), dim=-1)
            return (logp.exp() * (logp - F.log_softmax(logits, dim=-1))).sum(-1)

        return self.each(states, loss)


class _Each(torch.autograd.Function):
    """As fused cross-entropies do: since each position's loss depends on its own state alone, whatever weight the loss
    of a position gets afterwards, its gradient is that weight times the one of here."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, head: Head, loss: Loss) -> Tensor:
        trained = states.requires_grad
        losses = states.new_empty(len(states))
        gradient = torch.empty_like(states) if trained else None
        for rows in head.parts(len(states)):
            part = states[rows].detach().requires_grad_(trained)
            with torch.set_grad_enabled(trained):
                found = loss(head.logits(part), rows)
                if gradient is not None:
                    (gradient[rows],) = torch.autograd.grad(found.sum(), part)
            losses[rows] = found.detach()
        ctx.save_for_backward(gradient)
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *weights: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * weights[0][:, None], None, None


@torch.no_grad()
def head_of(target: Any, tokens: Tensor) -> Head:
    """The head of ``target``, if on some of ``tokens`` (n, position) it gives the very logits of the whole model.

    And if it reads each state by itself, and no matrix of the base model that a change may reach is part of it.
    """
    sample, base = tokens[:1, :SAMPLE], getattr(target, "base_model", None)
    bodies = [body for body in (base, getattr(base, "decoder", None)) if isinstance(body, nn.Module)]
    bodies = [body for body in bodies if body is not target and not _shared(target, body)]
    whole = logits_of(target, sample)
    for body in bodies:
        if "forward" in body.__dict__:
            continue
        try:
            head = Head(target, body, _kind(body(input_ids=sample, use_cache=False)))
            states = head.states(sample)
            turned = head.logits(states.flip(1)).flip(1)
            same = torch.equal(head.logits(states), whole)
        except (TypeError, ValueError, AttributeError, IndexError, KeyError, RuntimeError):
            continue  # the head needs what else the body puts out, or is called in another way
        if same and (turned - whole).abs().max() <= ROUNDING * whole.abs().max():
            return head
    return Head(target)


def _kind(output: Any) -> Callable[[Tensor], Any]:
    """What makes of states an output such as this one, with nothing else in it."""
    if isinstance(output, tuple):
        return lambda states: (states, *[None] * (len(output) - 1))
    return lambda states: type(output)(last_hidden_state=states)


def _shared(target: Any, body: nn.Module) -> bool:
    """Whether a matrix that can be changed is part of the head, too."""
    own = {id(parameter) for parameter in body.parameters()}
    head = {_memory(parameter) for parameter in target.parameters() if id(parameter) not in own}
    out = target.get_output_embeddings()
    if out is not None:
        head |= {_memory(parameter) for parameter in out.parameters()}
    weights = (getattr(matrix, "weight", None) for matrix in all_matrices(target).values())
    return any(_memory(weight) in head for weight in weights if isinstance(weight, Tensor))


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()

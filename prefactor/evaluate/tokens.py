"""Where in a text an edit changes what the model says: a few blocks of each domain, token by token."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prefactor.model.change import Change
from prefactor.model.reference import HeldOut, figures_each

BLOCKS = 2  # a domain
FIGURES = ("base_ce", "edited_ce", "kl")


def by_token(
    target: Any, change: Change, held: Mapping[str, HeldOut], decode: Callable[[list[int]], str]
) -> Iterator[dict[str, Any]]:
    """A row a token of the first blocks of each domain: ``domain``, ``block``, ``position``, its text as ``token``, and
    of predicting it ``base_ce``, ``edited_ce`` and ``kl`` (base ‖ edited), nats; null of a block's first token, which
    nothing comes before.
    """
    for domain, text in held.items():
        few = text.first(BLOCKS)
        (found,) = figures_each(target, [change], few)
        ahead = {key: found[key].tolist() for key in FIGURES}
        for block, tokens in enumerate(few.tokens.tolist()):
            for position, token in enumerate(tokens):
                own = {key: values[block][position - 1] if position else None for key, values in ahead.items()}
                at = {"domain": domain, "block": block, "position": position, "token": decode([token])}
                yield at | own

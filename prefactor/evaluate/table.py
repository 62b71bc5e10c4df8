"""Every fit of an edit on held-out text of every domain."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prefactor.config.domains import Role
from prefactor.files.cost import Cost
from prefactor.machine.progress import track
from prefactor.model.change import Change
from prefactor.model.prefix import prefix_of
from prefactor.model.reference import HeldOut, flops_a_token, measure_each


def evaluate(
    target: Any, changes: Sequence[tuple[int, int, Change]], held: Mapping[str, HeldOut],
    roles: Mapping[str, Role], cost: Cost, what: str,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """A row a fit and domain: ``budget``, ``seed``, ``domain``, ``role``, the figures of ``measure``, and the text's
    ``tokens`` and ``blocks``.

    The layers that no change reaches are run once, and what the base model predicts is worked out once for all fits.

    Args:
        changes: (budget, seed, change) of every fit, all of the same matrices.
        held: text of each domain, and the base model's view of it; ``roles`` their parts in the edit.
    """
    sample = next(iter(held.values())).tokens[:1]
    prefix = prefix_of(target, changes[0][2], sample)
    domains = {domain: kept.after(prefix) for domain, kept in held.items()}
    tokens = sum(kept.tokens.numel() for kept in domains.values())
    one, two = (flops_a_token(target, next(iter(domains.values())), prefix, changes=n) for n in (1, 2))
    every = [change for _, _, change in changes]
    figures = {
        domain: measure_each(target, every, kept, prefix)
        for domain, kept in track(list(domains.items()), len(domains), f"evaluate {what}")
    }
    for number, (budget, seed, _) in enumerate(changes):
        for domain, of_each in figures.items():
            fit = {"budget": budget, "seed": seed, "domain": domain, "role": roles[domain]}
            text = domains[domain].tokens
            yield fit | of_each[number] | {"tokens": text.numel(), "blocks": len(text)}
        cost.add(tokens, tokens * (two - one if number else one))

"""Every fit of an edit on held-out text of every domain."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prefactor.config.domains import Role
from prefactor.files.cost import Cost
from prefactor.machine.progress import track
from prefactor.model.change import Change
from prefactor.model.prefix import prefix_of
from prefactor.model.reference import HeldOut, flops_a_token, measure


def evaluate(
    target: Any, changes: Sequence[tuple[int, int, Change]], held: Mapping[str, HeldOut],
    roles: Mapping[str, Role], cost: Cost, what: str,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """A row a fit and domain: ``budget``, ``seed``, ``domain``, ``role``, the figures of ``measure``, and the text's
    ``tokens`` and ``blocks``.

    The layers that no change reaches are run once.

    Args:
        changes: (budget, seed, change) of every fit, all of the same matrices.
        held: text of each domain, and the base model's view of it; ``roles`` their parts in the edit.
    """
    sample = next(iter(held.values())).tokens[:1]
    prefix = prefix_of(target, changes[0][2], sample)
    domains = {domain: kept.after(prefix) for domain, kept in held.items()}
    tokens = sum(kept.tokens.numel() for kept in domains.values())
    flops = tokens * flops_a_token(target, next(iter(domains.values())), prefix)
    for budget, seed, change in track(changes, len(changes), f"evaluate {what}"):
        for domain, figures in measure(target, change, domains, prefix).items():
            fit = {"budget": budget, "seed": seed, "domain": domain, "role": roles[domain]}
            text = domains[domain].tokens
            yield fit | figures | {"tokens": text.numel(), "blocks": len(text)}
        cost.add(tokens, flops)

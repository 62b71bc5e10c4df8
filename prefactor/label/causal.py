"""Does a subcomponent do what its label says? The label's prediction of an edit against what an edit does.

A label predicts in which domains the loss rises when the subcomponent is ablated or inverted, and in which it stays: it
rises where, by the label, the subcomponent should be needed about as often as anywhere (a domain that the label names,
or text with the tokens that it names), and stays where it should be needed hardly at all. As measured, a domain rises
if it takes a fair part of the damage that the worst hit one takes, and more than noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from prefactor.label.reading import Reading
from prefactor.label.silent import Sampled

OFTEN, HARDLY = 0.5, 0.1  # of how often it should be needed in the domain where that is most
RISES = 0.25  # of the damage to the worst hit domain
CERTAIN = 3.0  # standard errors: over a handful of blocks and of domains, noise alone goes so far once in a hundred
LEAST = 0.005  # nats a token; less is no damage to speak of


@dataclass(frozen=True)
class Prediction:
    """Domains; those in neither are left open."""

    rise: frozenset[str]
    stay: frozenset[str]

    @property
    def tells_apart(self) -> bool:
        return bool(self.rise and self.stay)


NONE = Prediction(frozenset(), frozenset())


@dataclass(frozen=True)
class DomainDamage:
    """Damage in nats by domain, and its standard error, of one intervention."""

    damage: Mapping[str, float]
    error: Mapping[str, float]

    @property
    def rising(self) -> frozenset[str]:
        """The domains that are damaged; none where nothing can be told from noise."""
        bar = max(LEAST, RISES * max(self.damage.values()))
        return frozenset(d for d, nats in self.damage.items() if nats >= bar and nats > CERTAIN * self.error[d])


def predict(reading: Reading, sampled: Sampled) -> Prediction:
    """What the label predicts, going by the sampled text. A label that says nothing predicts nothing."""
    if reading.says_nothing:
        return NONE
    rates = _rates(reading, sampled)
    most = max(rates.values(), default=0.0)
    if most == 0:
        return NONE
    return Prediction(
        frozenset(domain for domain, rate in rates.items() if rate >= OFTEN * most),
        frozenset(domain for domain, rate in rates.items() if rate <= HARDLY * most),
    )


def agreement(prediction: Prediction, measured: Sequence[DomainDamage]) -> float | None:
    """How far ``prediction`` holds, 0.5 by chance, a mean over the interventions that measure anything.

    The mean of two shares: of the domains that it says rise, those that do, and of those that it says stay, those that
    do. None where the label tells no two domains apart, or where nothing is measured.
    """
    scores = []
    for damage in measured:
        if prediction.tells_apart and damage.rising:
            rising = damage.rising
            risen = sum(domain in rising for domain in prediction.rise) / len(prediction.rise)
            left = sum(domain not in rising for domain in prediction.stay) / len(prediction.stay)
            scores.append((risen + left) / 2)
    return sum(scores) / len(scores) if scores else None


def surprise(prediction: Prediction, inverted: DomainDamage) -> tuple[list[str], float]:
    """The domains that rise though the label says they stay, and the largest damage among them (nats; 0 for none)."""
    if not prediction.tells_apart:
        return [], 0.0
    against = sorted(inverted.rising & prediction.stay, key=lambda domain: -inverted.damage[domain])
    return against, inverted.damage[against[0]] if against else 0.0


def _rates(reading: Reading, sampled: Sampled) -> dict[str, float]:
    """In each domain the share of sampled tokens at which the label would have the subcomponent needed."""
    held: dict[str, list[float]] = {}
    for domain, tokens in zip(sampled.domain, sampled.tokens, strict=True):
        if reading.of_tokens:
            share = float(np.mean([reading.holds(domain, tokens, place) for place in range(len(tokens))]))
        else:
            share = float(reading.holds(domain, tokens, 0))
        held.setdefault(domain, []).append(share)
    return {domain: float(np.mean(shares)) for domain, shares in held.items()}

"""What stages ask of the corpus, lowered to what a little text can give them."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from pydantic import TypeAdapter

from prefactor.config.base import parse
from prefactor.config_check.pipeline import PipelineConfig, needs
from prefactor.corpus.need import Need
from prefactor.errors import PrefactorError

# Tokenizers make 3 to 5 characters a token of prose, and documents fall into splits by hash, whatever their length. An
# estimate that is too high only meets the gate after the corpus, which says what to lower; one too low wastes text.
CHARACTERS_A_TOKEN = 5
EVEN = 0.8  # how much of its share a split has at least
LESS = 0.8  # what is lowered is lowered by so much at a time
LEAST = 4  # blocks, below which a figure says nothing


def fitting_sizes(
    params: Mapping[str, Any], characters: Mapping[str, float], unseen: Mapping[str, float]
) -> dict[str, int]:
    """The numbers of tokens that have to be lower than in ``params`` for ``characters`` of text to suffice.

    Args:
        characters: of each domain, divided among the splits.
        unseen: of each domain that the eval split alone has.

    Returns:
        By dotted key, in the order of the stages; empty where nothing has to be lower.

    Raises:
        PrefactorError: no number worth asking for can be had; with the domain and how much text would do.
    """
    params, lowered = deepcopy(dict(params)), dict[str, int]()
    length = params["corpus"]["block"]
    while need := _unmet(params, characters, unseen):
        if need.unit != "tokens" or need.value <= LEAST * length:
            raise _too_little(need, params, characters)
        for each in (need, need.after):  # what one takes, the other lacks
            if each is not None and each.value > LEAST * length:
                lowered[each.key] = max(LEAST * length, int(LESS * each.value) // length * length)
                set_at(params, each.key, lowered[each.key])
    return lowered


def set_at(params: Any, key: str, value: Any) -> None:
    """Set ``key``, with a dot between the levels, of nested mappings."""
    *path, last = key.split(".")
    for part in path:
        params = params[part]
    params[last] = value


def _unmet(params: Mapping[str, Any], characters: Mapping[str, float], unseen: Mapping[str, float]) -> Need | None:
    config = parse(TypeAdapter(PipelineConfig), params, "")
    for need in needs(config):
        there = characters if need.domain is None else {need.domain: characters.get(need.domain, 0.0)}
        text = config.corpus.splits[need.split] * EVEN * sum(there.values()) + (
            unseen.get(need.domain, 0.0) if need.domain is not None else 0.0
        )
        if not need.is_met(int(text / CHARACTERS_A_TOKEN), config.corpus.block):
            return need
    return None


def _too_little(need: Need, params: Mapping[str, Any], characters: Mapping[str, float]) -> PrefactorError:
    length, share = params["corpus"]["block"], params["corpus"]["splits"][need.split]
    wanted = need.end(length) * length * CHARACTERS_A_TOKEN / (EVEN * share)
    domain = min(characters, key=lambda name: characters[name])  # no other may have much more than it
    return PrefactorError(
        f"{domain}: there are too few characters of it for {need.key} = {need.value} tokens of the {need.split} split; "
        f"give it some {round(wanted, -3):,.0f}"
    )

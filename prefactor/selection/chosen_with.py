"""How much text that is known to be the target's a choice rests on.

An edit that is fitted on few target tokens, or on none, is not made from so few: what it acts on was chosen with more.
"""

from collections.abc import Mapping

from prefactor.config.shortlists import ByLabel, ByName, ByRandom, ShortlistConfig
from prefactor.query.query import Query

OF_EFFECTS = {"effects", "score"}  # agreement and surprise compare a label with measured effects


def chosen_with(shortlist: ShortlistConfig, query: Query | None, tokens: Mapping[str, int]) -> dict[str, int]:
    """Of ``tokens`` (of the target's domain, by stage) those that were read with their tag to make the choice.

    Labels and importance are of the harvest's tagged text; effects of the effects stage's, where they rank or where the
    query compares them; and what is measured of candidates of the candidates stage's. Names that a person gave, and
    names drawn at random, rest on none.
    """
    choose = shortlist.choose
    if isinstance(choose, ByName | ByRandom):
        return {}
    read = {"harvest"}
    if isinstance(choose, ByLabel) and (choose.rank == "causal" or (query and query.stages & OF_EFFECTS)):
        read.add("effects")
    if shortlist.measured:
        read.add("candidates")
    return {stage: count for stage, count in tokens.items() if stage in read}

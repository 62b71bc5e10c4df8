"""What a release, a source set and a source are said to be."""

from dataclasses import dataclass

from prefactor.published.neuronpedia.names import Place
from prefactor.published.neuronpedia.records import About, Values
from prefactor.published.neuronpedia.schema import DEFAULT_CREATOR, Release, Row, Source, SourceSet


@dataclass(frozen=True)
class Told:
    """What nobody but the person who exports can say."""

    model: str  # its id there, for addresses
    author: str
    creator: str = DEFAULT_CREATOR  # the id of a user of theirs
    prefix: str = "prefactor"  # of the source sets
    values: Values = "importance"


def said(
    told: Told, about: About, place: Place, release: str, prompts: int, block: int, notes: str
) -> dict[str, Row]:  # fmt: skip
    """By file, of one source.

    Args:
        prompts, block: how many blocks of text the harvest read, and the tokens of each.
        notes: what the figures of its features are.
    """
    kind = place.set.removeprefix(f"{told.prefix}-")
    return {
        "release": Release(
            name=release, description=f"Rank-1 subcomponents of the matrices of {about.model}",
            descriptionShort=f"Subcomponents of {about.model}", creatorName=told.author, creatorNameShort=told.author,
            creatorId=told.creator,
        ),
        "sourceset": SourceSet(
            modelId=about.model, name=place.set, description=f"Subcomponents of {kind}", creatorName=told.author,
            creatorId=told.creator, releaseName=release,
        ),
        "source": Source(
            id=place.source, modelId=about.model, setName=place.set, creatorId=told.creator, num_prompts=prompts,
            num_tokens_in_prompt=block, notes=notes,
        ),
    }  # fmt: skip


def notes(values: Values, fires: float) -> str:
    """What the figures of all features are; ``fires`` is the importance above which a subcomponent does."""
    what = {
        "importance": "causal importance, from 0 to 1",
        "activation": "the subcomponent's activation, signed so that where it fires it is above 0 on average",
    }
    return (
        f"Values: {what[values]}. frac_nonzero: share of tokens whose importance is above {fires:g}. Windows and "
        "histogram: a fair draw of these, not the top."
    )

"""The rows of ``config/``: types of explanations and of scores, and who wrote or gave them."""

from collections.abc import Iterable, Mapping

from prefactor.published.neuronpedia.records import TYPE, labelled_by
from prefactor.published.neuronpedia.schema import Kind
from prefactor.query.fields import TESTS

WRITTEN = {
    "deterministic": "Written by a program from the figures of the harvest.",
    "llm-label": "Written by a language model from the figures of the harvest.",
    "person": "Written by a person.",
}
SCORED = {
    "clarity": "How clear whoever wrote the label found it: 0 by chance, to 1.",
    "detection": "Balanced accuracy: by the label, which windows have a firing; 0.5 by chance.",
    "fuzzing": "Balanced accuracy: by the label, in which windows the firing token is marked; 0.5 by chance.",
    "intruder": "Share found: which of five windows is not its own, without the label; 0.2 by chance.",
    "agreement": "How far ablating and inverting it harm the domains that the label names; 0.5 by chance.",
}


def kinds(labellers: Iterable[str], judges: Mapping[str, str], author: str, creator: str) -> dict[str, list[Kind]]:
    """By file, sorted; every name that an explanation or a score of the export has is among them."""
    by = {name for name in labellers if name}
    types = {labelled_by(name) for name in by}
    scorers = sorted(by | set(judges.values()) | {"prefactor"})
    return {
        "explanation_type": [
            Kind(
                name=name, displayName=name.replace("_", " "), creatorName=author, creatorId=creator,
                description=next((text for key, text in WRITTEN.items() if key in name), "A label."),
            )
            for name in sorted({kind for kind, _ in types})
        ],
        "explanation_model_type": [
            Kind(name=name, displayName=name, description="Wrote labels.", creatorName=author)
            for name in sorted({model for _, model in types if model})
        ],
        "explanation_score_type": [
            Kind(
                name=f"{TYPE}{name}", displayName=f"prefactor {name}", description=SCORED[name], creatorName=author,
                creatorId=creator,
            )
            for name in ("clarity", *TESTS)
        ],
        "explanation_score_model": [
            Kind(name=name, displayName=name, description="Judged labels.", creatorName=author) for name in scorers
        ],
    }  # fmt: skip

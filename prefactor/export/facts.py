"""What is known of an edit, as ``edit.json`` and model cards have it: no labels, since words change nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from prefactor.config.edits import AnyEdit, has_gains, is_reached


def facts_of(
    name: str, edit: AnyEdit, chosen: Sequence[str], prefactors: Sequence[float], budget: int,
    recipes: Sequence[Mapping[str, Any]], guard: Mapping[str, Any] | None, decomposition: str | None,
    probe_tokens: int = 0, direction: Mapping[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The value of ``edit.json`` (docs/contracts.md).

    Args:
        prefactors: of the fit that the report is about, one a subcomponent; none where the method has none.
        budget: its target tokens, 0 where no token is fitted on.
        recipes: what was tried on the select split.
        guard: what a guard's second moments came from, and what else prefactors were set from.
        probe_tokens: of the target, that a recipe is tried on, or a prefactor that reaches its goal; and as many that
            the proportions of several are fitted to.
        decomposition: sha256 of the components; None for a baseline, which needs none.
        direction: of a closed-form change which matrix it is of, and what it was made from.
    """
    return {
        "edit": name,
        "method": edit.method,
        "subcomponents": list(chosen),
        "prefactors": list(prefactors),
        **edit.domains.recorded,
        "report_budget": budget,
        "recipes": list(recipes),
        "tuned_with": probe_tokens * (1 + has_gains(edit)) if recipes or is_reached(edit) else 0,
        "guard": None if guard is None else dict(guard),
        "decomposition": decomposition,
        **({} if direction is None else {"direction": dict(direction)}),
    }

"""What the stages chose for edits like one that is made by hand."""

from collections.abc import Mapping
from pathlib import Path

from prefactor.config.edit import Optimiser
from prefactor.config.edits import AnyEdit, PrefactorEdit
from prefactor.edits.made import fits_folder, read_edit
from prefactor.edits.recipe import Recipes, sole_recipe


def known_recipes(
    data: Path, edits: Mapping[str, AnyEdit], edit: PrefactorEdit, optimiser: Optimiser
) -> Recipes | None:
    """How long and how fast to fit ``edit``, if ``optimiser`` leaves no choice or a stage has made it.

    It counts for an edit of the same method, domains and goal, if it was made among all that ``optimiser`` allows.

    Args:
        edits: of params; what was made of them is under ``data``.

    Raises:
        PrefactorError: what was made of one is damaged.
    """
    if sole := sole_recipe(optimiser):
        return sole
    for name, other in edits.items():
        if not isinstance(other, PrefactorEdit) or not fits_folder(data, name).is_dir():
            continue
        if (other.method, other.domains, other.goal) == (edit.method, edit.domains, edit.goal):
            made = Recipes.of_rows(read_edit(data, name)["recipes"])
            if made.within(optimiser):
                return made
    return None

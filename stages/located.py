"""What the locate stage has found, as patterns over names of matrices, for params that ask for it."""

import re
from pathlib import Path

from prefactor.config.locate import LOCATED
from prefactor.files.artifacts import identities
from prefactor.locate.names import BEST, MODULES, read_best, read_modules
from stages.common import DATA

FOLDER = DATA / "locate"


def to_decompose(modules: str) -> tuple[str, dict[Path, str]]:
    """The matrices that ``decompose.modules`` asks for; and what they rest on, nothing if that is a pattern."""
    if modules != LOCATED:
        return modules, {}
    return "|".join(map(re.escape, read_modules(FOLDER))), identities((FOLDER / MODULES).parent)


def to_change(matrix: str) -> tuple[str, dict[str, int], dict[Path, str]]:
    """The matrix that a direction's ``matrix`` asks for; how many tokens of the target's text found it, by stage; and
    what it rests on, nothing if that is a name or a pattern."""
    if matrix != LOCATED:
        return matrix, {}, {}
    module, tokens = read_best(FOLDER)
    return re.escape(module), {"locate": tokens}, identities((FOLDER / BEST).parent)

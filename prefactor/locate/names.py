"""The names that locate leaves to the stages that act on them: free of how they are found, which would rerun those."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from prefactor.errors import PrefactorError
from prefactor.files.artifacts import Origin, read_json, verify, write_json, write_manifest
from prefactor.model.module_names import layer_of

MODULES, BEST = Path("modules", "modules.json"), Path("best", "best.json")


def modules_from(best: Sequence[str], matrices: Iterable[str], top: int | Literal["layer"]) -> list[str]:
    """The first ``top`` of ``best``; or all of ``matrices`` that are in the layer of its first, in their order.

    Which matrices write what a domain needs is found in closed form, and that change reads what comes into the matrix;
    a subcomponent that is the domain may be one that feeds it, in the same layer (benchmarks/results/gemma.md).
    """
    if top != "layer":
        return list(best[:top])
    return [name for name in matrices if layer_of(name) == layer_of(best[0])]


def write_names(folder: Path, modules: Sequence[str], best: str, target_tokens: int, made_from: Origin) -> None:
    """Write ``modules/`` and ``best/`` of the stage's ``folder``, apart from the figures, so that these rerun nothing.

    Args:
        modules: what is to be decomposed; none where ``decompose.modules`` is a pattern, whatever was found.
        target_tokens: of text known to be the target's, that ``best`` was found with.
    """
    write_json(folder / MODULES, list(modules))
    write_json(folder / BEST, {"module": best, "target_tokens": target_tokens})
    for path in (MODULES, BEST):
        write_manifest((folder / path).parent, [path.name], made_from=made_from)


def read_modules(folder: Path) -> list[str]:
    """The matrices to decompose.

    Raises:
        PrefactorError: the stage was run for a pattern, or what it left is damaged.
    """
    verify((folder / MODULES).parent, only=[MODULES.name])
    if not (names := read_json(folder / MODULES)):
        raise PrefactorError(f"{folder / MODULES} names no matrix: it is of other params; run the stage locate again")
    return names


def read_best(folder: Path) -> tuple[str, int]:
    """The best verified matrix, and how many tokens of the target's text it was found with."""
    verify((folder / BEST).parent, only=[BEST.name])
    best = read_json(folder / BEST)
    return best["module"], best["target_tokens"]

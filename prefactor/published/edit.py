"""An edit for others: the adapter that PEFT loads, its card, and how to make it again."""

from pathlib import Path

from prefactor.config.edits import Chosen
from prefactor.config.params import PARAMS, read_params
from prefactor.errors import PrefactorError
from prefactor.export.adapter import write_adapter
from prefactor.export.base import base_of
from prefactor.export.card import card
from prefactor.export.lora import check_loadable
from prefactor.export.results import change_of, known_of
from prefactor.files.artifacts import verify, write_json
from prefactor.files.new_folder import check_new, new_folder
from prefactor.machine.runtime import setup
from prefactor.machine.settings import threads
from prefactor.machine.surroundings import computed_with
from prefactor.model.target import read_target
from prefactor.published.base import weights_sha256
from prefactor.published.find import find
from prefactor.published.index import Base, Index, check_folder, new_index, read_index, write_index
from prefactor.published.layout import CHECKPOINT, LAYOUT
from prefactor.published.pin import Pin
from prefactor.published.provenance import code_of
from prefactor.published.recipe import (
    RECIPE,
    Machine,
    Recipe,
    Source,
    edit_of,
    inputs_of,
    params_of,
)
from prefactor.published.recorded import check_recorded
from prefactor.published.write import Wanted
from prefactor.selection.choice import labels_of, read_chosen
from prefactor.vpd.store import components_sha256


def publish_edit(root: Path, into: Path, name: str, wanted: Wanted, decomposition: Pin | str | None) -> Index:
    """Write the report's fit of an edit of ``root`` into a new folder: adapter, card, ``reproduce.json``, hashes.

    Args:
        decomposition: where the decomposition that it is of was published; None where it was not.

    Raises:
        PrefactorError: the edit was not run, is stale or damaged; or ``decomposition`` is another.
    """
    check_new(into)
    stage, edit = edit_of(root, name)
    params, data, checkpoint = read_params(root / PARAMS), root / "data", root / CHECKPOINT
    check_recorded(root, params, [f"{stage}@{name}"])
    facts, damage = known_of(data, name)
    _, change = change_of(data, name)
    chosen = read_chosen(data / "selection" / name) if isinstance(edit, Chosen) else []
    verify(checkpoint)
    weights = weights_sha256(checkpoint)
    source = _source(decomposition, components_sha256(data), weights)
    device = setup()
    target = read_target(checkpoint, device)
    check_loadable(target, change)
    base = base_of(checkpoint)
    on_hub = base.name != checkpoint.resolve().as_posix()
    named = base.name if on_hub else CHECKPOINT  # no path of this machine: the decomposition has it there
    index = new_index(
        layout=LAYOUT, kind="edit", name=wanted.name, version=wanted.version, licence=wanted.licence,
        decomposition=components_sha256(data),
        base=Base(included=False, name=base.name if on_hub else None, revision=base.revision, weights=weights),
        text=False, code=code_of(root),
    )  # fmt: skip
    with new_folder(into) as new:
        front = [f"license: {wanted.licence}", *([f"base_model: {base.name}"] if on_hub else [])]
        said = _said(source, base.said if on_hub else None, weights, wanted.where)
        told = card(facts, labels_of(data / "selection" / name), damage, said, front)
        write_adapter(new, target, change, named, told, base.revision)
        recipe = Recipe(
            edit=name, stage=stage, params=params_of(root, name, stage), chosen=tuple(chosen),
            inputs=inputs_of(root, stage), decomposition=source,
            machine=Machine(device=str(device), threads=threads(), libraries=computed_with()["libraries"]),
        )  # fmt: skip
        write_json(new / RECIPE, recipe.model_dump(mode="json"))
        write_index(new, index)
        index = read_index(new, "edit")
        check_folder(new, index)
    return index


def _source(decomposition: Pin | str | None, components: str, weights: str) -> Source | None:
    if decomposition is None:
        return None
    if isinstance(decomposition, Pin):
        found = find(decomposition.source, decomposition.revision, decomposition.sha256, trust_remote_code=True)
    else:
        found = find(decomposition, trust_remote_code=True)  # nothing of it is run here
    if (found.index.decomposition, found.index.base.weights) != (components, weights):
        raise PrefactorError(
            f"{found.source} is another decomposition than this edit is of (components "
            f"{found.index.decomposition[:12]}, here {components[:12]}): name its own, or publish that first"
        )
    return Source(source=found.source, revision=found.revision, sha256=found.sha256)


def _said(source: Source | None, base: str | None, weights: str, where: str) -> str:
    """Lines of the card on what it belongs to and how it is put on and made again."""
    lines = [base] if base else []
    lines.append(f"It is for the weights whose tensors in float32 have the sha256 `{weights}`.")
    if source is not None:
        at = f", revision={source.revision!r}" if source.revision else ""
        lines += [
            f"They are in the published decomposition `{source.source}` (sha256 `{source.sha256}`):",
            "```python\nfrom peft import PeftModel\n\nfrom prefactor.workspace import Workspace\n\n"
            f"target = Workspace.from_pretrained({source.source!r}{at}).model.target\n"
            f"model = PeftModel.from_pretrained(target, {where!r})\n```",
        ]
    lines.append(f"`prefactor reproduce {where}` makes it again (`{RECIPE}`) and compares the bytes of the adapter.")
    return "\n\n".join(lines)

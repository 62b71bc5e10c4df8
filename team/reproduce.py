"""``prefactor reproduce``: a published edit made again, by the same stage, from the decomposition that it is of."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import stages
from flows.around.environment import environment
from flows.around.errors import FlowError
from prefactor.config.params import PARAMS, read_params
from prefactor.edits.made import adapter_folder
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import sha256, write_json, write_manifest
from prefactor.files.tensors import read_tensors
from prefactor.machine.runtime import usable_device
from prefactor.machine.settings import THREADS, threads
from prefactor.machine.surroundings import computed_with
from prefactor.published.base import cached_base
from prefactor.published.find import Published, find
from prefactor.published.layout import ARTIFACTS, CHECKPOINT, FILES
from prefactor.published.recipe import ADAPTER, RECIPE, Recipe, inputs_of, read_recipe
from prefactor.selection.choice import CHOSEN
from stages.closure import fingerprint

CODE = Path(str(stages.__file__)).resolve().parent.parent


@dataclass(frozen=True)
class Made:
    equal: bool
    told: dict[str, Any]

    @property
    def lines(self) -> list[str]:
        if self.equal:
            return [f"equal: the adapter's sha256 is {self.told['sha256']}, as published"]
        lines = [f"differs: the adapter's sha256 is {self.told['sha256']}, published was {self.told['published']}"]
        lines += [f"  {tensor}: {what}" for tensor, what in self.told["tensors"].items()]
        lines += [f"  {what}: {here} here, {there} there" for what, (here, there) in self.told["other"].items()]
        if not self.told["other"]:
            lines.append("  code, libraries, device and threads are the same: another processor may round otherwise")
        return lines


def reproduce(source: str, revision: str | None, decomposition: str | None, base: str | None) -> Made:
    """Make the edit that was published as ``source`` again, and compare it.

    Args:
        decomposition: where its decomposition is, if elsewhere than the edit says.
        base: where the base model lies, if it was not passed on.

    Raises:
        PrefactorError: something of it cannot be had, is damaged or does not belong together.
        FlowError: the stage failed.
    """
    edit = find(source, revision, kind="edit")
    recipe = read_recipe(edit.folder)
    found = _decomposition(edit, recipe, decomposition)
    checkpoint = found.folder / CHECKPOINT
    if not found.index.base.included:
        checkpoint = cached_base(found.folder, found.index, base)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        _project(root, found, checkpoint, recipe)
        _run(root, recipe)
        made = adapter_folder(root / "data", recipe.edit) / ADAPTER
        digest = sha256(made)
        told: dict[str, Any] = {"edit": recipe.edit, "sha256": digest, "published": edit.index.files[ADAPTER]}
        if digest == told["published"]:
            return Made(True, told)
        return Made(False, told | {"tensors": _apart(made, edit.folder / ADAPTER), "other": _other(edit, recipe)})


def _decomposition(edit: Published, recipe: Recipe, named: str | None) -> Published:
    if named is not None:
        found = find(named)
    elif recipe.decomposition is not None:
        found = find(recipe.decomposition.source, recipe.decomposition.revision, recipe.decomposition.sha256)
    else:
        raise PrefactorError(
            f"{edit.folder / RECIPE} does not say where its decomposition was published: say --decomposition"
        )
    if found.index.base.weights != edit.index.base.weights:
        raise PrefactorError(
            f"{found.source} is of another model than {edit.index.called}: name the decomposition it is of"
        )
    theirs = inputs_of(found.folder, recipe.stage)
    for name, wanted in recipe.inputs.items():
        if theirs.get(name) != wanted:
            raise PrefactorError(
                f"{found.source} has another {name} than {edit.index.called} was made from: "
                "name the decomposition and version that it is of"
            )
    return found


def _project(root: Path, found: Published, checkpoint: Path, recipe: Recipe) -> None:
    """A project of one edit, its artifacts linked to where they lie."""
    for name in (*ARTIFACTS, *FILES):
        origin = checkpoint if name == CHECKPOINT else found.folder / name
        if origin.exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(origin.resolve())
    params = read_params(found.folder / PARAMS) | {"edits": {}, "baselines": {}} | recipe.params
    write_json(root / PARAMS, params)  # JSON is YAML
    chosen = root / "data" / "selection" / recipe.edit / CHOSEN
    write_json(chosen, list(recipe.chosen))
    write_manifest(chosen.parent, [chosen.name])


def _run(root: Path, recipe: Recipe) -> None:
    env = environment()
    paths = [str(CODE), *filter(None, [env.get("PYTHONPATH")])]
    env = {THREADS: str(recipe.machine.threads)} | env | {"PYTHONPATH": os.pathsep.join(paths)}
    words = [sys.executable, "-m", f"stages.{recipe.stage}", recipe.edit]
    done = subprocess.run(words, cwd=root, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise FlowError(f"stage {recipe.stage} failed: {said.removeprefix('prefactor: error: ')}")


def _apart(made: Path, published: Path) -> dict[str, str]:
    """By tensor that differs, by how much."""
    here, there = read_tensors(made), read_tensors(published)
    apart: dict[str, str] = {}
    for name in sorted(here.keys() | there.keys()):
        if name not in here or name not in there:
            apart[name] = "is only " + ("here" if name in here else "there")
        elif here[name].shape != there[name].shape:
            apart[name] = f"shape {tuple(here[name].shape)} here, {tuple(there[name].shape)} there"
        elif not here[name].equal(there[name]):
            off, size = (here[name] - there[name]).abs().max().item(), there[name].abs().max().item()
            apart[name] = f"differs by {off:.3g} at most, where the largest is {size:.3g}"
    return apart


def _other(edit: Published, recipe: Recipe) -> Mapping[str, tuple[str, str]]:
    """What is another here than it was there."""
    code = fingerprint(Path("stages", f"{recipe.stage}.py"), CODE)
    pairs = {f"code of stage {recipe.stage} (sha256)": (code, edit.index.code.stages.get(recipe.stage, "unknown"))}
    then = recipe.machine
    pairs |= {
        name: (version, then.libraries.get(name, "none")) for name, version in computed_with()["libraries"].items()
    }
    pairs |= {"device": (str(usable_device()), then.device), "threads": (str(threads()), str(then.threads))}
    return {what: pair for what, pair in pairs.items() if pair[0] != pair[1]}

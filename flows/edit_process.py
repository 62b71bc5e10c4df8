"""Make one edit from the caches and put it into ``params.yaml``: ``python -m flows.edit_process JSON REPORT``.

In a process of its own, as a stage is: the model that it loads goes with it, and it never outlives the flow. The JSON
is what the flow was asked; file descriptor REPORT gets an exit code as a stage's.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from transformers.utils import logging

from flows.around.watch import watch_parent
from prefactor.config.base import parse
from prefactor.config.edits import PrefactorEdit
from prefactor.config.params import PARAMS, read_params
from prefactor.config_check.pipeline import PipelineConfig, check, check_text
from prefactor.errors import PrefactorError
from prefactor.export.to_params import check_name, save_edit
from prefactor.machine.streams import settle_streams
from prefactor.machine.trouble import trouble
from prefactor.printable import visible
from prefactor.query.parse import parse_query
from prefactor.workspace import Workspace

LATER = "of.the:0"  # stands for the subcomponents that are not chosen yet


def make(asked: dict[str, Any], folder: Path = Path()) -> None:
    """Check what was asked against the folder; then choose, fit and measure, and add the edit to its params.

    Raises:
        PrefactorError: something of it cannot be; ``params.yaml`` is as it was.
    """
    work, name, fit = Workspace(folder), asked["name"], {**asked}
    del fit["name"]
    check_name(work.params, name)
    target, component, query, seed = (fit.pop(key) for key in ("remove", "component", "query", "seed"))
    if component and query:
        raise PrefactorError(f"query = {query!r}: `component` names what is rescaled: leave out one of the two")
    tokens = fit.pop("tokens")
    if tokens is None:
        tokens = 4 if fit["tolerance"] is None and fit["reach"] is None else 0
    edit = work.removal(target, tokens, **fit)
    if component:
        work.known(component)
    if query:
        parse_query(query, f"query = {query!r}").check_domains(tuple(work.domains))
    rehearse(work.params, name, edit)
    made = work.remove(target, tokens, **fit, subcomponents=component or None, query=query or None, seed=seed)
    for part, label in made.labels.items():
        print(visible(f"{part}  {label!r}  prefactor {made.prefactors[part]:.3g}"), flush=True)
    for row in made.measure():
        print(
            visible(f"{row['domain']} ({row['role']}): {row['base_ce']:.2f}, then {row['edited_ce']:.2f}"), flush=True
        )
    # Last: params are a person's, and get nothing that could not be measured.
    save_edit(work.params, name, made.edit, made.facts["subcomponents"])
    print(f"{PARAMS} has it as edits.{name}", flush=True)


def rehearse(params: Path, name: str, edit: PrefactorEdit) -> None:
    """Whether all of ``params`` would be right with ``edit`` in it, and the corpus has as much text as it asks for.

    Raises:
        PrefactorError: what would be wrong.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / PARAMS
        shutil.copyfile(params, copy)
        save_edit(copy, name, edit, [LATER])
        config: PipelineConfig = parse(TypeAdapter(PipelineConfig), read_params(copy), "")
    check(config)
    metrics = json.loads((params.parent / "data/corpus/metrics.json").read_text(encoding="utf-8"))
    check_text(config, metrics["tokens"])


def main(asked: str, report: str) -> None:
    watch_parent()
    settle_streams()
    logging.disable_progress_bar()  # what is loaded here is loaded in a moment
    os.set_inheritable(int(report), False)
    code = 0
    try:
        make(json.loads(asked))
    except Exception as error:
        line = str(error) if isinstance(error, PrefactorError) else trouble(error)
        if line is None:
            raise
        print(f"prefactor: error: {line}", file=sys.stderr, flush=True)
        code = 2
    with os.fdopen(int(report), "w") as file:
        file.write(json.dumps({"code": code}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

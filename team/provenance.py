"""``prefactor provenance STAGE``: from what a stage's outputs were made, by which code, on what and how dear."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from prefactor.cli.terminal import AsJson, Folder, print_json, screen
from prefactor.errors import PrefactorError
from prefactor.printable import visible
from team.project import project
from team.terminal import plainly


@plainly
def provenance(
    stage: Annotated[str, typer.Argument(help="A stage's address: decompose, edit@NAME.")],
    folder: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """What a stage's outputs were made from: inputs, params, code, libraries, device, seconds."""
    with project(folder):
        known = facts(stage)
    if as_json:
        print_json(known)
        return
    table = Table("", "of", "is", title=visible(f"{stage}: {known['command']}"))
    for kind in ("made from", "with params", "wrote", "cost"):
        for name, value in known[kind].items():
            table.add_row(kind, visible(name), visible(str(value)))
    screen().print(table)


def facts(stage: str) -> dict[str, Any]:
    """What ``dvc.lock`` recorded of the stage, hashes as DVC has them, and its ledger if that is here.

    Raises:
        PrefactorError: nothing is recorded of it.
    """
    from ruamel.yaml import YAML

    from prefactor.files.artifacts import read_json

    lock = Path("dvc.lock")
    stages = YAML(typ="safe").load(lock.read_text(encoding="utf-8"))["stages"] if lock.is_file() else {}
    if stage not in stages:
        raise PrefactorError(f"{stage}: dvc.lock knows no such stage: name one of {', '.join(stages) or 'none yet'}")
    recorded = stages[stage]
    outs = {out["path"]: out["md5"] for out in recorded.get("outs", ())}
    ledger = next((Path(path) for path in outs if Path(path).name == "cost.json"), None)
    given = recorded.get("params", {})
    return {
        "command": recorded["cmd"],
        "made from": {dep["path"]: dep["md5"] for dep in recorded.get("deps", ())},
        "with params": {f"{file}:{key}": value for file, values in given.items() for key, value in values.items()},
        "wrote": outs,
        "cost": read_json(ledger) if ledger and ledger.is_file() else {},
    }

"""``prefactor doctor``: what could keep a run from working, each finding with its remedy."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from prefactor.cli.terminal import AsJson, Folder, print_json, screen
from prefactor.errors import PrefactorError
from prefactor.printable import visible
from team.checkup import BAD, examine
from team.terminal import plainly


@plainly
def doctor(
    integrity: Annotated[bool, typer.Option(help="Read every recorded output in the work tree and the cache.")] = True,
    folder: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Look after versions, DVC, Prefect, remote, disk, device, locks, cache; exit code 1 if something is wrong."""
    if not (folder / "dvc.yaml").is_file():
        raise PrefactorError(f"{folder.absolute()} has no dvc.yaml: name the project's folder (-C)")
    os.chdir(folder)
    findings = examine(integrity)
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        table = Table("", "about", "finding", "remedy")
        for finding in findings:
            table.add_row(finding.state, finding.about, visible(finding.said), visible(finding.remedy))
        screen().print(table)
    if any(finding.state == BAD for finding in findings):
        raise typer.Exit(1)

"""``prefactor verify``: read every byte that was recorded, name what is damaged, and heal it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from prefactor.cli.terminal import AsJson, Folder, print_json, screen
from prefactor.printable import visible
from team.project import project
from team.terminal import plainly


@plainly
def verify(
    heal: Annotated[bool, typer.Option("--heal", help="Put the nearest good copy in its place.")] = False,
    remote: Annotated[bool, typer.Option("--remote", help="Read the remote, too: all of it is downloaded.")] = False,
    folder: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Read every recorded output in the work tree and the cache; exit code 1 if something is, and stays, damaged."""
    with project(folder):
        from flows.around.repository import alone
        from flows.run import ended
        from flows.supply import damage

        with alone():
            ended.record_all()
            found = damage.find(remote)
            healed = damage.heal(found) if heal else [damage.Healed(each, "") for each in found]
    rows = [
        {"place": each.damage.place, "output": each.damage.path, "stage": each.damage.stage, "from": each.source}
        for each in healed
    ]
    left = [row for row in rows if not row["from"]]
    if as_json:
        print_json(rows)
    elif not rows:
        print("everything recorded is as it was made")
    else:
        table = Table("damaged in", "output", "healed from")
        for row in rows:
            lost = f"no good copy: {row['stage']} makes it again" if heal else "not yet (--heal)"
            table.add_row(row["place"], visible(row["output"]), row["from"] or lost)
        screen().print(table)
    if left:
        raise typer.Exit(1)

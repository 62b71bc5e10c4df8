"""``prefactor push``, ``pull``, ``status`` and ``repro``: a shared cache in daily use."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from prefactor.cli.terminal import AsJson, Folder, print_json, screen
from prefactor.errors import PrefactorError
from prefactor.printable import visible
from team.project import project
from team.terminal import plainly

SHOWN = ("shortlist", "candidates", "selection", "edit", "baseline", "evaluate", "evaluate-baseline", "report")
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before what takes long.")]
Names = Annotated[list[str] | None, typer.Argument(help="Stages (edit, edit@NAME); what the report shows if left out.")]


@plainly
def push(folder: Folder = Path(".")) -> None:
    """Send what was made to the remote; damaged objects stay here."""
    with project(folder):
        from flows.run.dag import read_dag
        from flows.supply import transfer
        from flows.supply.holdings import holdings
        from team.plan import size

        _need_remote()
        held = holdings(read_dag().outputs, remote=True)
        lacking = [each for each in held if not each.afar]
        sound = [each.output for each in lacking if each.cached]
        moved = transfer.push([output.path for output in sound])
        print(f"{len(held) - len(lacking)} outputs were there; sent {moved} files, {size(sum(o.size for o in sound))}")
        if len(sound) < len(lacking):
            lost = next(each.output for each in lacking if not each.cached)
            raise PrefactorError(
                f"{len(lacking) - len(sound)} outputs are not in this cache, whole and sound ({lost.path}): "
                "`prefactor verify --heal`, then push again"
            )


@plainly
def pull(
    names: Names = None, folder: Folder = Path("."), everything: Annotated[bool, typer.Option("--all")] = False
) -> None:
    """Fetch what the report shows, or the outputs of some stages, or all."""
    with project(folder):
        from flows.run import ended
        from flows.run.dag import read_dag
        from flows.supply.supply import Plan, obtain, place
        from team.plan import size

        _need_remote()
        ended.record_all()
        dag = read_dag(tuple(names or ()))
        wanted = [o for o in dag.absent if everything or {o.stage, o.stage.split("@")[0]} & set(names or SHOWN)]
        if not (everything or names):
            wanted = [output for output in wanted if is_shown(output.stage, output.path, dag.reads["report"])]
        local, remote, nowhere = place(wanted)
        found = Plan(dag, local, remote, ())
        damaged = obtain(found)
        came = [output for output in remote if output.path not in damaged]
        print(f"{len(local)} outputs from the cache, {len(came)} from the remote ({size(sum(o.size for o in came))})")
        if damaged:
            raise PrefactorError(
                f"{len(damaged)} outputs are damaged at the remote and were not taken ({min(damaged)}): "
                "who has them whole: `prefactor verify --remote --heal`"
            )
        if nowhere:
            raise PrefactorError(
                f"{len(nowhere)} outputs are at no remote ({nowhere[0].path}): ask who has them to `prefactor push`"
            )


def is_shown(stage: str, path: str, reads: Collection[str]) -> bool:
    """Whether the output ``path`` is on the page, or read for it: of an edit not its changes, which are large."""
    return stage == "report" or any(Path(path).is_relative_to(read) for read in reads)


@plainly
def status(folder: Folder = Path("."), remote: bool = True, as_json: AsJson = False) -> None:
    """By stage: is it up to date, and where are its outputs: here, in the cache, at the remote?"""
    with project(folder):
        from flows.run.dag import check_code, read_dag
        from flows.supply import transfer
        from flows.supply.holdings import holdings
        from team.plan import size

        check_code()
        dag = read_dag()
        ask = remote and bool(transfer.default_remote())
        held = holdings(dag.outputs, remote=ask)
        rows = []
        for stage in dag.needs:
            own = [each for each in held if each.output.stage == stage]
            state = "changed" if stage in dag.changed else "after it" if stage in dag.expected else "up to date"
            counts = {place: sum(getattr(each, place) for each in own) for place in ("here", "cached", "afar")}
            total = sum(each.output.size for each in own)
            rows.append({"stage": stage, "state": state, "outputs": len(own), **counts, "bytes": total})
        if as_json:
            print_json(rows)
            return
        title = f"outputs by where they are; remote: {transfer.remote_url() or 'none (prefactor share init)'}"
        table = Table("stage", "state", "outputs", "here", "cache", "remote", "size", title=title)
        for row in rows:
            afar = str(row["afar"]) if ask else ""
            figures = (str(row["outputs"]), str(row["here"]), str(row["cached"]), afar, size(row["bytes"]))
            table.add_row(visible(row["stage"]), row["state"], *figures)
        screen().print(table)


@plainly
def repro(
    stage: Annotated[
        list[str] | None, typer.Argument(help="Stages to bring up to date, with what they need; all.")
    ] = None,
    yes: Yes = False,
    dry: Annotated[bool, typer.Option("--dry", help="Only say what would be done.")] = False,
    folder: Folder = Path("."),
) -> None:
    """Bring all up to date: fetch what is needed and was made, make what was not; ask before what takes long."""
    with project(folder):
        from flows import pipeline
        from flows.run.durations import Durations
        from flows.supply.supply import Plan
        from team.plan import agree, show

        def asked(plan: Plan) -> bool:
            durations = Durations()
            show(plan, durations)
            if not dry:
                agree(plan, durations, yes)
            return not dry

        pipeline.run(stage or (), asked)


def _need_remote() -> None:
    from flows.supply import transfer

    if not transfer.default_remote():
        raise PrefactorError("no remote is set: prefactor share init URL (a folder, ssh://, s3://, webdavs://, ...)")

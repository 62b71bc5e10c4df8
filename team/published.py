"""``prefactor use`` and ``prefactor reproduce``: what others published, in this project and made again."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prefactor.cli.terminal import print_json, screen, visible
from team.terminal import plainly

if TYPE_CHECKING:
    from prefactor.published.find import Published

SHOWN = 12  # digits of a hash on a screen


@plainly
def use(
    source: Annotated[
        str | None, typer.Argument(help="A folder, or ORG/NAME on the Hub; what is pinned if left out.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Of the Hub: a tag, a branch or a commit.")] = None,
    sha256: Annotated[str | None, typer.Option(help="That it has to have, as `prefactor publish` says it.")] = None,
    base: Annotated[str | None, typer.Option(help="Where the base model lies, if it was not passed on.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Replace what is there, and do not ask.")] = False,
    trust_remote_code: Annotated[bool, typer.Option(help="Run code that its target brings; read it first.")] = False,
) -> None:
    """Put a published decomposition into this project: `dvc repro` then makes edits from it, and decomposes nothing."""
    from team.use import use

    console = screen()

    def agree(found: "Published", others: list[str]) -> bool:
        console.print(visible(f"{found.index.called} (sha256 {found.sha256[:SHOWN]}) replaces:"))
        for other in others:
            console.print(visible(f"  {other}"))
        return yes or (sys.stdin.isatty() and typer.confirm("Go on?"))

    done = use(source, revision, sha256, base, trust_remote_code, agree=agree)
    index = done.found.index
    console.print(
        visible(f"{index.called} is in data/, pinned in decomposition.yaml (sha256 {done.found.sha256[:SHOWN]})")
    )
    if done.other_code:
        by = index.code.prefactor + (f", commit {index.code.commit[:SHOWN]}" if index.code.commit else "")
        console.print(
            visible(f"other code than this made it (prefactor {by}), of {', '.join(done.other_code)}: kept as it is")
        )
    console.print(
        "`dvc repro` makes the edits; git tracks params.yaml, dvc.lock, decomposition.yaml and overrides.yaml"
    )


@plainly
def reproduce(
    folder: Annotated[Path, typer.Argument(help="An edit that `prefactor publish --edit` wrote; or ORG/NAME.")],
    decomposition: Annotated[
        str | None, typer.Option(help="Where its decomposition is, if elsewhere than it says.")
    ] = None,
    base: Annotated[str | None, typer.Option(help="Where the base model lies, if it was not passed on.")] = None,
    revision: Annotated[str | None, typer.Option(help="Of an edit on the Hub.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output, and nothing else.")] = False,
) -> None:
    """Make a published edit again from its published decomposition, and compare the adapter's bytes."""
    from team.reproduce import reproduce

    done = reproduce(str(folder), revision, decomposition, base)
    if as_json:
        print_json(done.told)
    else:
        for line in done.lines:
            screen().print(visible(line))
    if not done.equal:
        raise typer.Exit(1)

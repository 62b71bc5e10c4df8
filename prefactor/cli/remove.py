"""``prefactor remove``: one command that finds an edit, shows what it tries, and hands over what it found."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prefactor.cli.terminal import AsJson, Folder, plainly, print_json, screen, visible
from prefactor.config.edits import Goal
from prefactor.config.numbers import real

if TYPE_CHECKING:
    from prefactor.search.search import Search

SECONDS = 120.0


@plainly
def remove(
    target: Annotated[str, typer.Argument(help="The domain to remove: its tag or its language (de, german).")],
    seconds: Annotated[float, typer.Option(help="How long to try.")] = SECONDS,
    goal: Annotated[Goal, typer.Option(help="chance, or unigram (no better than word frequencies).")] = "chance",
    retain: Annotated[
        list[str] | None, typer.Option(help="Domain that report.bars calls retained; may be repeated.")
    ] = None,
    query: Annotated[str | None, typer.Option(help="As choose.query: draw from what matches alone.")] = None,
    seed: Annotated[int, typer.Option(help="Of what is proposed.")] = 0,
    more: Annotated[float, typer.Option(help="Go on for so long where nothing meets report.bars by then.")] = 0.0,
    keep: Annotated[str | None, typer.Option(help="Add the edit to params.yaml under this name.")] = None,
    export: Annotated[Path | None, typer.Option(help="Write a PEFT adapter into this new folder.")] = None,
    chat: Annotated[bool, typer.Option("--chat", help="Read prompts, and say what it makes of them.")] = False,
    menu: Annotated[bool, typer.Option("--menu/--no-menu", help="Ask what next, on a terminal.")] = True,
    folder: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Find the edit that removes a domain at the least price to the worst of the others, and keep all that is tried."""
    from transformers.utils import logging

    from prefactor.cli.remove_found import Found, print_found
    from prefactor.cli.remove_live import Lines, Live
    from prefactor.cli.remove_menu import Menu, talk
    from prefactor.export.to_params import check_name
    from prefactor.files.new_folder import check_new
    from prefactor.search.search import Search
    from prefactor.workspace import Workspace

    logging.disable_progress_bar()
    real("--seconds", seconds, positive=True)
    if more:
        real("--more", more, positive=True)
    work = Workspace(folder)
    if keep is not None:
        check_name(work.params, keep)
    if export is not None:
        check_new(export)
    search = Search(work, target, retain=retain, goal=goal, seed=seed, query=query)
    asks = menu and not as_json and sys.stdin.isatty() and sys.stdout.isatty()
    shown = Live(search) if sys.stdout.isatty() and not as_json else Lines(search)
    console = screen()

    def go_on(length: float) -> None:
        _run(search, length, shown)

    go_on(seconds)
    found = Found(search)
    if more > 0 and not found.meets and not shown.stopped:
        go_on(more)
        found = Found(search)
    written = []
    rows = found.rows  # before anything is written: what cannot be measured is not handed over
    if export is not None:
        written.append(str(found.edited.export(export)))
    if keep is not None:
        found.keep(keep)
    if as_json:
        print_json(found.as_json(written) | {"kept": keep, "rows": rows})
        return
    print_found(console, found, shown.seconds)
    for path in written:
        console.print(visible(f"written: {path}"))
    if keep is not None:
        console.print(visible(f"{work.params} has it as edits.{keep}: `dvc repro` makes its tables"))
    if asks:
        Menu(console, found, go_on).ask()
    elif chat:
        talk(console, found)


def _run(search: "Search", seconds: float, shown: Any) -> None:
    """Try for ``seconds``, or until Ctrl-C, which ends this after the trial at hand; a second one ends all."""
    with _interrupted() as stopped:
        begin = time.monotonic()
        with shown.running(seconds):
            search.run(seconds, shown.tried, lambda: bool(stopped))
    shown.seconds += time.monotonic() - begin
    shown.stopped = bool(stopped)


@contextmanager
def _interrupted() -> Iterator[list[int]]:
    """A list that gets the signal of the first Ctrl-C within the block."""
    seen: list[int] = []

    def once(number: int, frame: Any) -> None:
        seen.append(number)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, once)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)

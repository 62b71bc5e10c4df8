"""``prefactor bench``: drag prefactors in a browser."""

from pathlib import Path
from typing import Annotated

import typer

from prefactor.cli.terminal import Folder, plainly, visible

ADDRESS, PORT = "127.0.0.1", 8642


@plainly
def bench(
    port: Annotated[int, typer.Option(help="0 takes any that is free.", min=0, max=65535)] = PORT,
    address: Annotated[
        str, typer.Option(help="To listen on. Any but loopback lets other machines in who know the token.")
    ] = ADDRESS,
    browser: Annotated[bool, typer.Option(help="Open the page in this machine's browser.")] = True,
    folder: Folder = Path("."),
) -> None:
    """Open a local page on which prefactors are dragged and their effect is seen at once."""
    from transformers.utils import logging

    from prefactor.bench.serve import serve

    logging.disable_progress_bar()
    serve(folder, address, port, browser=browser, say=lambda line: print(visible(f"bench: {line}"), flush=True))

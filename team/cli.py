"""``prefactor``: the commands of the library, and those of a team, which need DVC or Prefect. ``prefactor --help``.

A command imports what it needs when it is called: ``prefactor --help`` waits for neither torch nor DVC.
"""

from prefactor.cli.main import app
from prefactor.machine.streams import settle_streams
from team.published import reproduce, use

app.command()(use)
app.command()(reproduce)


def main() -> None:
    settle_streams()
    app()

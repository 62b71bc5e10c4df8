"""``prefactor``: the commands of the library, and those of a team, which need DVC or Prefect. ``prefactor --help``.

A command imports what it needs when it is called: ``prefactor --help`` waits for neither torch nor DVC.
"""

from prefactor.cli.main import app
from prefactor.machine.streams import settle_streams
from team import share, transfers
from team.doctor import doctor
from team.provenance import provenance
from team.resolve import resolve
from team.verify import verify

app.add_typer(share.app, name="share")
for command in (transfers.push, transfers.pull, transfers.status, transfers.repro, verify, resolve, doctor, provenance):
    app.command()(command)


def main() -> None:
    settle_streams()
    app()

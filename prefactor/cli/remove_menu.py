"""What to do with what was found."""

import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from prefactor.cli.remove_found import Found, print_chosen, print_found
from prefactor.cli.terminal import visible
from prefactor.errors import PrefactorError
from prefactor.search.chat import Chat

MORE = 60.0  # seconds, unless told
CHOICES = (
    "keep (k), export (e), push (p), chat (c), more trials (m), another trial (its number), front (f), quit (q)"
)  # fmt: skip


def asked(question: str) -> str | None:
    """A line of a person; None where there is no more."""
    try:
        return input(question).strip()
    except EOFError:
        print()
        return None


class Menu:
    """Asks until a person is done.

    Args:
        go_on: searches on for so many seconds.
    """

    def __init__(self, console: Console, found: Found, go_on: Callable[[float], None]):
        self.console, self.found, self.go_on = console, found, go_on

    def ask(self) -> None:
        acts = {"k": self._keep, "e": self._export, "p": self._push, "c": self._chat, "m": self._more, "f": self._front}
        while True:
            self.console.print(f"\n{CHOICES}")
            answer = asked("> ")
            if answer is None or answer[:1] == "q":
                return
            try:
                if answer.isdecimal():
                    self.found = Found(self.found.search, int(answer))
                    print_chosen(self.console, self.found)
                elif answer[:1] in acts:
                    acts[answer[:1]]()
            except PrefactorError as error:
                self.console.print(visible(str(error)))

    def _keep(self) -> None:
        if name := asked("its name in params.yaml: "):
            self.found.keep(name)
            self._say(f"{self.found.search.work.params} has it as edits.{name}: `dvc repro` makes its tables")

    def _export(self) -> None:
        if folder := asked("a new folder: "):
            self._say(f"written: {self.found.edited.export(Path(folder))}")

    def _push(self) -> None:
        """What is published is what the DAG has made, so that others can make it again: the commands."""
        if name := asked("its name in params.yaml: "):
            self.found.keep(name)
            self._say(f"edits.{name} is in {self.found.search.work.params}. To publish it, when its stages have run:")
            self._say(f"  dvc repro evaluate@{name}\n  prefactor publish --edit {name} --hub ORG/{name}")

    def _chat(self) -> None:
        talk(self.console, self.found)

    def _more(self) -> None:
        given = asked(f"seconds ({MORE:g}): ")
        if given is None:
            return
        try:
            seconds = float(given or MORE)
        except ValueError:
            raise PrefactorError(f"seconds = {given}: give a number above 0") from None
        self.go_on(seconds)
        self.found = Found(self.found.search)
        self._front()

    def _front(self) -> None:
        print_found(self.console, self.found, 0.0)

    def _say(self, line: str) -> None:
        for part in line.splitlines():
            self.console.print(visible(part))


def talk(console: Console, found: Found) -> None:
    """Read prompts until an empty line, and print how the base and the edited model go on."""
    chat, terminal = Chat(found.search.work), sys.stdin.isatty()
    if terminal:
        console.print("write how a text begins; an empty line ends it")
    while prompt := asked("> " if terminal else ""):
        said = chat.say(found.edited, prompt)
        for when, text in (("before", said.before), ("after", said.after)):
            console.print(visible(f"{when:>6}  {prompt}▸{text}"))

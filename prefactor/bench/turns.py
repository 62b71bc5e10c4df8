"""Of what one page asks, the newest request counts: an older one that still runs ends at its next step."""

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock

from prefactor.errors import PrefactorError

PAGES = 1024  # remembered


class Superseded(PrefactorError):
    """A newer request of the same page has taken this one's place."""


@dataclass(frozen=True, eq=False)
class Turn:
    """One request's place in the row of its page."""

    turns: "Turns"
    key: tuple[str, str]
    number: int

    def check(self) -> None:
        """
        Raises:
            Superseded: there is a newer one.
        """
        if self.turns.newest(self.key) != self.number:
            raise Superseded("a newer request of this page has taken its place")


@dataclass(eq=False)
class Turns:
    """The number of the newest request of each page and kind."""

    _newest: "OrderedDict[tuple[str, str], int]" = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)
    _last: int = 0

    def begin(self, page: str, kind: str) -> Turn:
        key = (page, kind)
        with self._lock:
            self._last += 1
            self._newest[key] = self._last
            self._newest.move_to_end(key)
            if len(self._newest) > PAGES:
                self._newest.popitem(last=False)
            return Turn(self, key, self._last)

    def newest(self, key: tuple[str, str]) -> int | None:
        return self._newest.get(key)

"""How long stages take: what they took here last, else what they typically take.

``python -m flows.run.durations`` makes the last run's durations the typical ones (of the default params, two cores).
"""

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from prefactor.config.params import PARAMS, read_params
from prefactor.errors import PrefactorError

KEPT = Path(".runs/seconds.json")  # by stage, of this machine
TYPICAL = Path(__file__).with_name("typical_seconds.json")  # by kind of stage, default params on two cores


class Durations:
    """Seconds by stage. One of many (``edit@new``) is expected to take what its like take.

    What is typical is so of the default's target, and says nothing of a model that was loaded.
    """

    def __init__(self, data: Path = Path("data"), kept: Path = KEPT, params: Path = PARAMS) -> None:
        self._data = data
        self._kept = kept
        self._seconds: dict[str, float] = _read(kept)
        self._typical: dict[str, float] = _read(TYPICAL) if _trains_its_target(params) else {}

    def expect(self, stage: str) -> float | None:
        """Seconds that ``stage`` will presumably take; ``None`` where nothing is known."""
        if stage in self._seconds:
            return self._seconds[stage]
        cost = _read(self._data / stage.replace("@", "/") / "cost.json")
        if "seconds" in cost:
            return cost["seconds"]
        kind = stage.split("@")[0]
        like = sorted(seconds for other, seconds in self._seconds.items() if other.split("@")[0] == kind)
        return like[len(like) // 2] if like else self._typical.get(kind)

    def record(self, stage: str, seconds: float) -> None:
        """Keep what ``stage`` took, for the next run's estimates."""
        self._seconds[stage] = round(seconds, 1)
        temporary = self._kept.with_suffix(".tmp")
        with suppress(OSError):  # nor is it worth an error here
            self._kept.parent.mkdir(exist_ok=True)
            temporary.write_text(json.dumps(self._seconds, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            temporary.replace(self._kept)

    def left(self, waiting: Collection[str], running: Mapping[str, float], cores: int) -> float | None:
        """Seconds until all is done: ``waiting`` not begun, ``running`` by the seconds since; ``None`` if unknown.

        Stages of one edit run beside those of others, up to ``cores`` of them; the rest runs one after the other.
        """
        alone = together = 0.0
        for stage in (*waiting, *running):
            expected = self.expect(stage)
            if expected is None:
                return None
            seconds = max(0.0, expected - running.get(stage, 0.0))
            if "@" in stage:
                together += seconds
            else:
                alone += seconds
        return alone + together / cores


def _trains_its_target(params: Path) -> bool:
    try:
        return read_params(params)["target"]["model"]["source"] == "train"
    except (PrefactorError, LookupError, TypeError):  # who checks params says what is wrong with them
        return False


def _read(path: Path) -> dict[str, float]:
    """A JSON mapping, or nothing: an estimate is not worth an error."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def typical(seconds: Mapping[str, float]) -> dict[str, float]:
    """By kind of stage: the median of its like."""
    kinds: dict[str, list[float]] = {}
    for stage, value in seconds.items():
        kinds.setdefault(stage.split("@")[0], []).append(value)
    return {kind: sorted(values)[len(values) // 2] for kind, values in sorted(kinds.items())}


if __name__ == "__main__":
    TYPICAL.write_text(json.dumps(typical(_read(KEPT)), indent=1) + "\n", encoding="utf-8")

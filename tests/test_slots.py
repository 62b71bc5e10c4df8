"""Stages that take longest to the end go first."""

import threading

from flows.run.slots import Slots, ways

NEEDS = {
    "corpus": (),
    "baseline": ("corpus",),
    "decompose": ("corpus",),
    "edit": ("decompose",),
    "report": ("edit", "baseline"),
}
SECONDS = {"corpus": 5.0, "baseline": 80.0, "decompose": 100.0, "edit": 30.0, "report": 3.0}


def test_a_way_is_the_longest_to_the_end() -> None:
    longest = ways(NEEDS, SECONDS.get)
    assert longest == {"report": 3.0, "edit": 33.0, "decompose": 133.0, "baseline": 83.0, "corpus": 138.0}
    assert ways(NEEDS, lambda stage: None)["corpus"] == 4.0  # nothing known: as many seconds as stages


def test_the_most_urgent_of_those_that_wait_goes_first() -> None:
    slots, order, inside = Slots(1, ways(NEEDS, SECONDS.get), grace=0.2), [], []

    def run(stage: str) -> None:
        with slots.hold(stage):
            inside.append(stage)
            assert len(inside) == 1
            order.append(stage)
            inside.remove(stage)

    threads = [threading.Thread(target=run, args=(stage,)) for stage in ("report", "baseline", "edit", "decompose")]
    for thread in threads:  # the most urgent comes last
        thread.start()
    for thread in threads:
        thread.join(10)
    assert order == ["decompose", "baseline", "edit", "report"]


def test_there_is_room_for_as_many_as_there_are_cores() -> None:
    slots, barrier = Slots(2, {}, grace=0.0), threading.Barrier(2)

    def run(stage: str) -> None:
        with slots.hold(stage):
            barrier.wait(10)  # both are inside

    threads = [threading.Thread(target=run, args=(stage,)) for stage in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not barrier.broken

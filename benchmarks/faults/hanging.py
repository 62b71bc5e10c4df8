"""A stage that hangs, and a time-out that ends it."""

import random
import time

from benchmarks.faults.planted import Planted, Setting, note, recover, settle
from benchmarks.faults.project import HUNG, STAGES

MINUTES = "0.25"


def hang(setting: Setting, dice: random.Random, times: int) -> list[Planted]:
    """One stage's command never ends; the run ends it after so many minutes, and the next run goes on."""
    planted = []
    expected = setting.made.result()
    for number in range(times):
        project = setting.unmade.copy(setting.folder / f"hang-stage{number}")
        (project.folder / "hang.log").write_text(f"{dice.choice(STAGES)}\n", encoding="utf-8")
        project.env["PREFACTOR_STAGE_MINUTES"] = MINUTES
        before, begin = project.made(), time.monotonic()
        code = project.wait(project.start("flow"))
        found, finished, then = note(project, before)
        if code == HUNG or code == 0 or MINUTES not in found.said:
            found.person = f"ended with {code} after {time.monotonic() - begin:.0f} s: {found.said}"
        found.orphans = project.orphans(project.mark)
        (project.folder / "hang.log").unlink()
        del project.env["PREFACTOR_STAGE_MINUTES"]
        last = recover(project, expected)
        settle(found, finished, then, project.made())
        found.wrong, found.person = last.wrong, found.person or last.person
        found.seconds = last.seconds
        planted.append(found)
        project.remove()
    return planted

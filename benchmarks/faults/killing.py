"""Something of a run dies: a stage's command, its process, the flow; or a person stops it."""

import os
import random
import signal
import time
from collections.abc import Callable

import psutil

from benchmarks.faults.planted import Planted, Setting, alive, living, note, recover, settle
from benchmarks.faults.project import HUNG, Project

IN_A_ROW = 4  # disturbed runs of one project before one that is left in peace
Act = Callable[[Project, int, Setting, random.Random], bool]  # whether it came in time


def in_a_row(act: Act, setting: Setting, dice: random.Random, times: int) -> list[Planted]:
    """Disturb run after run of fresh projects, each begun at once where the last one was cut off."""
    planted: list[Planted] = []
    expected = setting.made.result()
    while len(planted) < times:
        project = setting.unmade.copy(setting.folder / f"{act.__name__}{len(planted)}")
        notes, marks = [], []
        while len(notes) < min(IN_A_ROW, times - len(planted)):
            before = project.made()
            marks.append(project.remark())
            run, begin = project.start("flow"), time.monotonic()
            in_time = act(project, run, setting, dice)
            code = project.wait(run)
            if code == 0 and not in_time:
                break  # it had ended before
            found = note(project, before)
            if code == 0:  # it tried that stage again, and put things right by itself
                found[0].seconds = time.monotonic() - begin
            if code == HUNG or not in_time:
                found[0].person = f"it {'hung' if code == HUNG else 'failed by itself'}: {found[0].said}"
            notes.append(found)
            if code == 0:
                break
        marks.append(project.remark())
        last = recover(project, expected)
        made = project.made()
        for (each, finished, then), mark in zip(notes, marks, strict=False):
            settle(each, finished, then, made)
            each.orphans = project.orphans(mark)
            each.wrong, each.person = last.wrong, each.person or last.person
        if notes and notes[-1][0].seconds is None:
            notes[-1][0].seconds = last.seconds
        planted += [each for each, _, _ in notes]
        project.remove()
    return planted


def kill_command(project: Project, run: int, setting: Setting, dice: random.Random) -> bool:
    """kill -9 of the shell that a stage has started, once one of its commands has begun."""
    seen = _command(project)
    skip = dice.randrange(2)  # stages to let pass
    while alive(run):
        now = _command(project)
        if now != seen:
            seen = now
            if skip:
                skip -= 1
                continue
            time.sleep(dice.uniform(0, 0.3))
            return _kill(int(now or 0))
        time.sleep(0.01)
    return False


def kill_stage(project: Project, run: int, setting: Setting, dice: random.Random) -> bool:
    """kill -9 of the process that reproduces a stage, at any moment of its life."""
    skip = dice.randrange(2)
    until = time.monotonic() + setting.begun + dice.uniform(0, 1 + skip * 4)
    while alive(run):
        if time.monotonic() > until:
            found = living(project, "flows.run.stage_process")
            if found:
                time.sleep(dice.uniform(0, 3))
                return _kill(dice.choice(found).pid)
        time.sleep(0.05)
    return False


def kill_flow(project: Project, run: int, setting: Setting, dice: random.Random) -> bool:
    return _signal(signal.SIGKILL, run, setting, dice)


def terminate(project: Project, run: int, setting: Setting, dice: random.Random) -> bool:
    return _signal(signal.SIGTERM, run, setting, dice)


def interrupt(project: Project, run: int, setting: Setting, dice: random.Random) -> bool:
    return _signal(signal.SIGINT, run, setting, dice)


def _signal(number: signal.Signals, run: int, setting: Setting, dice: random.Random) -> bool:
    until = time.monotonic() + dice.uniform(0, setting.undisturbed * 0.9)
    while alive(run):
        if time.monotonic() > until:
            os.kill(run, number)
            return True
        time.sleep(0.02)
    return False


def _command(project: Project) -> str:
    log = project.folder / "command.log"
    return log.read_text(encoding="utf-8").strip() if log.is_file() else ""


def _kill(pid: int) -> bool:
    """Whether it was still there."""
    try:
        if pid:
            psutil.Process(pid).kill()
    except psutil.NoSuchProcess:
        return False
    return bool(pid)

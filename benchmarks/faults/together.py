"""Two at once: two runs of one folder, two edits' stages side by side, two clones with an edit each."""

import random
import time

from benchmarks.faults.planted import Planted, Setting, difference, lines_of, recover
from benchmarks.faults.project import Project


def two_flows(setting: Setting, dice: random.Random, times: int) -> list[Planted]:
    """One of two runs is refused, by name, or finds all made; no stage is made twice."""
    planted = []
    expected = setting.made.result()
    for number in range(times):
        project = setting.unmade.copy(setting.folder / f"two-flows{number}")
        begin = time.monotonic()
        one = project.start("flow")
        time.sleep(dice.uniform(0, setting.undisturbed / 2) if number % 2 else dice.uniform(0, 0.5))
        other = project.start("flow", log="other.log")
        codes = [project.wait(one), project.wait(other)]
        found = Planted(seconds=time.monotonic() - begin, orphans=project.orphans(project.mark))
        said = [project.said(), project.said("other.log")]
        refused = [text for code, text in zip(codes, said, strict=True) if code == 2 and "another run works" in text]
        if not (0 in codes and len(refused) + codes.count(0) == 2):
            found.person = f"exit codes {codes}: {lines_of(said[0])[-1:]} {lines_of(said[1])[-1:]}"
        found.again = [stage for stage, count in project.made().items() if count > 1]
        found.wrong = difference(project.result(), expected)
        planted.append(found)
        project.remove()
    return planted


def two_stages(setting: Setting, dice: random.Random, times: int) -> list[Planted]:
    """Two processes of one project's DVC, an edit each, as a flow has them; both are recorded."""
    planted = []
    expected = setting.made.result()
    half = setting.unmade.copy(setting.folder / "half")
    half.call("flow", "--stage", "decompose")
    for number in range(times):
        project = half.copy(setting.folder / f"two-stages{number}")
        begin = time.monotonic()
        one = project.start("stage", "edit@first")
        time.sleep(dice.uniform(0, 2))
        other = project.start("stage", "edit@second", log="other.log")
        codes = [project.wait(one), project.wait(other)]
        found = recover(project, expected)
        found.orphans = project.orphans(project.mark)
        if any(codes):
            found.person = f"exit codes {codes}: {project.said('other.log')}"
        found.again = [stage for stage, count in project.made().items() if count > 1]
        found.seconds = time.monotonic() - begin
        planted.append(found)
        project.remove()
    half.remove()
    return planted


def merge(setting: Setting, dice: random.Random, times: int) -> list[Planted]:
    """Two clones make an edit each and commit; after merge and resolve only the report is made again."""
    planted = []
    for number in range(times):
        sides = [_with_an_edit(setting, f"{side}{number}", dice) for side in ("left", "right")]
        mine, theirs = (project for project, _ in sides)
        before = mine.made()
        mine.git("fetch", "-q", str(theirs.folder), "main")
        in_conflict = mine.git("merge", "-q", "FETCH_HEAD", check=False).returncode != 0
        code, said = mine.call("prefactor", "resolve")
        found = Planted(said=said.strip())
        if code or not in_conflict:
            found.person = f"conflict: {in_conflict}; resolve ended with {code}: {said.strip()}"
        mine.git("commit", "-qam", "merged")
        begin = time.monotonic()
        code, said = mine.call("prefactor", "repro", "--yes")
        found.seconds = time.monotonic() - begin
        if code:
            found.person = found.person or f"exit code {code}: {said[-300:]}"
        now = mine.made()
        found.again = sorted(stage for stage in now if now[stage] > before[stage] and stage != "report")
        report = (mine.folder / "data/report/out.txt").read_text(encoding="utf-8")
        if any(f"edit@{name}\n" not in report for _, name in sides):
            found.wrong = "data/report/out.txt lacks an edit"
        found.orphans = mine.orphans(mine.mark)
        planted.append(found)
        for project, _ in sides:
            project.remove()
    return planted


def _with_an_edit(setting: Setting, name: str, dice: random.Random) -> tuple[Project, str]:
    """A clone that has made one more edit, pushed and committed."""
    project = setting.made.clone(setting.folder / name)
    params = project.folder / "params.yaml"
    lines = params.read_text(encoding="utf-8").splitlines(keepends=True)
    start = lines.index("  second:\n")
    entry = lines[start:]
    length = next(n for n, line in enumerate(entry) if n and not line.startswith("    "))
    place = start + dice.choice((0, length))  # before the last edit, or behind it
    params.write_text("".join([*lines[:place], f"  {name}:\n", *entry[1:length], *lines[place:]]), encoding="utf-8")
    for words in (("pull", "edit", "decompose"), ("repro", "--yes"), ("push",)):
        code, said = project.call("prefactor", *words)
        if code:
            raise RuntimeError(f"prefactor {' '.join(words)} ended with {code}: {said}")
    project.git("commit", "-qam", name)
    return project, name

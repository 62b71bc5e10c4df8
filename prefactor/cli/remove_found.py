"""What a search found: the trial that is taken, the edit that it is, and what that does to text of the eval split."""

from dataclasses import asdict
from functools import cached_property
from typing import Any

from rich.console import Console
from rich.table import Table

from prefactor.cli.remove_front import front_table
from prefactor.cli.terminal import visible
from prefactor.config.params import section
from prefactor.config.report import ReportConfig
from prefactor.corpus.languages import language_name
from prefactor.errors import PrefactorError
from prefactor.export.edited_model import Edited
from prefactor.export.to_params import save_edit
from prefactor.files.artifacts import read_entry
from prefactor.report.verdict import BAR, Verdict, judge
from prefactor.search.choose import beyond, choose
from prefactor.search.search import Search
from prefactor.search.trial import Trial


class Found:
    """The front of ``search`` as it now is, and of it the trial that is taken: by ``report.bars``, or by ``number``.

    Raises:
        PrefactorError: nothing was tried, or no trial of the front has this number.
    """

    def __init__(self, search: Search, number: int | None = None):
        self.search, self.front = search, search.front()
        self.tried = len(search.trials())
        if not self.front:
            raise PrefactorError("nothing was tried in that time: give it more --seconds")
        self.bars = section("report", ReportConfig, search.work.params).bars
        by_number = {trial.number: trial for trial in self.front}
        if number is not None and number not in by_number:
            raise PrefactorError(f"no trial of the front has number {number}: take one of {sorted(by_number)}")
        self.trial: Trial = choose(self.front, search.domains, self.bars) if number is None else by_number[number]

    @property
    def meets(self) -> bool:
        """Whether it meets ``report.bars`` on the select split."""
        return beyond(self.trial, self.search.domains, self.bars) == 0

    @cached_property
    def edited(self) -> Edited:
        return self.search.edited(self.trial)

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """Of the eval split, which nothing was chosen on."""
        return self.edited.measure()

    @cached_property
    def verdict(self) -> Verdict:
        """... against ``report.bars``."""
        domains, work = self.search.domains, self.search.work
        own = {row["domain"]: row for row in self.rows}
        ce = own[domains.target]["edited_ce"]
        unigram = read_entry(work.data / "target" / "metrics.json", "unigram_ce", domains.target)
        damage = {domain: row["damage_own"] for domain, row in own.items()}
        gaps = {"chance": ce - work.chance, "unigram": ce - unigram}
        return judge(self.edited.edit, gaps, damage, domains.protect + domains.unseen, self.bars)

    def keep(self, name: str) -> None:
        save_edit(self.search.work.params, name, self.edited.edit, self.trial.subcomponents)

    def as_json(self, written: list[str]) -> dict[str, Any]:
        verdict = self.verdict
        return {
            "tried": self.tried,
            "front": [_row(trial) for trial in self.front],
            "chosen": _row(self.trial),
            "holds": {"holds": verdict.holds, "missed": list(verdict.missed), "goal": verdict.goal, "gap": verdict.gap},
            "written": written,
        }


def print_found(console: Console, found: Found, seconds: float) -> None:
    """The front, and the trial that was taken."""
    console.print(front_table(found.front, found.trial, whole=True))
    console.print(f"{found.tried} tried, {seconds:.0f} s of it now; kept in {visible(str(found.search.store.path))}")
    print_chosen(console, found)


def print_chosen(console: Console, found: Found) -> None:
    """The subcomponents of the trial that is taken, and what it does."""
    trial, verdict = found.trial, found.verdict
    guard = f", guarded by {trial.guarded}, ridge {trial.ridge:g}" if trial.guarded else ", not guarded"
    console.print(f"\ntrial {trial.number}{guard}")
    parts = Table(show_header=False, box=None)
    for name, label, prefactor in zip(trial.subcomponents, trial.labels, trial.prefactors, strict=True):
        parts.add_row(f"  {prefactor:+.3f}", visible(name), visible(label))
    console.print(parts)
    console.print(f"nats a token on the eval split, on which nothing was chosen; the goal is {BAR[verdict.goal]}")
    table = Table("domain", "")
    for column in ("before", "after", "damage", "own text"):
        table.add_column(column, justify="right")
    for row in found.rows:
        figures = [f"{row['base_ce']:.2f}", f"{row['edited_ce']:.2f}", f"{row['damage']:+.3f}"]
        table.add_row(visible(row["domain"]), row["role"], *figures, f"{row['damage_own']:+.3f}")
    console.print(table)
    name = language_name(found.search.domains.target)
    above = f"{abs(verdict.gap):.2f} nats {'beyond' if verdict.gap >= 0 else 'short of'} {verdict.bar}"
    missed = "; ".join(verdict.missed)
    console.print(
        visible(f"{name} ends {above}. " + ("It holds." if verdict.holds else f"It does not hold: {missed}."))
    )


def _row(trial: Trial) -> dict[str, Any]:
    return {key: value for key, value in asdict(trial).items() if key != "key"}

"""What is tried first: the edits that the stages made of the same target, and what leads the pool, alone."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from prefactor.config.domains import Domains
from prefactor.config.edits import EditConfig, GuardedEdit, ScalarEdit
from prefactor.config.guard import GuardByImportance
from prefactor.config.params import section
from prefactor.config.report import ReportConfig
from prefactor.edits.made import fits_folder, read_edit
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import MANIFEST
from prefactor.search.goal import FIRST
from prefactor.search.trial import MOST, Proposal, Weigh
from prefactor.vpd.store import components_sha256
from prefactor.workspace import Workspace

ALONE = 4  # of the pool
WEIGH: Weigh = "context"  # of a guard, unless told: what the default's `reach` has
RIDGE = 0.01


@dataclass(frozen=True)
class Start:
    source: str
    proposal: Proposal
    prefactors: tuple[float, ...] | None = None  # as they were made; None: as far as the goal is
    first: float = FIRST  # a size |1 - α| that the goal may be near

    @property
    def key(self) -> str:
        """The same for what comes to the same."""
        if self.prefactors is None:
            return self.proposal.key
        given = json.dumps([self.proposal.key, self.prefactors])
        return hashlib.sha256(given.encode()).hexdigest()[:24]


def made(work: Workspace, domains: Domains) -> Iterator[Start]:
    """Edits of ``params.yaml`` that were made of the same target and retained domains, as they are and to the goal.

    No controls; that of the report's headline first, since time may be short.
    """
    decomposition, report = components_sha256(work.data), section("report", ReportConfig, work.params)
    edits = section("edits", dict[str, EditConfig], work.params)
    for name, edit in sorted(edits.items(), key=lambda entry: entry[0] != report.edit):
        if (
            name in report.controls
            or not isinstance(edit, ScalarEdit | GuardedEdit)
            or edit.directions != "subcomponents"
        ):
            continue
        guard = edit.guard if isinstance(edit, GuardedEdit) else None
        alike = (edit.domains.target, edit.domains.retain) == (domains.target, domains.retain)
        if not alike or not isinstance(guard, GuardByImportance | None):
            continue
        if not (fits_folder(work.data, name) / MANIFEST).is_file():
            continue
        with suppress(PrefactorError):  # stale or damaged: who reads the edit itself is told
            known = read_edit(work.data, name)
            pairs = dict(zip(known["subcomponents"], known["prefactors"], strict=True))
            moved = {name: 1 - prefactor for name, prefactor in pairs.items()}
            if known["decomposition"] != decomposition or len(pairs) > MOST or not any(moved.values()):
                continue
            weigh, ridge = (None, None) if guard is None else (guard.weigh, guard.ridge)
            proposal = Proposal.of(moved.items(), weigh, ridge)
            yield Start(name, proposal, tuple(pairs[name] for name in proposal.subcomponents))
            yield Start(name, proposal, first=max(map(abs, moved.values())))


def alone(pool: Sequence[str]) -> Iterator[Start]:
    for name in pool[:ALONE]:
        yield Start("alone", Proposal.of([(name, 1.0)], WEIGH, RIDGE))

"""The model of a workspace, and what an edit makes of it now: one after the other, each leaving every bit as it was."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn

from prefactor.bench.asked import AskedEdit
from prefactor.bench.guards import Terms
from prefactor.bench.turns import Turn
from prefactor.config.domains import Domains
from prefactor.config.params import section
from prefactor.errors import PrefactorError
from prefactor.export.results import change_of
from prefactor.files.artifacts import MANIFEST, read_json
from prefactor.model.at_once import few, vocabulary_of
from prefactor.model.change import Change, applied
from prefactor.model.kept import hold_out_once
from prefactor.model.prefix import Prefix, Prefixes
from prefactor.model.reference import HeldOut, measure
from prefactor.workspace import Workspace

SAMPLE = 1024  # tokens a domain of the eval split that are measured while a slider moves
TABLES = 2**28  # probabilities of the base model that are held for it at most, of all domains together


@dataclass(frozen=True, eq=False)
class Live:
    """Everybody asks the same one; ``lock`` is held by whoever runs or changes the model, for one step at a time."""

    work: Workspace
    removed: str  # the domain that an edit is about which names none
    held: Mapping[str, HeldOut]  # by domain: the sample
    prefixes: Prefixes
    terms: Terms
    recorded: dict[str, Change]
    states: dict[tuple[str, tuple[nn.Module, ...]], HeldOut]  # ... with what these layers, which are skipped, put out
    lock: Lock

    @classmethod
    def open(cls, work: Workspace) -> "Live":
        """Read all that is needed, so that the first request waits for nothing.

        Raises:
            PrefactorError: the folder has no finished decomposition, or something in it is damaged.
        """
        target, blocks = work.model.target, work.blocks("eval")
        checkpoint = read_json(work.checkpoint / MANIFEST)
        length, held, domains = blocks.tokens.shape[1], {}, [*work.domains, *work.unseen]
        most = TABLES // (len(domains) * vocabulary_of(target)) if few(target, SAMPLE) else SAMPLE
        for domain in domains:
            tokens = blocks.of(domain).tokens[: max(1, min(SAMPLE, most) // length)]
            if len(tokens):
                held[domain] = hold_out_once(target, tokens, checkpoint, work.kept, domain)
        if not held:
            raise PrefactorError(f"{work.corpus / 'eval'} has no text of any domain: raise corpus.splits.eval")
        assert len(work.table) and work.net is not None
        sample = next(iter(held.values())).tokens[:1]
        about = section("report.edit", str, work.params)
        removed = section(f"edits.{about}.domains.target", str, work.params)
        removed = removed if removed in work.domains else work.domains[-1]
        return cls(work, removed, held, Prefixes(target, sample), Terms(work), {}, {}, Lock())

    @property
    def target(self) -> Any:
        return self.work.model.target

    def domains(self, edit: AskedEdit) -> Domains:
        """Every domain's part in ``edit``.

        Raises:
            PrefactorError: its target is no domain.
        """
        return self.work.roles(self.removed if edit.target is None else edit.target)

    def change(self, edit: AskedEdit) -> Change:
        """The change of the weights that ``edit`` is.

        Raises:
            PrefactorError: a subcomponent or a recorded edit is unknown, cannot be guarded, or what comes out is not
                finite.
        """
        parts = [self._recorded(name) for name in edit.stacked]
        if edit.sliders:
            names = list(self.work.known([slider.subcomponent for slider in edit.sliders]))
            alphas = torch.tensor([float(s.alpha) for s in edit.sliders], device=self.work.model.U[0].device)
            with self.lock:
                terms = self.terms.of(names, self.domains(edit), edit.guard)
            parts.insert(0, terms.change([alphas]))
        change = together(parts)
        for module, pair in change.items():
            if not all(torch.isfinite(part).all() for part in pair):
                raise PrefactorError(f"the change of {module} is not finite: move its prefactors nearer to 1")
        return change

    def measure(self, edit: AskedEdit, turn: Turn, *, exact: bool = False) -> list[dict[str, Any]]:
        """A row a domain, columns as of :func:`prefactor.model.reference.measure`, with its role and its tokens.

        Args:
            exact: on the text of the evaluate stage, in place of the sample.

        Raises:
            PrefactorError: as :meth:`change`; or ``turn`` is over.
        """
        domains, change = self.domains(edit), self.change(edit)
        prefix = self.prefixes.none
        if exact:
            with self.lock:
                held = self.work.held_out(domains)
        else:
            with self.lock:
                prefix = self.prefixes.of(tuple(sorted(change))) if change else prefix
            held = {domain: self.held[domain] for domain in domains.roles if domain in self.held}
        rows = []
        for domain, own in held.items():
            with self.mine(turn):
                own = own if exact else self._after(domain, prefix, own)
                figures = measure(self.target, change, {domain: own}, None if exact else prefix)[domain]
            rows.append({"domain": domain, "role": domains.roles[domain], "tokens": own.tokens.numel()} | figures)
        return rows

    @contextmanager
    def mine(self, turn: Turn, change: Change | None = None) -> Iterator[Any]:
        """The model, with ``change`` in its weights, for one step of a request whose ``turn`` is not over."""
        with self.lock:
            turn.check()
            with applied(self.target, change or {}), torch.no_grad():
                yield self.target

    def _after(self, domain: str, prefix: Prefix, own: HeldOut) -> HeldOut:
        """``own`` with the states that the layers of ``prefix`` put out."""
        key = domain, prefix.layers
        if key not in self.states:
            self.states[key] = own.after(prefix)
        return self.states[key]

    def _recorded(self, name: str) -> Change:
        if name not in self.recorded:
            change, device = change_of(self.work.data, name)[1], self.work.model.U[0].device
            self.recorded[name] = {module: (A.to(device), B.to(device)) for module, (A, B) in change.items()}
        return self.recorded[name]


def together(changes: list[Change]) -> Change:
    """The sum of ``changes`` as one: their ranks add up."""
    found: dict[str, tuple[Tensor, Tensor]] = {}
    for change in changes:
        for module, (A, B) in change.items():
            if module in found:
                A, B = torch.cat([found[module][0], A]), torch.cat([found[module][1], B], dim=1)
            found[module] = (A, B)
    return found

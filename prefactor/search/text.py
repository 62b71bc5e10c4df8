"""The text that a search reads, seen by the base model once."""

from collections.abc import Mapping
from dataclasses import replace

from prefactor.config.domains import Domains
from prefactor.config.edit import FitConfig
from prefactor.config.params import section
from prefactor.corpus.blocks import take
from prefactor.corpus.need import Need
from prefactor.errors import PrefactorError
from prefactor.model.prefix import Prefix
from prefactor.model.reference import HeldOut, hold_out
from prefactor.search.quotes import like_target, need, told_by
from prefactor.workspace import Workspace

NEIGHBOURS = 2  # times `edit.probe_tokens`: of many trials the luckiest is taken, and more text leaves less to luck


def neighbours_of(domains: Domains) -> tuple[str, ...]:
    """Every domain beside the target that a search may read; of an unseen one there is text to evaluate on alone."""
    return (*domains.retain, *domains.protect)


def amounts(work: Workspace, domains: Domains, split: str) -> dict[str, Need]:
    """By domain, how much of ``split`` is read: of the target as much as ``alpha: {by: reach}`` does.

    Raises:
        PrefactorError: a domain has no text there.
    """
    config, blocks = section("edit", FitConfig, work.params), work.blocks(split)
    length = blocks.tokens.shape[1]
    found = {}
    for domain in (domains.target, *neighbours_of(domains)):
        there = blocks.of(domain).tokens.size
        if not there:
            raise PrefactorError(f"the {split} split has no text of {domain}: raise corpus.splits.{split}")
        wanted = config.probe_tokens * (1 if domain == domains.target else NEIGHBOURS)
        found[domain] = Need("edit.probe_tokens", min(wanted, there // length * length), split, domain)
    return found


class Text:
    """Blocks of each domain, and what a prefix of layers makes of them, each worked out once.

    ``quoted`` of a neighbour's are the tokens that read like the target (``quotes.py``).
    """

    def __init__(self, work: Workspace, domains: Domains, split: str):
        blocks, names = work.blocks(split), told_by(work, domains)
        tokens = {domain: take(blocks, amount).tokens for domain, amount in amounts(work, domains, split).items()}
        by_target = need(work, names, tokens[domains.target])
        self.held: dict[str, HeldOut] = {}
        for domain, own in tokens.items():
            like = None if domain == domains.target else like_target(need(work, names, own), by_target)
            self.held[domain] = replace(hold_out(work.model.target, own), quoted=like)
        self._after: dict[int, Mapping[str, HeldOut]] = {}

    def after(self, prefix: Prefix) -> Mapping[str, HeldOut]:
        if prefix.depth not in self._after:
            self._after[prefix.depth] = {domain: held.after(prefix) for domain, held in self.held.items()}
        return self._after[prefix.depth]

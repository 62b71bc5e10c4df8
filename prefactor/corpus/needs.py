"""What each stage draws from the corpus. The stage takes it and the gate asks for it, both from here."""

from collections.abc import Sequence

from prefactor.config.candidates import CandidatesConfig
from prefactor.config.decompose import Objective
from prefactor.config.domains import Domains, Role
from prefactor.config.edit import FitConfig, Optimiser
from prefactor.config.edits import AnyEdit, DirectionBaseline, GuardedEdit, PrefactorEdit, has_gains, is_reached
from prefactor.config.effects import EffectsConfig
from prefactor.config.evaluate import EvaluateConfig
from prefactor.config.guard import spared
from prefactor.config.harvest import HarvestConfig
from prefactor.config.importance import ImportanceConfig
from prefactor.config.locate import LocateConfig
from prefactor.config.shortlists import ShortlistConfig
from prefactor.config.target import TargetConfig
from prefactor.corpus.need import PARAMS, Need


def measured_target(config: TargetConfig, domain: str) -> Need:
    return Need("target.evaluate_tokens", config.evaluate_tokens, "eval", domain)


def located(config: LocateConfig, domain: str) -> Need:
    return Need("locate.tokens", config.tokens, "train", domain)


def verified(config: LocateConfig, domain: str) -> Need:
    """Of text that no direction is made from."""
    return Need("locate.verify_tokens", config.verify_tokens, "train", domain, after=located(config, domain))


def battery(config: ImportanceConfig, objective: Objective) -> dict[str, tuple[Need, ...]]:
    """By stream: the split's own mix, or of a targeted decomposition the target's domains, and the other ones."""
    key, tokens = "importance.battery.tokens", config.battery.tokens
    if objective == "full":
        return {"target": (Need(key, tokens, "eval"),)}
    by_stream = {"target": objective.target, "other": objective.other}
    return {
        stream: tuple(Need(key, tokens, "eval", domain, shared_by=len(domains)) for domain in domains)
        for stream, domains in by_stream.items()
    }


def harvested(config: HarvestConfig) -> Need:
    return Need("harvest.tokens", config.tokens, "harvest")


def scored_on(config: HarvestConfig) -> Need:
    """Of text that nothing else is harvested from."""
    return Need("harvest.held_out_tokens", config.held_out_tokens, "harvest", after=harvested(config))


def ablated(config: EffectsConfig, domain: str) -> Need:
    return Need("effects.tokens", config.tokens, "select", domain)


def untagged_for_candidates(config: CandidatesConfig) -> Need:
    return Need("candidates.untagged_tokens", config.untagged_tokens, "select")


def tagged_for_candidates(config: CandidatesConfig, shortlist: ShortlistConfig) -> dict[str, Need]:
    """By domain."""
    domains = (shortlist.domains.target, *shortlist.domains.retain, *spared(shortlist.guard))
    return {domain: Need("candidates.tokens", config.tokens, "select", domain) for domain in domains}


def target_text(budgets: Sequence[int], domain: str, key: str = "edit.budgets", where: str = PARAMS) -> Need:
    """What target tokens are drawn from: for the largest of ``budgets``, a quarter of each block."""
    return Need(key, max(budgets), "fit", domain, unit="targets", where=where)


def fitted(config: FitConfig, optimiser: Optimiser, domain: str) -> tuple[Need, ...]:
    """Text of the target for a sweep over ``config.budgets``, and for the probes where there is a recipe to choose."""
    own = target_text(config.budgets, domain)
    if not optimiser.has_choice:
        return (own,)
    return own, target_text(config.probe_budgets, domain, "edit.probe_budgets")


def retained(config: FitConfig, domains: Domains) -> dict[str, Need]:
    """By domain: together ``config.retain_tokens``."""
    return {d: Need("edit.retain_tokens", config.retain_tokens, "fit", d, shared_by=len(domains.retain))
            for d in domains.retain}  # fmt: skip


def probed(config: FitConfig, domains: Domains, split: str = "select") -> dict[str, Need]:
    """By domain: so much of the target, and as much of all retained ones together."""
    key, tokens, several = "edit.probe_tokens", config.probe_tokens, len(domains.retain)
    held = {d: Need(key, tokens, split, d, shared_by=several) for d in domains.retain}
    return {domains.target: Need(key, tokens, split, domains.target)} | held


def guarding(edit: AnyEdit, config: FitConfig) -> dict[str | None, Need]:
    """By domain, and under ``None`` untagged: what a guard, a tolerance or a direction reads."""
    if isinstance(edit, DirectionBaseline):
        target, others = edit.domains.target, (None,) if edit.spared is None else edit.spared
        own = Need("edit.direction_tokens", config.direction_tokens, "fit", target)
        return {target: own} | {d: _guard_text(config, d) for d in others}
    if not isinstance(edit, PrefactorEdit):
        return {}
    domains: list[str | None] = []
    if isinstance(edit, GuardedEdit):
        named = spared(edit.guard)
        domains += [edit.domains.target, *named] if named else [None]
    if edit.alpha.by == "tolerance":
        domains.append(None)
    return {domain: _guard_text(config, domain) for domain in domains}


def _guard_text(config: FitConfig, domain: str | None) -> Need:
    if domain is None and config.untagged_tokens:
        return Need("edit.untagged_tokens", config.untagged_tokens, "fit")
    return Need("edit.guard_tokens", config.guard_tokens, "fit", domain)


def reaching(edit: AnyEdit, config: FitConfig) -> dict[str, Need]:
    """By domain: what a prefactor reads that is set by how far the goal is."""
    return probed(config, edit.domains) if is_reached(edit) else {}


def proportioning(edit: AnyEdit, config: FitConfig) -> dict[str | None, Need]:
    """By domain, and under ``None`` untagged: what the proportions of several prefactors are fitted to."""
    if not has_gains(edit):
        return {}
    return {**probed(config, edit.domains, "fit"), None: _guard_text(config, None)}


def held_out(config: EvaluateConfig, domain: str, role: Role) -> Need:
    return Need(f"evaluate.tokens.{role}", config.tokens.of(role), "eval", domain)


def prompts(config: EvaluateConfig, domain: str) -> Need:
    return Need("evaluate.prompts", config.prompts, "eval", domain, unit="blocks")

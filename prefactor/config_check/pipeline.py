"""All of ``params.yaml``, and what only its sections together can get wrong."""

from collections.abc import Iterator, Mapping

from prefactor.config.base import Config
from prefactor.config.candidates import CandidatesConfig
from prefactor.config.corpus import CorpusConfig
from prefactor.config.decompose import DecomposeConfig
from prefactor.config.edit import FitConfig, Optimisers
from prefactor.config.edits import (
    AnyEdit,
    BaselineConfig,
    Chosen,
    DirectionBaseline,
    EditConfig,
    is_fitted,
)
from prefactor.config.effects import EffectsConfig
from prefactor.config.evaluate import EvaluateConfig
from prefactor.config.explain import nearest
from prefactor.config.harvest import HarvestConfig
from prefactor.config.importance import ImportanceConfig
from prefactor.config.label import LabelConfig
from prefactor.config.locate import LOCATED, LocateConfig
from prefactor.config.names import EntryName
from prefactor.config.report import ReportConfig
from prefactor.config.score import ScoreConfig
from prefactor.config.selection import SelectionConfig
from prefactor.config.shortlists import ShortlistConfig
from prefactor.config.target import LoadTarget, TargetConfig, TrainTarget
from prefactor.config_check.domains import check_domains_in_labels
from prefactor.config_check.entries import check_chosen, check_edit, check_shortlist
from prefactor.corpus import needs as text
from prefactor.corpus.need import Need
from prefactor.errors import ParamsError, PrefactorError
from prefactor.query.parse import parse_query

FEWEST_EXAMPLES = 18  # a subcomponent, of which six are held out
UTF8 = 4  # bytes a character at most, hence byte-level tokens a character at most


class PipelineConfig(Config):
    """A section a stage; and the mappings whose entries have stages of their own."""

    corpus: CorpusConfig
    target: TargetConfig
    locate: LocateConfig
    decompose: DecomposeConfig
    importance: ImportanceConfig
    harvest: HarvestConfig
    effects: EffectsConfig
    label: LabelConfig
    score: ScoreConfig
    candidates: CandidatesConfig
    selection: SelectionConfig
    edit: FitConfig
    optimisers: Optimisers
    evaluate: EvaluateConfig
    report: ReportConfig
    shortlists: dict[EntryName, ShortlistConfig]
    edits: dict[EntryName, EditConfig]
    baselines: dict[EntryName, BaselineConfig]

    @property
    def everything(self) -> dict[str, AnyEdit]:
        """Edits and baselines, in this order: what is evaluated and reported side by side."""
        return {**self.edits, **self.baselines}


def check(config: PipelineConfig) -> None:
    """Check what one section says of another, and that no stage asks for more text than the corpus can have.

    Raises:
        ParamsError: the first contradiction, as one line with key, value and remedy.
    """
    if not config.edits:
        raise ParamsError("params.yaml: edits is empty; add at least one edit")
    check_domains_in_labels(config.corpus.domains)
    _check_locate(config)
    if config.label.only is not None:
        _check_only(config.label.only, config.corpus.domains)
    for name, shortlist in config.shortlists.items():
        check_shortlist(name, shortlist, config.corpus)
    for section, edits in (("edits", config.edits), ("baselines", config.baselines)):
        for name, edit in edits.items():
            check_edit(f"{section}.{name}", edit, config.corpus)
            if isinstance(edit, Chosen):
                check_chosen(name, edit, config.shortlists, config.candidates.tried)
    if both := sorted(set(config.edits) & set(config.baselines)):
        raise ParamsError(f"params.yaml: baselines.{both[0]}: an edit has this name; give one of the two another")
    _check_target(config)
    _check_objective(config)
    _check_report_budget(config)
    config.report.check(config.everything)
    if config.harvest.examples < FEWEST_EXAMPLES:
        raise ParamsError(
            f"params.yaml: harvest.examples = {config.harvest.examples}: a third of them is kept to score labels on, "
            f"and few windows tell nothing; use at least {FEWEST_EXAMPLES}"
        )
    if config.effects.tokens < 2 * config.corpus.block:
        raise ParamsError(
            f"params.yaml: effects.tokens = {config.effects.tokens}: one block says nothing of how sure an effect is; "
            f"use at least {2 * config.corpus.block} (two blocks)"
        )
    if config.evaluate.prompt_tokens > config.corpus.block:
        raise ParamsError(
            f"params.yaml: evaluate.prompt_tokens = {config.evaluate.prompt_tokens}: a prompt is the beginning of a "
            f"block; use at most corpus.block = {config.corpus.block}"
        )
    for role in ("target", "retained", "protected"):
        if config.evaluate.tokens.of(role) < 2 * config.corpus.block:
            raise ParamsError(
                f"params.yaml: evaluate.tokens.{role} = {config.evaluate.tokens.of(role)}: one block says nothing of "
                f"how sure a figure is; use at least {2 * config.corpus.block} (two blocks)"
            )
    for need in needs(config):
        _check_possible(need, config.corpus)


def check_text(config: PipelineConfig, tokens: Mapping[str, Mapping[str, int]]) -> None:
    """Check every stage's need against the corpus as it is: ``tokens`` by split and domain.

    Raises:
        ParamsError: a stage asks for more than there is.
    """
    block = config.corpus.block
    for need in needs(config):
        split = tokens[need.split]
        need.check(sum(split.values()) if need.domain is None else split.get(need.domain, 0), block)


def check_positions(config: PipelineConfig, positions: int | None) -> None:
    """Check that no stage makes a longer text than the ``positions`` of a loaded target; None where it has no limit.

    Raises:
        ParamsError: a rollout would be longer.
    """
    prompt, more = min(config.evaluate.prompt_tokens, config.corpus.block), config.evaluate.rollout_tokens
    if positions is not None and prompt + more > positions:
        raise ParamsError(
            f"params.yaml: evaluate.rollout_tokens = {more}: after a prompt of {prompt} tokens the text is longer than "
            f"the {positions} that the target was made for; lower it, or evaluate.prompt_tokens"
        )


def needs(config: PipelineConfig) -> Iterator[Need]:
    """The text that each stage will take, in the order of the stages; ``corpus/needs.py`` says how much."""
    for domain in config.corpus.domains_of("eval"):
        yield text.measured_target(config.target, domain)
    for domain in (config.locate.target, *config.locate.spared(config.corpus.domains)):
        yield text.located(config.locate, domain)
        yield text.verified(config.locate, domain)
    for drawn in text.battery(config.importance, config.decompose.objective).values():
        yield from drawn
    yield text.harvested(config.harvest)
    yield text.scored_on(config.harvest)
    for domain in config.corpus.domains:
        yield text.ablated(config.effects, domain)
    for shortlist in config.shortlists.values():
        if shortlist.measured:
            yield from text.tagged_for_candidates(config.candidates, shortlist).values()
            yield text.untagged_for_candidates(config.candidates)
    for edit in config.everything.values():
        domains, fit = edit.domains, config.edit.of(edit.budgets)
        if is_fitted(edit):
            yield from text.fitted(fit, getattr(config.optimisers, edit.method), domains.target)
            yield from text.retained(fit, domains).values()
            yield from text.probed(fit, domains).values()
        yield from text.guarding(edit, fit).values()
        yield from text.reaching(edit, fit).values()
        yield from text.proportioning(edit, fit).values()
        for domain, role in domains.roles.items():
            yield text.held_out(config.evaluate, domain, role)
            yield text.prompts(config.evaluate, domain)


def _check_locate(config: PipelineConfig) -> None:
    locate, known = config.locate, config.corpus.domains
    for key, values in {"target": (locate.target,), "spare": locate.spared(known)}.items():
        for value in values:
            if value not in known:
                raise ParamsError(
                    f'params.yaml: locate.{key} = "{value}": no domain of corpus.shares; {nearest(value, known)}'
                )
    spared = locate.spared(known)
    if not spared or locate.target in spared or len(set(spared)) < len(spared):
        raise ParamsError(
            f"params.yaml: locate.spare = {list(spared)}: name one or more domains other than the target, each once"
        )
    for name, edit in config.baselines.items():
        if isinstance(edit, DirectionBaseline) and edit.matrix == LOCATED and edit.domains.target != locate.target:
            raise ParamsError(
                f"params.yaml: baselines.{name}.matrix = {LOCATED}: locate.target is {locate.target}, and this removes "
                f"{edit.domains.target}; name a matrix"
            )


def _check_report_budget(config: PipelineConfig) -> None:
    report, every = config.edit.report_budget, config.edit.budgets
    if report not in every:
        raise ParamsError(
            f"params.yaml: edit.report_budget = {report}: not one of edit.budgets; use one of "
            f"{', '.join(map(str, every))}"
        )
    for section, edits in (("edits", config.edits), ("baselines", config.baselines)):
        for name, edit in edits.items():
            if edit.budgets is not None and report not in edit.budgets:
                raise ParamsError(
                    f"params.yaml: {section}.{name}.budgets = {list(edit.budgets)}: it has not edit.report_budget = "
                    f"{report}, which the report compares edits at; add it"
                )


def _check_only(only: str, known: tuple[str, ...]) -> None:
    """Labels are written before anything else is known than the harvest's figures."""
    where = f"params.yaml: label.only = {only!r}"
    try:
        query = parse_query(only, where)
        query.check_domains(known)
    except PrefactorError as error:
        raise ParamsError(str(error)) from None
    if late := [field for field in query.fields if field.stage != "harvest"]:
        raise ParamsError(
            f"{where}: {late[0].name} is not known before the {late[0].stage} stage; compare the harvest's figures, "
            "such as domain.D, density or module"
        )


def _check_target(config: PipelineConfig) -> None:
    model, tokenizer = config.target.model, config.corpus.tokenizer
    if isinstance(model, TrainTarget):
        if model.width % (2 * model.heads):
            raise ParamsError(
                f"params.yaml: target.model.heads = {model.heads}: each head needs an even share of "
                f"target.model.width = {model.width}; make the width a multiple of {2 * model.heads}"
            )
        if tokenizer.source == "target":
            raise ParamsError(
                "params.yaml: corpus.tokenizer.source = target: a target trained here has no tokenizer of its own; "
                "use train, or load a target"
            )
    if isinstance(model, LoadTarget):
        if tokenizer.source == "train":
            raise ParamsError(
                "params.yaml: corpus.tokenizer.source = train: a loaded target reads its own tokens only; use target"
            )
        for key in ("name", "revision", "file", "trust_remote_code"):
            if getattr(model, key) != getattr(tokenizer, key):
                raise ParamsError(
                    f"params.yaml: corpus.tokenizer.{key} = {getattr(tokenizer, key)}: "
                    f"target.model.{key} is {getattr(model, key)}; write the same"
                )


def _check_objective(config: PipelineConfig) -> None:
    objective, where = config.decompose.objective, "params.yaml: decompose.objective"
    if objective == "full":
        return
    for stream in ("target", "other"):
        named = getattr(objective, stream)
        for domain in named:
            if domain not in config.corpus.domains:
                near = nearest(domain, config.corpus.domains)
                raise ParamsError(f'{where}.{stream} = "{domain}": no domain of corpus.shares; {near}')
        if len(set(named)) < len(named):
            raise ParamsError(f"{where}.{stream} = {list(named)}: names a domain twice; name each once")
    if both := set(objective.target) & set(objective.other):
        raise ParamsError(
            f'{where}.other has "{min(both)}", which is of the target stream; take it out of one of the two'
        )
    for stage in ("decompose", "importance"):
        if asked := getattr(config, stage).training.coefficients.faithfulness:
            raise ParamsError(
                f"params.yaml: {stage}.training.coefficients.faithfulness = {asked}: with a targeted objective Δ "
                "carries what the target stream does not need, and is not held small; write 0"
            )


def _check_possible(need: Need, corpus: CorpusConfig) -> None:
    if need.split in corpus.pinned:
        return  # files of its own, as long as they are
    share = corpus.splits[need.split] * (1 if need.domain is None else corpus.shares[need.domain])
    # Documents fall into splits by hash, so a share is met in the mean only; twice of it is out of reach.
    most = int(2 * UTF8 * corpus.characters * share)
    if need.end(corpus.block) * corpus.block > most:
        raise ParamsError(
            f"params.yaml: {need.key} = {need.value}: {need.whose} comes from some "
            f"{round(corpus.characters * share)} characters and cannot have as many tokens; "
            f"lower it, or raise corpus.characters or corpus.splits.{need.split}"
        )

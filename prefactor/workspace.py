"""A folder with a cached decomposition, for edits by hand: choose, fit and measure in seconds, without a stage.

What is read is what the stages left in ``data/`` (fetch a team's with ``dvc pull``), checked against its manifest, and
read when first asked for. What is chosen, fitted and measured here is what the stages would: same text, same loss.
"""

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from prefactor.config.candidates import CandidatesConfig
from prefactor.config.domains import Domains
from prefactor.config.edit import FitConfig, Optimiser
from prefactor.config.edits import (
    FITTED,
    Alpha,
    EditConfig,
    Given,
    Goal,
    GuardedEdit,
    PrefactorEdit,
    Reached,
    RewriteEdit,
    ScalarEdit,
    Tolerated,
)
from prefactor.config.evaluate import EvaluateConfig
from prefactor.config.guard import Guard, GuardByImportance
from prefactor.config.numbers import real, whole
from prefactor.config.params import PARAMS, section
from prefactor.config.shortlists import ByLabel, ShortlistConfig
from prefactor.corpus import needs
from prefactor.corpus.blocks import Blocks, read_blocks, take
from prefactor.corpus.languages import language_name, one_word
from prefactor.corpus.tokenizer_file import read_tokenizer
from prefactor.edits.build import build_method
from prefactor.edits.fit import FitSpec, Fitter
from prefactor.edits.known import known_recipes
from prefactor.edits.objective import objective_of
from prefactor.edits.recipe import Recipes, choose_recipes
from prefactor.edits.sweep import fit_text, probe_text
from prefactor.edits.unfitted import Grounds, token_of, unfitted
from prefactor.errors import PrefactorError
from prefactor.export.edited_model import Edited
from prefactor.export.facts import facts_of
from prefactor.files.artifacts import MANIFEST, part, read_entry, read_json, verify
from prefactor.files.cost import Cost
from prefactor.label.evidence import fires_above
from prefactor.machine.runtime import setup
from prefactor.model.change import Change
from prefactor.model.kept import KEPT, hold_out_blocks
from prefactor.model.reference import HeldOut
from prefactor.model.target import read_target
from prefactor.model.unigram import Bars, read_bars
from prefactor.published.base import cache, cached_base
from prefactor.published.find import Published, find
from prefactor.published.own_text import check_own_text
from prefactor.query.parse import parse_query
from prefactor.query.words import matches_query, query_for
from prefactor.rescale.footprint import Uses
from prefactor.selection.effect import measured, order, read_candidates
from prefactor.selection.shortlist import shortlist
from prefactor.selection.spill import measure_candidates
from prefactor.selection.table import read_subcomponents
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet
from prefactor.vpd.store import components_sha256, read_components, read_net

NEAREST = 3  # names suggested for one that is unknown
RIDGE = 0.01  # of a guard, as in the default's params
NO_TEXT = Blocks(np.zeros((0, 1), np.int32), np.zeros(0, str), [])
BY_HAND = ""  # the shortlist of an edit whose subcomponents were named


class Workspace:
    """The caches of one folder. ``Workspace(".").remove("de", tokens=4).measure()`` is a whole edit."""

    def __init__(self, root: Path | str = "."):
        root = Path(root)
        self.data, self.params = root / "data", root / PARAMS
        self.checkpoint, self.corpus = self.data / "target" / "checkpoint", self.data / "corpus"
        self.kept = root / KEPT
        self.published: Published | None = None

    @classmethod
    def from_pretrained(
        cls, source: Path | str, *, revision: str | None = None, sha256: str | None = None, base: str | None = None,
        corpus: Path | str | None = None, trust_remote_code: bool = False,
    ) -> Self:  # fmt: skip
        """A workspace over a published decomposition, every file of it checked; nothing is written to where it lies.

        Args:
            source: a folder, a name in ``published/``, or ORG/NAME on the Hub.
            revision: of the Hub: a tag, a branch or a commit.
            sha256: of its ``prefactor.json``, as ``prefactor publish`` says it, or the first digits.
            base: where the base model lies, if it was not passed on and is elsewhere than its card says.
            corpus: ``data/corpus`` of a project of one's own, whose text is taken in place of the published.
            trust_remote_code: whether the target may bring code that runs.

        Raises:
            PrefactorError: it cannot be had, is damaged, of another layout, or another than the pinned; the base is
                another model; or ``corpus`` was made with another tokenizer.
        """
        found = find(str(source), revision, sha256, trust_remote_code=trust_remote_code)
        work = cls(found.folder)
        work.published, work.kept = found, cache() / "reference" / found.sha256
        if not found.index.base.included:
            work.checkpoint = cached_base(found.folder, found.index, base)
        if corpus is not None:
            check_own_text(Path(corpus), found)
            work.corpus = Path(corpus)
        return work

    @cached_property
    def domains(self) -> list[str]:
        """Every domain of the corpus, the one with most text first."""
        tokens = read_entry(self.corpus / "metrics.json", "tokens", "train")
        return sorted(tokens, key=lambda domain: (-tokens[domain], domain))

    @cached_property
    def unseen(self) -> tuple[str, ...]:
        """Domains that only the eval split has: they are measured, and nothing else."""
        tokens = read_entry(self.corpus / "metrics.json", "tokens").get("eval", {})
        return tuple(domain for domain in tokens if domain not in self.domains)

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row a subcomponent: harvest, labels with people's over them, effects and scores where they were made."""
        return read_subcomponents(self.data, lists=True)

    @cached_property
    def model(self) -> DecomposedModel:
        verify(self.checkpoint)
        return read_components(self.data / "decompose" / "components", read_target(self.checkpoint, setup()))

    @property
    def fires(self) -> float:
        """The importance above which a subcomponent fires, in the harvest's tables."""
        return fires_above(verify(self.data / "harvest" / "subcomponents", only=["subcomponents.parquet"]))

    @property
    def uses(self) -> Uses:
        """Where a subcomponent is needed, and what is near to that."""
        return Uses(section("harvest.threshold", float, self.params), section("harvest.either_side", int, self.params))

    @cached_property
    def net(self) -> ImportanceNet:
        return read_net(self.data / "importance" / "net", self.model)

    @cached_property
    def bars(self) -> Bars:
        """What guesses that read no text score."""
        return read_bars(self.data / "target")

    @property
    def chance(self) -> float:
        """Nats a token of a uniform guess."""
        return self.bars.chance

    def components(
        self, label: str | None = None, domain: str | None = None, module: str | None = None, query: str | None = None
    ) -> pd.DataFrame:
        """The alive subcomponents that match all that is given, most needed first.

        Args:
            label: words its label has (``-word``: has not), as in ``choose.query``.
            domain: sort by the mean importance on this domain.
            module: regular expression that the module's name contains.
            query: as ``choose.query``, in either form.

        Raises:
            PrefactorError: the domain is unknown, ``module`` is no regular expression, or the query is wrong.
        """
        rows = self.table[self.table["alive"]]
        if label is not None:
            rows = rows[[matches_query(label, text) for text in rows["label"]]]
        if module is not None:
            try:
                rows = rows[rows["module"].str.contains(re.compile(module))]
            except re.error as error:
                raise PrefactorError(f"module {module!r} is no regular expression ({error}): mend it") from None
        if query is not None:
            rows = rows[parse_query(query).matches(rows)]
        by = "mean_importance" if domain is None else f"importance_{self.domain(domain)}"
        return rows.sort_values(by, ascending=False, kind="stable")

    def show(self, subcomponent: str) -> dict[str, Any]:
        """All that is known of ``module:index``: its row, and under ``examples`` its windows, none without text.

        Raises:
            PrefactorError: there is no such subcomponent; the nearest names are given.
        """
        self.known([subcomponent])
        (row,) = self.table[self.table["subcomponent"] == subcomponent].to_dict("records")
        examples: list[Any] = []
        if self.published is None or self.published.index.text:
            windows = part(self.data / "harvest", "examples")
            examples = pq.read_table(windows, filters=[("subcomponent", "=", subcomponent)]).to_pylist()
        return {**{str(key): value for key, value in row.items()}, "examples": examples}

    def choose(self, wanted: ShortlistConfig) -> str:
        """The best candidate of a shortlist, ranked by what its prefactor does where it brings the target to chance.

        Where a shortlist of params is of the same problem and, by its query, of the same names, what was measured of
        it is taken: a person may have corrected a label since.
        """
        config = section("candidates", CandidatesConfig, self.params)
        options = shortlist(wanted.domains.target, wanted, self.table)
        names = options.names(config.tried)
        for name, other in section("shortlists", dict[str, ShortlistConfig], self.params).items():
            folder = self.data / "candidates" / name
            if _problem(other) == _problem(wanted) and folder.is_dir():
                known = read_candidates(folder)
                if list(known.subcomponents) == names:
                    break
        else:
            known = measure_candidates(wanted, names, self.model, self.net, self.blocks("select"), config, Cost())
        assert isinstance(wanted.choose, ByLabel)
        return order(measured(known, names, "data/candidates"), wanted.choose.rank)[0][0]

    def remove(
        self,
        target: str,
        tokens: int,
        *,
        retain: Sequence[str] | None = None,
        subcomponents: Sequence[str] | None = None,
        query: str | None = None,
        guarded: bool = False,
        goal: Goal = "chance",
        tolerance: float | None = None,
        reach: float | None = None,
        seed: int = 0,
    ) -> Edited:
        """Drive ``target`` to chance, or what else is the ``goal``, with ``tokens`` of its tokens.

        Args:
            retain: domains held in the loss; left out, the one with most text besides the target. All others are
                protected: no loss sees them.
            subcomponents: ``module:index`` to rescale; left out, one is chosen by label and spill (:meth:`choose`).
            query: as ``choose.query`` in params; left out, the target's name and none of the other domains'.
            guarded: let the change read directions that meet text as little as can be where the subcomponents are not
                needed (by importance, without a domain's tag).
            goal: ``chance``; ``unigram``, no better than its token frequencies; or a ``uniform`` prediction.
            tolerance: fit on no token at all (``tokens`` is 0), but go as far as this divergence in nats on text far
                from where the subcomponents are needed.
            reach: fit on no token, but go as far as the goal is on held-out text of the target (``edit.probe_tokens``),
                as long as the retained text diverges by no more than so many nats.

        Raises:
            PrefactorError: a name is unknown, there is too little text, or nothing matches.
        """
        self._need_text()
        tokens, seed = whole("tokens", tokens, 0), whole("seed", seed, 0)
        edit = self.removal(target, tokens, retain, guarded, goal, tolerance, reach)
        domains = edit.domains
        if subcomponents:
            chosen = list(self.known(subcomponents))
        else:
            choose = ByLabel(by="label", query=query or self.query(domains.target), rank="spill")
            guard = edit.guard if isinstance(edit, GuardedEdit) else None
            chosen = [self.choose(ShortlistConfig(domains=domains, choose=choose, guard=guard))]
        if edit.alpha.by != "fit":
            return self._set(edit, chosen)
        config = section("edit", FitConfig, self.params).model_copy(update={"budgets": (tokens,)})
        blocks = self.blocks("fit")
        drawn = needs.target_text((tokens,), domains.target, "tokens", where="")
        text = fit_text(self.model.target, blocks, domains, config, (drawn,))
        method, about = build_method(edit, chosen, self.model, self.net, blocks, config)
        optimiser = section(f"optimisers.{edit.method}", Optimiser, self.params)
        objective = objective_of(goal, self.bars, domains.target)
        fitter = Fitter(self.model.target, method, text, optimiser, config, objective)
        edits = section("edits", dict[str, EditConfig], self.params)
        recipes = known_recipes(self.data, edits, edit, optimiser)
        if recipes is None:  # as the stage would choose
            probe = probe_text(self.model.target, self.blocks("select"), domains, config)
            recipes = choose_recipes(fitter, probe)
        recipe = recipes.of(tokens)
        (fit,) = fitter.fit(tokens, [FitSpec(seed, recipe.learning_rate)], (recipe.steps,))
        return self._edited(edit, chosen, fit.parameters[0].tolist(), fit.change, about, tokens, recipes)

    def removal(
        self,
        target: str,
        tokens: int,
        retain: Sequence[str] | None = None,
        guarded: bool = False,
        goal: Goal = "chance",
        tolerance: float | None = None,
        reach: float | None = None,
    ) -> PrefactorEdit:
        """The edit that :meth:`remove` makes with these arguments, of subcomponents that are not chosen yet.

        Raises:
            PrefactorError: a domain is unknown, or the numbers say not how far it goes, or more than once.
        """
        domains = self.roles(target, retain)
        if [tokens > 0, tolerance is not None, reach is not None].count(True) != 1:
            raise PrefactorError("fit on at least 1 token, or on 0 with a tolerance or a reach")
        alpha: Alpha = FITTED
        if tolerance is not None:
            alpha = Tolerated(by="tolerance", kl=real("tolerance", tolerance, positive=True))
        elif reach is not None:
            alpha = Reached(by="reach", kl=real("reach", reach, positive=True))
            if goal == "uniform":
                raise PrefactorError("reach is for goals that cross-entropy tells: chance or unigram")
        asked = {"domains": domains, "shortlist": BY_HAND, "goal": goal, "alpha": alpha}
        if guarded:
            guard = GuardByImportance(weigh="importance", ridge=RIDGE)
            return GuardedEdit(method="guarded", guard=guard, **asked)
        return ScalarEdit(method="scalar", **asked)

    def set(
        self, prefactors: Mapping[str, float], *, target: str, retain: Sequence[str] | None = None,
        guard: Guard | None = None, goal: Goal = "chance",
    ) -> Edited:  # fmt: skip
        """Give subcomponents these prefactors; ``target``, ``retain`` and ``goal`` only say how it is told of.

        Args:
            guard: which text the change is kept from, if any; one by domain reads text of ``target``.
        """
        names = list(self.known(list(prefactors)))
        values = tuple(real(name, prefactors[name]) for name in names)
        return self._set(by_hand(self.roles(target, retain), values, guard, goal), names)

    def rewrite(
        self, subcomponent: str, toward: str, strength: float, *, target: str, retain: Sequence[str] | None = None
    ) -> Edited:
        """Replace the write direction of ``module:index`` by ``strength`` times the unit unembedding of ``toward``.

        ``target`` and ``retain`` only say how the table is arranged.

        Raises:
            PrefactorError: ``toward`` is not one token, or the matrix does not write to the residual stream.
        """
        names = list(self.known([subcomponent]))
        edit = RewriteEdit(
            method="rewrite", domains=self.roles(target, retain), toward=toward, strength=real("strength", strength),
            shortlist=BY_HAND,
        )  # fmt: skip
        return self._set(edit, names)

    def held_out(self, domains: Domains) -> dict[str, HeldOut]:
        """Text of the eval split of every domain, as much as ``evaluate.tokens`` says, seen by the base model."""
        config, blocks = section("evaluate", EvaluateConfig, self.params), self.blocks("eval")
        checkpoint, target = read_json(self.checkpoint / MANIFEST), self.model.target
        texts = {domain: take(blocks, needs.held_out(config, domain, role)) for domain, role in domains.roles.items()}
        return {domain: hold_out_blocks(target, own, checkpoint, self.kept, domain) for domain, own in texts.items()}

    def _set(self, edit: ScalarEdit | GuardedEdit | RewriteEdit, chosen: list[str]) -> Edited:
        config, token = section("edit", FitConfig, self.params), None
        if isinstance(edit, RewriteEdit):
            token = token_of(read_tokenizer(self.corpus), edit.toward)
        grounds = self.grounds(token)
        found = unfitted(edit, chosen, self.model, self.net, config, grounds, Cost())
        return self._edited(edit, found.subcomponents, found.prefactors, found.change, found.about, 0)

    def _edited(
        self, edit: ScalarEdit | GuardedEdit | RewriteEdit, chosen: list[str], values: list[float], change: Change,
        about: dict[str, Any] | None, tokens: int, recipes: Recipes | None = None,
    ) -> Edited:  # fmt: skip
        name, decomposition = f"{edit.domains.target} edited", components_sha256(self.data)
        tried = recipes.as_rows() if recipes else []
        probe_tokens = section("edit", FitConfig, self.params).probe_tokens
        facts = facts_of(name, edit, chosen, values, tokens, tried, about, decomposition, probe_tokens)
        known = self.table.set_index("subcomponent")["label"]
        labels = {name: str(known[name]) for name in chosen}
        held_out, base = partial(self.held_out, edit.domains), self.checkpoint
        return Edited(self.model.target, base, facts, change, self.chance, held_out, edit, labels, self.has_text)

    def grounds(self, token: int | None = None) -> Grounds:
        """What a change that no token is fitted on is set from; ``token`` is what a rewrite writes toward."""
        if not self.has_text:
            return Grounds(NO_TEXT, NO_TEXT, self.bars, self.uses, token)
        return Grounds(self.blocks("fit"), self.blocks("select"), self.bars, self.uses, token)

    def blocks(self, split: str) -> Blocks:
        """The token blocks of one split of the corpus.

        Raises:
            PrefactorError: they are not there, as of a decomposition that was published without text.
        """
        self._need_text()
        return read_blocks(self.corpus, split)

    @property
    def has_text(self) -> bool:
        """Whether there can be text: of what was published it may have been left out."""
        of_its_own = self.published is None or self.corpus != self.data / "corpus"
        return of_its_own or (self.published is not None and self.published.index.text)

    def _need_text(self) -> None:
        if not self.has_text:
            assert self.published is not None
            raise PrefactorError(
                f"{self.published.index.called} was published without its text, which fits and measurements "
                "need: give text of your own (corpus='data/corpus' of a project), or set prefactors by hand"
            )

    def query(self, target: str) -> str:
        """The label query for ``target`` alone: its name, and none of the other domains'."""
        words = {domain: one_word(domain).lower() for domain in self.domains}
        return query_for(words[target], [word for domain, word in words.items() if domain != target])

    def roles(self, target: str, retain: Sequence[str] | None = None) -> Domains:
        """Every domain's part in the removal of ``target``; arguments as for :meth:`remove`.

        Raises:
            PrefactorError: a domain is unknown, or ``target`` is retained, too.
        """
        target = self.domain(target)
        kept = [self.domain(name) for name in retain] if retain else [d for d in self.domains if d != target][:1]
        if target in kept:
            raise PrefactorError(f"{target} cannot be both removed and retained: retain another")
        protect = tuple(d for d in self.domains if d != target and d not in kept)
        return Domains(target=target, retain=tuple(kept), protect=protect, unseen=self.unseen)

    def domain(self, name: str) -> str:
        """The domain of this name: its tag, or its language in words.

        Raises:
            PrefactorError: there is none.
        """
        name = unicodedata.normalize("NFC", name)
        by_word = {language_name(domain).casefold(): domain for domain in self.domains}
        tag = name if name in self.domains else by_word.get(name.casefold())
        if tag is None:
            near = difflib.get_close_matches(name.casefold(), [*self.domains, *by_word], n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}? " if near else ""
            raise PrefactorError(f"no domain is called {name!r}: {hint}there are {', '.join(self.domains)}")
        return tag

    def known(self, names: Sequence[str]) -> Sequence[str]:
        """``names`` as they are.

        Raises:
            PrefactorError: one is no subcomponent; the nearest names are given.
        """
        everything = set(self.table["subcomponent"])
        for name in names:
            if name not in everything:
                near = difflib.get_close_matches(name, everything, n=NEAREST, cutoff=0.0)
                raise PrefactorError(f"{name!r} is no subcomponent; the nearest: {', '.join(near)}")
        return names


def by_hand(
    domains: Domains, values: tuple[float, ...], guard: Guard | None = None, goal: Goal = "chance"
) -> PrefactorEdit:
    """The edit that gives subcomponents, which are not named yet, these prefactors."""
    alpha = Given(by="hand", values=values)
    asked: dict[str, Any] = {"domains": domains, "alpha": alpha, "shortlist": BY_HAND, "goal": goal}
    if guard is None:
        return ScalarEdit(method="scalar", **asked)
    return GuardedEdit(method="guarded", guard=guard, **asked)


def _problem(shortlist: ShortlistConfig) -> tuple[Any, ...]:
    """All that a measurement depends on beside the names; the order of a query's words means nothing."""
    choose, domains = shortlist.choose, shortlist.domains
    rank = choose.rank if isinstance(choose, ByLabel) else choose.by
    return rank, domains.target, domains.retain, shortlist.guard

"""Every method, every domain as the target, one frontier: ``python -m benchmarks.edits [--targets de fr] [EDIT ...]``

Takes the edits and baselines of ``params.yaml`` (all that are not named by hand) and of the files given with
``--also``, turns each of them on each target in turn, and chooses, fits and measures it as the stages would, on the
decomposition of the last run (``make run`` first). One domain is retained, the rest are protected. Each edit measures
the candidates of its shortlist for itself, so that its seconds are its own. Writes a table and a figure a target into
``--into``; the rows are kept in ``.runs/bench/edits/`` as they come, so that a run that is started again makes only
what is missing.
"""

import argparse
import os
import re
import shlex
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter
from rich.console import Console

from benchmarks import edits_report
from benchmarks.common import KEPT
from prefactor.config.base import parse
from prefactor.config.candidates import CandidatesConfig
from prefactor.config.domains import Domains
from prefactor.config.edit import FitConfig, Optimiser
from prefactor.config.edits import AnyEdit, Chosen, DirectionBaseline, GuardedEdit, is_fitted
from prefactor.config.guard import GuardByDomain, GuardByImportance
from prefactor.config.locate import LOCATED, LocateConfig
from prefactor.config.params import read_params, section
from prefactor.config.shortlists import ByLabel, ByName, ShortlistConfig
from prefactor.config_check.pipeline import PipelineConfig, check
from prefactor.corpus.blocks import take
from prefactor.corpus.need import Need
from prefactor.corpus.needs import located, verified
from prefactor.edits.build import along_direction, build_method, whole_matrices
from prefactor.edits.fit import Fitter
from prefactor.edits.objective import objective_of
from prefactor.edits.sweep import fit_text, probe_text, sweep
from prefactor.edits.unfitted import unfitted
from prefactor.files.cost import Cost
from prefactor.locate.direction import directions
from prefactor.locate.rank import locate
from prefactor.model.change import Change
from prefactor.model.matrices import matrices
from prefactor.model.reference import HeldOut, hold_out, measure
from prefactor.selection.choose import select, select_singular
from prefactor.selection.effect import Candidates
from prefactor.selection.shortlist import shortlist
from prefactor.selection.spill import measure_candidates
from prefactor.workspace import Workspace

HELD_OUT = 4096  # tokens a domain of the eval split


def read_pipeline(also: Sequence[Path]) -> PipelineConfig:
    """``params.yaml`` with the shortlists, edits and baselines of other files beside its own.

    Raises:
        ParamsError: the first thing wrong in any of them.
    """
    params = read_params()
    for path in also:
        for mapping, entries in read_params(path).items():
            params[mapping] = params.get(mapping, {}) | entries
    config: PipelineConfig = parse(TypeAdapter(PipelineConfig), params, "")
    check(config)
    return config


def roles_of(target: str, work: Workspace) -> Domains:
    """``target`` to be removed, the domain with most text retained, all others protected."""
    retain = next(domain for domain in work.domains if domain != target)
    protect = tuple(domain for domain in work.domains if domain not in (target, retain))
    return Domains(target=target, retain=(retain,), protect=protect)


def retargeted(edit: AnyEdit, domains: Domains) -> AnyEdit:
    """``edit`` of other domains; where it spares some by name, it spares the retained ones."""
    update: dict[str, Any] = {"domains": domains}
    if isinstance(edit, GuardedEdit):
        update["guard"] = _sparing(edit.guard, domains)
    return edit.model_copy(update=update)


def relisted(listed: ShortlistConfig, domains: Domains, query: str) -> ShortlistConfig:
    """``listed`` of other domains, with ``query`` for its own where it has one."""
    choose = listed.choose.model_copy(update={"query": query}) if isinstance(listed.choose, ByLabel) else listed.choose
    guard = None if listed.guard is None else _sparing(listed.guard, domains)
    return listed.model_copy(update={"domains": domains, "choose": choose, "guard": guard})


def _sparing(guard: GuardByDomain | GuardByImportance, domains: Domains) -> GuardByDomain | GuardByImportance:
    return guard.model_copy(update={"spare": domains.retain}) if isinstance(guard, GuardByDomain) else guard


@cache
def _workspace() -> Workspace:
    work = Workspace()
    _ = work.model, work.net
    return work


@cache
def _held_out() -> dict[str, HeldOut]:
    work = _workspace()
    blocks = work.blocks("eval")
    return {
        d: hold_out(work.model.target, take(blocks, Need("HELD_OUT", HELD_OUT, "eval", d)).tokens) for d in work.domains
    }


def choose(name: str, edit: Chosen, listed: ShortlistConfig, work: Workspace, cost: Cost) -> tuple[str, ...]:
    """What the stages would choose for ``edit``; what it takes to measure candidates is charged to ``cost``."""
    config, singular = section("candidates", CandidatesConfig), edit.directions == "singular"
    listed = listed.model_copy(update={"singular": singular})  # an edit that does not take the control does not pay it
    matches = shortlist(edit.shortlist, listed, work.table)
    names = matches.names(config.tried)
    candidates = Candidates(dict.fromkeys(names), {})
    if listed.measured:
        candidates = measure_candidates(listed, names, work.model, work.net, work.blocks("select"), config, cost)
    if singular:
        return select_singular(name, matches, candidates, 0, edit.top or 1).subcomponents
    top = edit.top or (len(names) if isinstance(listed.choose, ByName) else 1)
    return select(name, matches, candidates, config.tried, 0, top).subcomponents


def place(edit: DirectionBaseline, work: Workspace, cost: Cost) -> str:
    """The matrix of a direction: where params leave it to locate, what that stage would find for the edit's target."""
    if edit.matrix != LOCATED:
        return edit.matrix
    target = edit.domains.target
    config = section("locate", LocateConfig).model_copy(update={"target": target, "spare": None})
    model, blocks, others = work.model.target, work.blocks("train"), config.spared(work.domains)
    every = (target, *others)
    made = {domain: take(blocks, located(config, domain)).tokens for domain in every}
    held = {domain: take(blocks, verified(config, domain)).tokens for domain in every}
    spared = [made[domain] for domain in others]
    ways = directions(model, matrices(model, config.modules), made[target], spared, config.ridge, cost)
    return re.escape(locate(model, ways, held, target, work.chance, config, cost).best[0])


def run(name: str, edit: AnyEdit, listed: ShortlistConfig | None, target: str) -> pd.DataFrame:
    """A row a budget, seed and domain of ``edit``, which is called ``name``, aimed at ``target``.

    Args:
        listed: the shortlist of an edit that has one.
    """
    work, config, cost = _workspace(), section("edit", FitConfig), Cost()
    domains, chosen = roles_of(target, work), ()
    edit = retargeted(edit, domains)
    if isinstance(edit, Chosen):
        assert listed is not None
        chosen = choose(name, edit, relisted(listed, domains, work.query(target)), work, cost)
    fits = _fitted(name, edit, chosen, config, work, cost)
    seconds, held = cost.spent(), _held_out()
    about = {"target": target, "edit": name, "method": edit.method, "subcomponents": " ".join(chosen)}
    spent = {"seconds": seconds, "flops": cost.flops, "tokens": cost.tokens, "chance": work.chance}
    return pd.DataFrame(
        {**about, "budget": budget, "seed": seed, "domain": domain, "role": domains.roles[domain], **figures, **spent}
        for budget, seed, change in fits
        for domain, figures in measure(work.model.target, change, held).items()
    )


def _fitted(
    name: str, edit: AnyEdit, chosen: Sequence[str], config: FitConfig, work: Workspace, cost: Cost
) -> list[tuple[int, int, Change]]:
    """(budget, seed, change) of every fit; of an edit that no token is fitted on the one that is set."""
    model, blocks = work.model, work.blocks("fit")
    if not is_fitted(edit):
        return [(0, 0, unfitted(edit, chosen, model, work.net, config, work.grounds(), cost).change)]
    if isinstance(edit, Chosen):
        method, _ = build_method(edit, chosen, model, work.net, blocks, config)
    elif isinstance(edit, DirectionBaseline):
        among = matrices(model.target, place(edit, work, cost))
        method, _ = along_direction(edit, model.target, among, blocks, config, {}, cost)
    else:
        method = whole_matrices(edit, matrices(model.target, section("decompose.modules", str)))
    text = fit_text(model.target, blocks, edit.domains, config)
    held_out = probe_text(model.target, work.blocks("select"), edit.domains, config)
    optimiser = section(f"optimisers.{edit.method}", Optimiser)
    objective = objective_of(edit.goal, work.bars, edit.domains.target)
    fitter = Fitter(model.target, method, text, optimiser, config, objective)
    fits = sweep(fitter, held_out, cost, f"{name} {edit.domains.target}").fits
    return [(fit.budget, fit.seed, fit.change) for fit in fits]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("edits", nargs="*", help="edits and baselines; all that choose by no name if left out")
    parser.add_argument(
        "--also", type=Path, nargs="*", default=[], help="files with more `shortlists`, `edits` and `baselines`"
    )
    parser.add_argument("--targets", nargs="+", help="domains; all if left out")
    parser.add_argument("--into", type=Path, default=KEPT / "edits")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2)))
    parser.add_argument("--title", default="Every method, every domain as the target")
    args = parser.parse_args(argv)
    config = read_pipeline(args.also)
    known, listed = config.everything, {name: config.shortlists[edit.shortlist] for name, edit in config.edits.items()}
    by_hand = {name for name, own in listed.items() if isinstance(own.choose, ByName)}
    names = args.edits or [name for name in known if name not in by_hand]
    if unknown := [name for name in names if name not in known]:
        parser.error(f"there is no edit {unknown[0]}: there are {', '.join(known)}")
    targets = args.targets or Workspace().domains
    kept = KEPT / "edits"
    kept.mkdir(parents=True, exist_ok=True)
    jobs = [(name, target) for target in targets for name in names]
    missing = [job for job in jobs if not (kept / f"{job[1]}.{job[0]}.parquet").exists()]
    with ProcessPoolExecutor(args.workers) as pool:
        futures = {
            pool.submit(run, name, known[name], listed.get(name), target): (name, target) for name, target in missing
        }
        for future in as_completed(futures):
            name, target = futures[future]
            rows = future.result()
            rows.to_parquet(kept / f"{target}.{name}.parquet")
            Console().print(f"{target} {name}: {rows['seconds'].iloc[0]:.0f} s", highlight=False)
    command = shlex.join(["benchmarks.edits", *(sys.argv[1:] if argv is None else argv)])
    rows = pd.concat(pd.read_parquet(kept / f"{target}.{name}.parquet") for name, target in jobs)
    print(f"written: {edits_report.write(rows, args.into, args.title, command)}")


if __name__ == "__main__":
    main()

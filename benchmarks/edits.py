"""Every method, every domain as the target, one frontier: ``python -m benchmarks.edits [--targets de fr] [EDIT ...]``

Takes the edits of ``params.yaml`` (all that are not named by hand) and of the files given with ``--also``, turns each
of them on each target in turn, and chooses, fits and measures it as the stages would, on the decomposition of the last
run (``make run`` first). One domain is retained, the rest are protected. Writes a table and a figure a target into
``--into``; the rows are kept in ``.runs/bench/edits/`` as they come, so that a run that is started again makes only
what is missing.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path

import pandas as pd
from pydantic import TypeAdapter
from rich.console import Console

from benchmarks import edits_report
from benchmarks.common import KEPT
from prefactor.config.base import parse
from prefactor.config.edit import FitConfig
from prefactor.config.edits import ByLabel, ByName, BySingular, Domains, EditConfig, is_fitted
from prefactor.config.params import read_params, section
from prefactor.config.selection import SelectionConfig
from prefactor.corpus.blocks import take
from prefactor.edits.build import build_method, optimiser_of, unfitted
from prefactor.edits.fit import Fitter
from prefactor.edits.objective import objective_of
from prefactor.edits.sweep import fit_text, probe_text, sweep
from prefactor.files.cost import Cost
from prefactor.model.reference import HeldOut, hold_out, measure
from prefactor.selection.choose import select
from prefactor.selection.spill import CandidateMeasure
from prefactor.workspace import Workspace

HELD_OUT = 4096  # tokens a domain of the eval split


def retargeted(edit: EditConfig, target: str, work: Workspace) -> EditConfig:
    """``edit`` with another target, a label query about that alone, and the domain with most text retained."""
    retain = next(domain for domain in work.domains if domain != target)
    protect = tuple(domain for domain in work.domains if domain not in (target, retain))
    choose = edit.choose
    if isinstance(choose, ByLabel | BySingular):
        choose = choose.model_copy(update={"query": work.query(target)})
    update = {"domains": Domains(target=target, retain=(retain,), protect=protect), "choose": choose}
    if getattr(edit, "guard", None) is not None and edit.guard.weigh == "domain":  # type: ignore[union-attr]
        update["guard"] = edit.guard.model_copy(update={"spare": (retain,)})  # type: ignore[union-attr]
    return edit.model_copy(update=update)


@cache
def _workspace() -> Workspace:
    work = Workspace()
    _ = work.model, work.net
    return work


@cache
def _held_out() -> dict[str, HeldOut]:
    work = _workspace()
    blocks = work.blocks("eval")
    return {d: hold_out(work.model.target, take(blocks.of(d), HELD_OUT, "HELD_OUT").tokens) for d in work.domains}


def run(name: str, edit: EditConfig, target: str) -> pd.DataFrame:
    """A row a budget, seed and domain of ``edit``, which is called ``name``, aimed at ``target``."""
    work, config = _workspace(), section("edit", FitConfig)
    edit = retargeted(edit, target, work)
    model, net, cost, select_text, fit_blocks = work.model, work.net, Cost(), work.blocks("select"), work.blocks("fit")
    measured = CandidateMeasure(edit, section("selection", SelectionConfig), cost, lambda: (model, net, select_text))
    chosen = select(edit.choose, name, edit.domains, work.table, measured.config, measured).subcomponents
    if is_fitted(edit):
        method, _ = build_method(edit, chosen, model, net, fit_blocks, config)
        fitting = fit_text(model, fit_blocks, edit.domains, config)
        fitter = Fitter(model.target, method, fitting, optimiser_of(edit, config), config, objective_of(edit.goal))
        done = sweep(fitter, probe_text(model, select_text, edit.domains, config), cost, f"{name} {target}").fits
        fits = [(fit.budget, fit.seed, fit.change) for fit in done]
    else:
        _, change, _ = unfitted(edit, chosen, model, net, fit_blocks, config, None)
        fits = [(0, 0, change)]
    seconds, roles, held = cost.spent(), edit.domains.roles, _held_out()
    about = {"target": target, "edit": name, "method": edit.method, "subcomponents": " ".join(chosen)}
    spent = {"seconds": seconds, "flops": cost.flops, "tokens": cost.tokens, "chance": work.chance}
    return pd.DataFrame(
        {**about, "budget": budget, "seed": seed, "domain": domain, "role": roles[domain], **figures, **spent}
        for budget, seed, change in fits
        for domain, figures in measure(model.target, change, held).items()
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("edits", nargs="*", help="of params.yaml; all that choose by no name if left out")
    parser.add_argument("--also", type=Path, nargs="*", default=[], help="files with more edits, as under `edits`")
    parser.add_argument("--targets", nargs="+", help="domains; all if left out")
    parser.add_argument("--into", type=Path, default=KEPT / "edits")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2)))
    parser.add_argument("--title", default="Every method, every domain as the target")
    args = parser.parse_args(argv)
    known: dict[str, EditConfig] = section("edits", dict[str, EditConfig])
    for path in args.also:
        known |= parse(TypeAdapter(dict[str, EditConfig]), read_params(path), path.name)
    names = args.edits or [name for name, edit in known.items() if not isinstance(edit.choose, ByName)]
    if unknown := [name for name in names if name not in known]:
        parser.error(f"there is no edit {unknown[0]}: there are {', '.join(known)}")
    targets = args.targets or Workspace().domains
    kept = KEPT / "edits"
    kept.mkdir(parents=True, exist_ok=True)
    jobs = [(name, target) for target in targets for name in names]
    missing = [job for job in jobs if not (kept / f"{job[1]}.{job[0]}.parquet").exists()]
    with ProcessPoolExecutor(args.workers) as pool:
        futures = {pool.submit(run, name, known[name], target): (name, target) for name, target in missing}
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

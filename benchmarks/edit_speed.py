"""How long one edit takes once the model is loaded: ``python -m benchmarks.edit_speed [--threads 2] [--repeats 5]``

On the decomposition of the last run (``make run`` first), medians of CPU seconds divided by threads (other work may
share the machine) and of wall seconds: fitting one prefactor, guarding and fitting it, and fitting a rank-1 LoRA on
every matrix with one learning rate and no early end, on the report's budget of target tokens. The text both share (the
base model on retained text) is prepared once and is not in the times.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from rich.console import Console
from rich.table import Table

from prefactor.config.domains import Domains
from prefactor.config.edit import FitConfig, Optimiser
from prefactor.config.edits import GuardedEdit, LoraBaseline, ScalarEdit
from prefactor.config.guard import GuardByImportance
from prefactor.config.params import section
from prefactor.config.report import ReportConfig
from prefactor.edits.build import build_method, whole_matrices
from prefactor.edits.fit import FitSpec, Fitter
from prefactor.edits.made import read_edit
from prefactor.edits.objective import Below
from prefactor.edits.sweep import fit_text
from prefactor.model.matrices import matrices
from prefactor.workspace import BY_HAND, RIDGE, Workspace

Edit = ScalarEdit | GuardedEdit | LoraBaseline


def timed(call: Callable[[], object], repeats: int, threads: int) -> tuple[float, float]:
    """Median (CPU seconds / threads, wall seconds); the first call warms up and does not count."""
    found = []
    for _ in range(repeats + 1):
        cpu, wall = time.process_time(), time.perf_counter()
        call()
        found.append(((time.process_time() - cpu) / threads, time.perf_counter() - wall))
    cpus, walls = zip(*found[1:], strict=True)
    return median(cpus), median(walls)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    work, config = Workspace(), section("edit", FitConfig)
    model, net, blocks = work.model, work.net, work.blocks("fit")
    torch.set_num_threads(args.threads)
    about = read_edit(work.data, section("report", ReportConfig).edit)
    domains = Domains(target=about["target"], retain=about["retain"], protect=about["protect"])
    chosen = about["subcomponents"]
    guard = GuardByImportance(weigh="importance", ridge=RIDGE)
    edits: dict[str, Edit] = {
        "one prefactor": ScalarEdit(method="scalar", domains=domains, shortlist=BY_HAND),
        "guarded": GuardedEdit(method="guarded", guard=guard, domains=domains, shortlist=BY_HAND),
        "LoRA of rank 1, all matrices": LoraBaseline(method="lora", rank=1, domains=domains),
    }
    text = fit_text(model.target, blocks, domains, config)
    every = matrices(model.target, section("decompose.modules", str))

    def make(edit: Edit, optimiser: Optimiser) -> None:
        if isinstance(edit, LoraBaseline):
            method = whole_matrices(edit, every)
        else:
            method, _ = build_method(edit, chosen, model, net, blocks, config)
        draw = FitSpec(0, optimiser.learning_rates[0])
        Fitter(model.target, method, text, optimiser, config, Below(work.chance)).fit(config.report_budget, [draw])

    table = Table(
        "edit", "CPU s / thread", "wall s", title=f"{config.report_budget} tokens, {args.threads} threads, {chosen}"
    )
    seconds = {}
    for name, edit in edits.items():
        fit = partial(make, edit, section(f"optimisers.{edit.method}", Optimiser))
        seconds[name] = timed(fit, args.repeats, args.threads)
        table.add_row(name, *(f"{value:.3f}" for value in seconds[name]))
    Console(width=120).print(table)
    cpu = {name: value[0] for name, value in seconds.items()}
    print(f"LoRA / one prefactor: {cpu['LoRA of rank 1, all matrices'] / cpu['one prefactor']:.1f}")


if __name__ == "__main__":
    main()

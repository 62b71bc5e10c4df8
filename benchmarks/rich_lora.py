"""LoRA with what the decomposition had: ``python -m benchmarks.rich_lora [--ranks 1 4] [--weights 1.5 16]``

Each LoRA (every matrix, the target of the report's edit) is trained with about the FLOPs of the decompose and
importance stages of the last run (``make run`` first) on 1,024 target tokens and seven times the usual retained text,
at two weights of what holds the retained domain; the step that does best on the select split counts. Measured on the
eval split, beside the report's edit at the report's budget (mean over draws).
"""

import argparse
from pathlib import Path

from benchmarks.common import KEPT
from prefactor.config.domains import Domains
from prefactor.config.edit import FitConfig, Optimiser
from prefactor.config.edits import LoraBaseline
from prefactor.config.params import section
from prefactor.config.report import ReportConfig
from prefactor.corpus.blocks import take
from prefactor.corpus.need import Need
from prefactor.edits.build import whole_matrices
from prefactor.edits.fit import FitSpec, Fitter
from prefactor.edits.made import read_edit
from prefactor.edits.objective import Below
from prefactor.edits.recipe import validation_loss
from prefactor.edits.sweep import charge, fit_text, probe_text
from prefactor.export.results import compare
from prefactor.files.artifacts import read_json
from prefactor.files.cost import Cost
from prefactor.model.matrices import matrices
from prefactor.model.reference import hold_out, measure
from prefactor.workspace import Workspace

TOKENS, RETAINED, BATCH, RATE = 1024, 28672, 16, 3e-3
HELD_OUT = 4096  # tokens a domain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--weights", type=float, nargs="+", default=[1.5, 16.0])
    parser.add_argument("--into", type=Path, default=KEPT / "rich-lora.md")
    args = parser.parse_args()
    work, reported = Workspace(), section("report", ReportConfig).edit
    target, blocks = work.model.target, work.blocks("fit")
    about = read_edit(work.data, reported)
    domains = Domains(target=about["target"], retain=about["retain"], protect=about["protect"])
    budget = sum(read_json(work.data / stage / "cost.json")["flops"] for stage in ("decompose", "importance"))
    held = {
        domain: hold_out(target, take(work.blocks("eval"), Need("HELD_OUT", HELD_OUT, "eval", domain)).tokens)
        for domain in domains.roles
    }
    others = [domain for domain, role in domains.roles.items() if role != "target"]
    (own,) = compare(work.data, [reported])
    lines = [
        f"| edit | target tokens | FLOPs | target − chance | {' | '.join(others)} |",
        "|---|---|---|---|" + "---|" * len(others),
        f"| {reported} | {own['budget']} | {budget:.1e} once | {own['target_ce_minus_chance']:+.2f} | "
        + " | ".join(f"{own['damage'][domain]:+.3f}" for domain in others)
        + " |",
    ]
    base, usual = section("edit", FitConfig), section("optimisers.lora", Optimiser)
    among = matrices(target, section("decompose.modules", str))
    for rank in args.ranks:
        edit = LoraBaseline(method="lora", domains=domains, rank=rank)
        for weight in args.weights:
            config = base.model_copy(
                update={"budgets": (TOKENS,), "retain_tokens": RETAINED, "retain_batch": BATCH}
            )  # fmt: skip
            method = whole_matrices(edit, among)
            text = fit_text(target, blocks, domains, config)
            probe, cost = usual.model_copy(update={"steps": 1, "retain_weight": weight}), Cost()
            fitter = Fitter(target, method, text, probe, config, Below(work.chance))
            fitter.fit(TOKENS, [FitSpec(0, RATE)])
            charge(fitter, cost)
            steps = int(budget / cost.flops)
            optimiser = probe.model_copy(update={"steps": steps})
            fitter = Fitter(target, method, text, optimiser, config, Below(work.chance))
            fits = fitter.fit(TOKENS, [FitSpec(0, RATE)], (steps // 4, steps // 2, steps))
            held_out = probe_text(target, work.blocks("select"), domains, config)
            best = min(fits, key=lambda fit: validation_loss(fitter, fit.change, held_out))
            figures = measure(target, best.change, held)
            lines.append(
                f"| LoRA of rank {rank}, weight {weight:g}, {best.steps} of {steps} steps | {TOKENS} | {budget:.1e} | "
                f"{figures[domains.target]['edited_ce'] - work.chance:+.2f} | "
                + " | ".join(f"{figures[domain]['damage']:+.3f}" for domain in others)
                + " |"
            )
            print(lines[-1], flush=True)
    args.into.parent.mkdir(parents=True, exist_ok=True)
    args.into.write_text("\n".join(["# LoRA with the decomposition's compute", "", *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()

"""LoRA with what the decomposition had: ``python -m benchmarks.rich_lora [--ranks 1 4] [--weights 1.5 16]``

Each LoRA (every matrix, the report's headline target) is trained with about the FLOPs of the decompose and importance
stages of the last run (``make run`` first) on 1,024 target tokens and seven times the usual retained text, at two
weights of what holds the retained domain; the step that does best on the select split counts. Measured on the eval
split, beside the report's headline edit at its headline budget (mean over draws).
"""

import argparse
from pathlib import Path

from benchmarks.common import KEPT
from prefactor.config.edit import FitConfig
from prefactor.config.edits import Domains, LoraEdit, Nothing
from prefactor.config.params import section
from prefactor.config.report import ReportConfig
from prefactor.corpus.blocks import take
from prefactor.edits.build import build_method
from prefactor.edits.fit import FitSpec, Fitter
from prefactor.edits.recipe import validation_loss
from prefactor.edits.sweep import charge, fit_text, probe_text
from prefactor.export.results import compare
from prefactor.files.artifacts import read_json
from prefactor.files.cost import Cost
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
    work, headline = Workspace(), section("report", ReportConfig).headline
    model, net, blocks = work.model, work.net, work.blocks("fit")
    about = read_json(work.data / "edit" / headline / "edit.json")
    domains = Domains(target=about["target"], retain=about["retain"], protect=about["protect"])
    budget = sum(read_json(work.data / s / "cost.json")["flops"] for s in ("decompose", "importance"))
    held = {
        d: hold_out(model.target, take(work.blocks("eval").of(d), HELD_OUT, "HELD_OUT").tokens) for d in domains.roles
    }
    others = [d for d, role in domains.roles.items() if role != "target"]
    (own,) = compare(work.data, [headline])
    lines = [
        f"| edit | target tokens | FLOPs | target − chance | {' | '.join(others)} |",
        "|---|---|---|---|" + "---|" * len(others),
        f"| {headline} | {own['budget']} | {budget:.1e} once | {own['target_ce_minus_chance']:+.2f} | "
        + " | ".join(f"{own['damage'][d]:+.3f}" for d in others)
        + " |",
    ]
    base = section("edit", FitConfig)
    for rank in args.ranks:
        edit = LoraEdit(method="lora", domains=domains, choose=Nothing(by="nothing"), rank=rank)
        for weight in args.weights:
            config = base.model_copy(
                update={"budgets": (TOKENS,), "retain_tokens": RETAINED, "retain_batch": BATCH}
            )  # fmt: skip
            method, _ = build_method(edit, [], model, net, blocks, config)
            text = fit_text(model, blocks, domains, config)
            probe, cost = base.lora.model_copy(update={"steps": 1, "retain_weight": weight}), Cost()
            fitter = Fitter(model.target, method, text, probe, config)
            fitter.fit(TOKENS, [FitSpec(0, RATE)])
            charge(fitter, cost)
            steps = int(budget / cost.flops)
            optimiser = probe.model_copy(update={"steps": steps})
            fitter = Fitter(model.target, method, text, optimiser, config)
            fits = fitter.fit(TOKENS, [FitSpec(0, RATE)], (steps // 4, steps // 2, steps))
            held_out = probe_text(model, work.blocks("select"), domains, config)
            best = min(fits, key=lambda fit: validation_loss(fitter, fit.change, held_out))
            found = measure(model.target, best.change, held)
            lines.append(
                f"| LoRA of rank {rank}, weight {weight:g}, {best.steps} of {steps} steps | {TOKENS} | {budget:.1e} | "
                f"{found[domains.target]['edited_ce'] - work.chance:+.2f} | "
                + " | ".join(f"{found[d]['damage']:+.3f}" for d in others)
                + " |"
            )
            print(lines[-1], flush=True)
    args.into.parent.mkdir(parents=True, exist_ok=True)
    args.into.write_text("\n".join(["# LoRA with the decomposition's compute", "", *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()

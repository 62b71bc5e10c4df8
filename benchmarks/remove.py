"""``prefactor remove`` against the stages' own choice: ``python -m benchmarks.remove [--targets de fr] [--seeds 0]``

For each target, in the folder of a run: ``reach`` and ``reach-8`` as the default's params have them, with this target
(as they were made, where they were; else by the stages' own code), and a search in an empty store, looked at after each
of ``--seconds`` of CPU time, which on a machine with nothing else to do are seconds. All are measured on the select
split, as a search measures, and on the eval split, on which nothing was chosen. Writes ``remove.json`` as it
goes, and ``remove.md`` of all that it has.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.common import KEPT, markdown, write_lines
from prefactor.config.candidates import CandidatesConfig
from prefactor.config.edit import FitConfig
from prefactor.config.edits import GuardedEdit, Reached
from prefactor.config.guard import GuardByImportance
from prefactor.config.params import section
from prefactor.config.report import ReportConfig
from prefactor.config.shortlists import ByLabel, ShortlistConfig
from prefactor.edits.unfitted import unfitted
from prefactor.export.edited_model import Edited
from prefactor.files.cost import Cost
from prefactor.report.verdict import judge
from prefactor.search.choose import choose
from prefactor.search.measure import Outcome
from prefactor.search.search import Search
from prefactor.search.starts import made
from prefactor.search.trial import Proposal, Trial, front_of
from prefactor.selection.effect import measured, order
from prefactor.selection.shortlist import shortlist
from prefactor.selection.spill import measure_candidates
from prefactor.workspace import BY_HAND, Workspace

FILE = "remove.json"
DAY = 86400.0  # seconds
CONTEXT = GuardByImportance(weigh="context", ridge=0.01)
OWN = {
    "reach": Reached(by="reach", kl=0.2),
    "reach-8": Reached(by="reach", kl=0.2, gains="each", among=24),
}


def evaluated(work: Workspace, edited: Edited) -> dict[str, Any]:
    """What ``edited`` does to text of the eval split: the gap, own damage by domain, whether it holds."""
    domains, rows = edited.edit.domains, {row["domain"]: row for row in edited.measure()}
    gap = rows[domains.target]["edited_ce"] - work.chance
    damage = {domain: row["damage_own"] for domain, row in rows.items()}
    bars = section("report", ReportConfig, work.params).bars
    others = domains.protect + domains.unseen
    verdict = judge(edited.edit, {"chance": gap}, damage, others, bars)
    worst = max((*domains.retain, *others), key=lambda domain: damage[domain])
    return {"gap": gap, "worst": damage[worst], "worst_domain": worst, "holds": verdict.holds, "damage": damage}


def selected(outcome: Outcome | Trial) -> dict[str, Any]:
    return {"short": outcome.gap, "select": outcome.worst, "select_domain": outcome.worst_domain}


def own(search: Search) -> list[dict[str, Any]]:
    """The stages' own choices for the target of ``search``."""
    work, domains, rows = search.work, search.domains, []
    known = {start.source: start for start in made(work, domains) if start.prefactors is not None}
    ranked: list[str] = []
    ranking = 0.0
    for name, alpha in OWN.items():
        began, top = time.process_time(), 1 if name == "reach" else 8
        if name in known:
            proposal, prefactors = known[name].proposal, known[name].prefactors
            assert prefactors is not None
        else:
            if not ranked:
                ranked = by_spill(work, search)
                ranking = time.process_time() - began
            chosen = ranked if name == "reach-8" else ranked[:1]
            top = min(top, len(chosen))
            edit = GuardedEdit(
                method="guarded", domains=domains, shortlist=BY_HAND, guard=CONTEXT, top=top, alpha=alpha
            )  # fmt: skip
            config = section("edit", FitConfig, work.params)
            found = unfitted(edit, chosen, work.model, work.net, config, work.grounds(), Cost())
            pairs = dict(zip(found.subcomponents, found.prefactors, strict=True))
            proposal = Proposal.of([(n, 1 - a) for n, a in pairs.items()], "context", CONTEXT.ridge)
            prefactors = tuple(pairs[n] for n in proposal.subcomponents)
        seconds = None if name in known else time.process_time() - began + (ranking if name == "reach-8" else 0.0)
        outcome = search._measuring.given(proposal, prefactors)
        given = dict(zip(proposal.subcomponents, prefactors, strict=True))
        guard = None if proposal.guard is None else GuardByImportance(weigh=proposal.guard, ridge=proposal.ridge or 0.0)
        edited = work.set(given, target=domains.target, retain=domains.retain, guard=guard)
        rows.append({"what": name, "seconds": seconds} | selected(outcome) | evaluated(work, edited))
    return rows


def by_spill(work: Workspace, search: Search) -> list[str]:
    """The candidates of the target, ranked as the default's shortlist ranks German's."""
    choose_by = ByLabel(by="label", query=work.query(search.domains.target), rank="spill")
    guard = GuardByImportance(weigh="importance", ridge=0.01)
    wanted = ShortlistConfig(domains=search.domains, choose=choose_by, guard=guard)
    config = section("candidates", CandidatesConfig, work.params)
    names = shortlist("own", wanted, work.table).names(config.tried)
    known = measure_candidates(wanted, names, work.model, work.net, work.blocks("select"), config, Cost())
    return [name for name, _ in order(measured(known, names, "own"), "spill")]


def searched(search: Search, seconds: Sequence[float]) -> list[dict[str, Any]]:
    """What a search has found after each of ``seconds``."""
    began, times = time.process_time(), list[float]()

    def spent() -> float:
        return time.process_time() - began

    search.run(DAY, lambda trial: times.append(spent()), lambda: spent() > max(seconds))
    trials, rows = search.trials(), []
    for length in sorted(seconds):
        done = [trial for trial, at in zip(trials, times, strict=True) if at <= length]
        front = front_of(done)
        bars = section("report", ReportConfig, search.work.params).bars
        trial = choose(front, search.domains, bars)
        points = [[point.gap, point.worst, point.worst_domain, len(point.subcomponents)] for point in front]
        row = {"what": f"search, {length:g} s", "seconds": length, "trials": len(done), "front": points}
        about = {"size": len(trial.subcomponents), "guard": trial.guarded, "ridge": trial.ridge, "source": trial.source}
        rows.append(row | about | selected(trial) | evaluated(search.work, search.edited(trial)))
    return rows


def shown(row: dict[str, Any]) -> dict[str, str]:
    return {
        "target": row["target"],
        "retained": row["retained"],
        "what": row["what"] + (f", seed {row['seed']}" if "trials" in row and row["seed"] else ""),
        "trials": str(row.get("trials", "")),
        "CPU s": "made before" if row["seconds"] is None else f"{row['seconds']:.0f}",
        "select: short": f"{row['short']:.2f}",
        "select: worst": f"{row['select']:+.3f} ({row['select_domain']})",
        "eval: − chance": f"{row['gap']:+.2f}",
        "eval: worst": f"{row['worst']:+.3f} ({row['worst_domain']})",
        "holds": "yes" if row["holds"] else "no",
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", nargs="+", default=["de", "en", "fr", "es", "it"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--seconds", nargs="+", type=float, default=[20.0, 60.0])
    parser.add_argument("--into", type=Path, default=KEPT)
    args = parser.parse_args(argv)
    work = Workspace()
    kept = args.into / FILE
    rows: list[dict[str, Any]] = json.loads(kept.read_text()) if kept.is_file() else []
    for target in args.targets:
        for seed in args.seeds:
            with TemporaryDirectory() as folder:
                search = Search(work, target, seed=seed, store=Path(folder))
                about = {"target": target, "seed": seed, "retained": ", ".join(search.domains.retain)}
                if not any(row["target"] == target and row["seed"] == seed and "trials" in row for row in rows):
                    rows += [about | {"load": os.getloadavg()[0]} | row for row in searched(search, args.seconds)]
                    write(args.into, rows)
                if not any(row["target"] == target and "trials" not in row for row in rows):
                    rows += [about | {"load": os.getloadavg()[0]} | row for row in own(search)]
                    write(args.into, rows)
            print(f"{target}, seed {seed}: done", flush=True)


def write(into: Path, rows: list[dict[str, Any]]) -> None:
    into.mkdir(parents=True, exist_ok=True)
    (into / FILE).write_text(json.dumps(rows, indent=1), encoding="utf-8")
    write_lines(into, "remove.md", [*markdown([shown(row) for row in rows]), ""])


if __name__ == "__main__":
    main()

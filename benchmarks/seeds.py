"""How often does the headline hold? ``python -m benchmarks.seeds [--seeds 1 2 3] [--targets 1 2] [EDIT ...]``

Takes the corpus of the last run (``make run`` first), decomposes its target again with each seed of training, and
trains other targets on it, which are decomposed with the seed of ``params.yaml``. Runs every stage from there to the
evaluation of each edit or baseline, in a folder of its own under ``.runs/bench/seeds/``. Stages that were done there
are not done again. Writes ``seeds.md`` into ``--into``: nothing is chosen by hand, and a seed whose decomposition is
worse for the edits stays in the table. An edit holds by the bars of ``report.bars``, at its report's budget.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from statistics import NormalDist

import torch

from benchmarks.common import KEPT, markdown, write_lines
from prefactor.config.edits import AnyEdit, BaselineConfig, EditConfig
from prefactor.config.params import PARAMS, section
from prefactor.config.report import Bars, ReportConfig
from prefactor.edits.made import read_edit
from prefactor.files.artifacts import MANIFEST, read_json
from prefactor.query.fields import TESTS
from prefactor.report.verdict import judge
from prefactor.selection.choice import labels_of
from stages.common import DATA

ROOT = Path.cwd()
SHARED = ("decompose", "importance", "harvest", "effects", "label", "score")
LAST = { # the folder of data/ that a stage writes after its others: with its manifest the stage is done
    "target": "target/checkpoint", "locate": "locate/best", "decompose": "decompose/net",
    "importance": "importance/net", "harvest": "harvest/sample", "effects": "effects/effects",
    "label": "label/labels", "score": "score/scores",
    "shortlist": "shortlist/{}/names", "candidates": "candidates/{}/effects", "selection": "selection/{}/chosen",
    "edit": "changes/{}/tensors", "baseline": "changes/{}/tensors", "evaluate": "evaluate/{}/rollouts",
}  # fmt: skip
EDITS = ("guarded-importance", "reach", "reach-8", "direction")


def prepare(stage: str, seed: int) -> Path:
    """A folder with the corpus of the last run, and its target but for another one's seed, and params with ``seed``."""
    folder = KEPT / "seeds" / (str(seed) if stage == "decompose" else f"{stage}-{seed}")
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for given in ("corpus", *(["target"] if stage == "decompose" else [])):
        link = folder / "data" / given
        if not link.exists():
            link.symlink_to((DATA / given).resolve())
    text = PARAMS.read_text(encoding="utf-8")
    own = text.index("seed:", text.index(f"\n{stage}:"))
    end = text.index("\n", own)
    (folder / PARAMS).write_text(f"{text[:own]}seed: {seed}{text[end:]}", encoding="utf-8")
    if stage == "target":
        run(folder, "target")
    return folder


def done(folder: Path, stage: str, *words: str) -> bool:
    """Whether ``stage`` (of the entry that ``words`` name) has ended in ``folder``."""
    return (folder / "data" / LAST[stage].format(*words) / MANIFEST).exists()


def run(folder: Path, stage: str, *words: str) -> None:
    if not done(folder, stage, *words):
        print(f"{folder.name}: {' '.join((stage, *words))}", file=sys.stderr)
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-m", f"stages.{stage}", *words], cwd=folder, env=environment, check=True)


def row_of(folder: Path, name: str, edit: AnyEdit, bars: Bars) -> dict[str, str]:
    """A row at the report's budget."""
    data = folder / "data"
    found = read_json(data / "evaluate" / name / "metrics.json")
    gap, own = found["target_ce_minus_chance"], {domain: value["mean"] for domain, value in found["damage_own"].items()}
    gaps = {goal: found[f"target_ce_minus_{goal}"]["mean"] for goal in ("chance", "unigram")}
    protected = [domain for domain in own if domain not in edit.domains.retain]
    verdict = judge(edit, gaps, own, protected, bars)
    changed, labels = read_edit(data, name)["subcomponents"], labels_of(data / "selection" / name)
    spread = f" ({gap['low']:+.2f}, {gap['high']:+.2f})" if gap["draws"] > 1 else ""
    return {
        "run": folder.name,
        "edit": name,
        "first of them": f"`{changed[0]}` {labels[changed[0]]}" if changed else "-",
        "target − chance": f"{gap['mean']:+.2f}{spread}",
        "retained": f"{max(found['damage'][domain]['mean'] for domain in edit.domains.retain):+.3f}",
        "outside quotes": f"{verdict.retained:+.3f}",
        "worst other, outside quotes": f"{verdict.protected:+.3f} ({max(protected, key=own.__getitem__)})",
        "holds": "yes" if verdict.holds else "no",
    }


def shares(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """How many runs of each edit hold, with Wilson's 95 % interval."""
    found = []
    for edit in dict.fromkeys(row["edit"] for row in rows):
        own = [row["holds"] == "yes" for row in rows if row["edit"] == edit]
        n, z = len(own), NormalDist().inv_cdf(0.975)
        p = sum(own) / n
        centre, half = p + z**2 / (2 * n), z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
        low, high = ((centre + sign * half) / (1 + z**2 / n) for sign in (-1, 1))
        found.append({"edit": edit, "holds": f"{sum(own)} of {n}", "95 %": f"{100 * low:.0f} to {100 * high:.0f} %"})
    return found


def quality_of(folder: Path) -> dict[str, str]:
    data = folder / "data"
    battery, labels = read_json(data / "importance" / "metrics.json"), read_json(data / "score" / "metrics.json")
    return {
        "run": folder.name,
        "PGD-20 KL": f"{battery['kl']['pgd20']:.2f}",
        "stochastic": f"{battery['kl']['stochastic']:.3f}",
        "L0": f"{battery['l0']['0']:.0f}",
        "alive": str(battery["alive"]),
        "clear labels": str(labels["clear"]),
        **{test: f"{labels[test]['mean']:.2f}" for test in TESTS},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("edits", nargs="*", default=EDITS, help=f"of params.yaml; {', '.join(EDITS)} if left out")
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3], help="of other decompositions")
    parser.add_argument("--targets", type=int, nargs="*", default=[], help="seeds of other targets")
    parser.add_argument("--into", type=Path, default=KEPT / "seeds")
    args = parser.parse_args()
    edits, baselines = section("edits", dict[str, EditConfig]), section("baselines", dict[str, BaselineConfig])
    known: dict[str, AnyEdit] = {**edits, **baselines}
    if unknown := [name for name in args.edits if name not in known]:
        parser.error(f"there is no edit {unknown[0]}: there are {', '.join(known)}")
    folders = [prepare("decompose", seed) for seed in args.seeds] + [prepare("target", seed) for seed in args.targets]
    for folder in folders:
        for stage in SHARED:
            run(folder, stage)
        for name in args.edits:
            if name in baselines:
                run(folder, "locate")
                run(folder, "baseline", name)
            else:
                for stage in ("shortlist", "candidates"):
                    run(folder, stage, edits[name].shortlist)
                for stage in ("selection", "edit"):
                    run(folder, stage, name)
            run(folder, "evaluate", name)
    bars = section("report", ReportConfig).bars
    quality = [quality_of(folder) for folder in folders]
    rows = [row_of(folder, name, known[name], bars) for folder in folders for name in args.edits]
    words = [*args.edits, "--seeds", *map(str, args.seeds), "--targets", *map(str, args.targets)]
    lines = [
        "# How often the default holds",
        "",
        f"`python -m benchmarks.seeds {' '.join(words)}`: the default's corpus and params, but for the seed of",
        "`decompose.training` (a number) or of `target` (`target-` and a number).",
        f"{os.cpu_count()} CPU cores that other work may share, torch {torch.__version__}. Nats a token on the eval",
        "split, means over draws with 95 % intervals where an edit is fitted. It holds with its goal reached, at most",
        f"{bars.retained} nats of the retained and {bars.protected} of any other domain, outside quotes of another.",
        "",
        *markdown(shares(rows)),
        "",
        *markdown(rows),
        "",
        *markdown(quality),
        "",
    ]
    write_lines(args.into, "seeds.md", lines)
    print(f"written: {args.into / 'seeds.md'}")


if __name__ == "__main__":
    main()

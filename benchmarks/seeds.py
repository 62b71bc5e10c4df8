"""The same edits on other decompositions of the same target: ``python -m benchmarks.seeds [--seeds 1 2 3] [EDIT ...]``

Takes corpus and target of the last run (``make run`` first), decomposes the target again with each seed of training,
and runs every stage from there to the evaluation of each edit, in a folder of its own under ``.runs/bench/seeds/``.
Stages that were done there are not done again. Writes ``seeds.md`` into ``--into``: nothing is chosen by hand, and a
seed whose decomposition is worse for the edits stays in the table.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import torch

from benchmarks.common import KEPT, markdown
from prefactor.config.edits import EditConfig
from prefactor.config.params import PARAMS, section
from prefactor.evaluate.intervals import Figure, interval
from prefactor.files.artifacts import MANIFEST, part, read_json
from prefactor.query.fields import TESTS
from prefactor.selection.choice import read_selection
from stages.common import DATA

ROOT = Path.cwd()
GIVEN = ("corpus", "target")
SHARED = ("decompose", "importance", "harvest", "effects", "label", "score")
LAST = { # the folder that a stage writes after its others: with its manifest the stage is done
    "decompose": "net", "importance": "net", "harvest": "sample", "effects": "effects", "label": "labels",
    "score": "scores", "shortlist": "names", "candidates": "effects", "selection": "chosen", "edit": "fits",
    "evaluate": "rollouts",
}  # fmt: skip
EDITS = ("scalar", "guarded-domain", "guarded-importance", "zero-token", "reach")
BUDGETS = (0, 4, 32)


def prepare(seed: int) -> Path:
    """A folder with the corpus and target of the last run, and params with another seed."""
    folder = KEPT / "seeds" / str(seed)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for stage in GIVEN:
        link = folder / "data" / stage
        if not link.exists():
            link.symlink_to((DATA / stage).resolve())
    text = PARAMS.read_text(encoding="utf-8")
    own = text.index("seed:", text.index("\ndecompose:"))
    end = text.index("\n", own)
    (folder / PARAMS).write_text(f"{text[:own]}seed: {seed}{text[end:]}", encoding="utf-8")
    return folder


def run(folder: Path, stage: str, *words: str) -> None:
    if not (folder / "data" / stage / Path(*words) / LAST[stage] / MANIFEST).exists():
        print(f"{folder.name}: {' '.join((stage, *words))}", file=sys.stderr)
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-m", f"stages.{stage}", *words], cwd=folder, env=environment, check=True)


def _over_draws(gap: Figure) -> str:
    return f"{gap['low']:+.2f}, {gap['high']:+.2f}" if gap["draws"] > 1 else "one draw"


def rows_of(folder: Path, edit: str) -> list[dict[str, str]]:
    """A row a budget."""
    data, rows = folder / "data", []
    chosen = read_selection(data / "selection" / edit).chosen
    table = pd.read_parquet(part(data / "evaluate" / edit, "table"))
    chance = read_json(data / "target" / "metrics.json")["chance"]
    for budget, own in table[table["budget"].isin(BUDGETS)].groupby("budget"):
        gap = interval((own[own["role"] == "target"]["edited_ce"] - chance).tolist())
        others = own[own["role"] != "target"].groupby("domain")["damage"].mean()
        rows.append(
            {
                "seed": folder.name,
                "edit": edit,
                "chosen": ", ".join(f"`{choice.subcomponent}` {choice.label}" for choice in chosen),
                "n": str(budget),
                "target − chance": f"{gap['mean']:+.2f} ({_over_draws(gap)})",
                "retained": f"{own[own['role'] == 'retained']['damage'].mean():+.3f}",
                "worst": f"{others.max():+.3f} ({others.idxmax()})",
            }
        )
    return rows


def quality_of(folder: Path) -> dict[str, str]:
    data = folder / "data"
    battery, labels = read_json(data / "importance" / "metrics.json"), read_json(data / "score" / "metrics.json")
    return {
        "seed": folder.name,
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
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--into", type=Path, default=KEPT / "seeds")
    args = parser.parse_args()
    known = section("edits", dict[str, EditConfig])
    if unknown := [name for name in args.edits if name not in known]:
        parser.error(f"there is no edit {unknown[0]}: there are {', '.join(known)}")
    folders = [prepare(seed) for seed in args.seeds]
    for folder in folders:
        for stage in SHARED:
            run(folder, stage)
        for edit in args.edits:
            for stage in ("shortlist", "candidates"):
                run(folder, stage, known[edit].shortlist)
            for stage in ("selection", "edit", "evaluate"):
                run(folder, stage, edit)
    quality = [quality_of(folder) for folder in folders]
    rows = [row for folder in folders for edit in args.edits for row in rows_of(folder, edit)]
    command = f"python -m benchmarks.seeds {' '.join(args.edits)} --seeds {' '.join(map(str, args.seeds))}"
    lines = [
        "# The default's edits on other decompositions",
        "",
        f"`{command}`: the default's corpus, target and params, but for `decompose.training.seed`.",
        f"{os.cpu_count()} CPU cores that other work may share, torch {torch.__version__}. Nats a token on the eval",
        "split, means over draws of n target tokens with 95 % intervals; `worst` is the largest mean damage to another",
        "domain, retained or protected.",
        "",
        *markdown(quality),
        "",
        *markdown(rows),
        "",
    ]
    args.into.mkdir(parents=True, exist_ok=True)
    (args.into / "seeds.md").write_text("\n".join(lines), encoding="utf-8")
    print(f"written: {args.into / 'seeds.md'}")


if __name__ == "__main__":
    main()

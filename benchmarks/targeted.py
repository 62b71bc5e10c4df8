"""Is a part of the model enough for an edit? ``python -m benchmarks.targeted [--seeds 0 1] [ARM ...]``

Takes corpus and target of the last run (``make run`` first) and decomposes the target in several ways, each in a folder
of its own under ``.runs/bench/targeted/``; runs every stage from there to the evaluation of ``guarded-importance`` at
four target tokens. Stages that were done there are not done again. Writes ``arms.md`` into ``--into``: what each
decomposition cost, what it is like, what the edit does, and how far the components of a narrow target stream are those
of a wider one.
"""

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from ruamel.yaml import YAML
from torch import Tensor

from benchmarks.common import KEPT, markdown
from benchmarks.seeds import SHARED, done
from prefactor.config.params import PARAMS, read_params
from prefactor.corpus.blocks import read_blocks
from prefactor.evaluate.intervals import interval
from prefactor.files.artifacts import part, read_json
from prefactor.machine.runtime import setup
from prefactor.model.matrices import matrices
from prefactor.model.target import read_target
from prefactor.selection.choice import read_selection
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import lower_leaky
from prefactor.vpd.initial import singular_components
from prefactor.vpd.store import read_components, read_net
from stages.common import DATA

ROOT = Path.cwd()
FOLDERS = KEPT / "targeted"
EDIT, SHORTLIST = "guarded-importance", "german-guarded"
EDITS = (("shortlist", SHORTLIST), ("candidates", SHORTLIST), ("selection", EDIT), ("edit", EDIT), ("evaluate", EDIT))
DOMAINS = ("de", "en", "fr", "es", "it")
CLOSE = 0.8  # cosine of u v^T from which two subcomponents count as one
ON = 0.05  # mean importance on German text from which a subcomponent counts as carrying it


@dataclass(frozen=True)
class Arm:
    """Changes of params.yaml, ``section.key`` to value; ``edited`` where the edit is made too."""

    changes: dict[str, Any]
    edited: bool = True


def _targeted(
    target: tuple[str, ...], steps: int, minimality: float = 1e-4, frequency: float = 1e-4, end: float = 0.5
) -> dict[str, Any]:
    other = [domain for domain in DOMAINS if domain not in target]
    weights = {"stochastic": 0.5, "adversarial": 0.5, "faithfulness": 0.0}
    weights |= {"minimality": minimality, "frequency": frequency}
    objective = {"kind": "targeted", "target": list(target), "other": other, "batch": 2, "stochastic": 0.5}
    return {
        "decompose.objective": objective | {"minimality": 3e-3},
        "decompose.subcomponents": 16,
        "decompose.initial": "singular",
        "decompose.training.steps": steps,
        "decompose.training.coefficients": weights,
        # Smooth L0 stops pulling at importances of 1 long before so few steps are over (results/targeted.md).
        "decompose.training.penalty": {"kind": "lp", "start": 1.0, "end": end},
        "importance.training.coefficients": weights,
    }


def _sparse(target: tuple[str, ...], steps: int) -> dict[str, Any]:
    """What made German one subcomponent of Gemma (results/gemma.md): ten times the minimality, no frequency term."""
    refit = {"importance.training.penalty": {"kind": "lp", "start": 0.4, "end": 0.4}}
    return _targeted(target, steps, minimality=1e-3, frequency=0.0, end=0.4) | refit


def _local(steps: int, net_steps: int) -> dict[str, Any]:
    fit = {"steps": steps, "batch": 4, "learning_rate": 3e-3, "top": 16}
    return {"decompose.source": "local", "decompose.local": fit, "decompose.training.steps": net_steps}


STEPS = 300
ARMS = {
    "full": Arm({}),  # as params.yaml has it
    "targeted": Arm(_targeted(("de",), STEPS)),
    "targeted, sparse": Arm(_sparse(("de",), STEPS)),
    "targeted, wide": Arm(_targeted(("de", "fr", "es", "it"), STEPS), edited=False),
    "local": Arm(_local(2000, 1000)),
    "local, targeted": Arm(_targeted(("de",), 250) | _local(400, 250)),
    "targeted, random start": Arm(_targeted(("de",), STEPS) | {"decompose.initial": "random"}, edited=False),
    "targeted, wide, random start": Arm(
        _targeted(("de", "fr", "es", "it"), STEPS) | {"decompose.initial": "random"}, edited=False
    ),
}
NESTED = (("targeted", "targeted, wide"), ("targeted, random start", "targeted, wide, random start"))


def prepare(arm: str, seed: int) -> Path:
    """A folder with the corpus and target of the last run, and the arm's params."""
    folder = FOLDERS / arm.replace(", ", "-").replace(" ", "-") / str(seed)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for stage in ("corpus", "target"):
        link = folder / "data" / stage
        if not link.exists():
            link.symlink_to((DATA / stage).resolve())
    params = read_params()
    params["edits"] = {EDIT: params["edits"][EDIT] | {"budgets": [4]}}
    params["shortlists"] = {SHORTLIST: params["shortlists"][SHORTLIST]}
    params["edit"]["seeds"] = 3
    for name, value in (ARMS[arm].changes | {"decompose.training.seed": seed}).items():
        *path, key = name.split(".")
        section = params
        for step in path:
            section = section[step]
        section[key] = value
    with open(folder / PARAMS, "w", encoding="utf-8") as file:
        YAML(typ="safe").dump(params, file)
    return folder


def run(folder: Path, stage: str, *words: str) -> None:
    if not done(folder, stage, *words):
        print(f"{folder}: {' '.join((stage, *words))}", file=sys.stderr, flush=True)
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-m", f"stages.{stage}", *words], cwd=folder, env=environment, check=True)


def make(arm: str, seed: int) -> Path:
    folder = prepare(arm, seed)
    for stage in SHARED if ARMS[arm].edited else ("decompose", "importance"):
        run(folder, stage)
    if ARMS[arm].edited:
        for stage, name in EDITS:
            run(folder, stage, name)
    return folder


def cost_of(arm: str, seed: int, folder: Path, full: Path) -> dict[str, str]:
    bill, whole = ({s: read_json(f / "data" / s / "cost.json") for s in ("decompose", "importance")}
                   for f in (folder, full))  # fmt: skip
    return {
        "arm": arm,
        "seed": str(seed),
        "steps": str(read_json(folder / "data" / "decompose" / "metrics.json")["steps"]),
        **{f"{stage}, TFLOP": f"{bill[stage]['flops'] / 1e12:.2f}" for stage in bill},
        "of the full one's": f"{bill['decompose']['flops'] / whole['decompose']['flops']:.0%}",
        "seconds": " + ".join(f"{bill[stage]['seconds']:.0f}" for stage in bill),
    }


def battery_of(arm: str, seed: int, folder: Path) -> dict[str, str]:
    found = read_json(folder / "data" / "importance" / "metrics.json")
    other = found.get("other")
    return {
        "arm": arm,
        "seed": str(seed),
        "C": str(found["subcomponents"]),
        "alive": str(found["alive"]),
        "L0": f"{found['l0']['0']:.1f}",
        "other L0": f"{other['l0']['0']:.1f}" if other else "",
        "stochastic": f"{found['kl']['stochastic']:.3f}",
        "importance": f"{found['kl']['importance']:.3f}",
        "PGD-20": f"{found['kl']['pgd20']:.2f}",
        "other stochastic": f"{other['kl']['stochastic']:.3f}" if other else "",
        "other importance": f"{other['kl']['importance']:.3f}" if other else "",
        "Δ share": f"{found['delta_share']:.3f}",
    }


def edit_of(arm: str, seed: int, folder: Path) -> dict[str, str]:
    data = folder / "data"
    table = pd.read_parquet(part(data / "evaluate" / EDIT, "table"))
    own = table[table["budget"] == 4]
    chance = read_json(data / "target" / "metrics.json")["chance"]
    gap = interval((own[own["role"] == "target"]["edited_ce"] - chance).tolist())
    by_domain = own[own["role"] != "target"].groupby("domain")["damage"].mean()
    neighbours = by_domain.drop("en")
    return {
        "arm": arm,
        "seed": str(seed),
        "chosen": ", ".join(f"`{c.subcomponent}` {c.label}" for c in read_selection(data / "selection" / EDIT).chosen),
        "target − chance": f"{gap['mean']:+.2f} ({gap['low']:+.2f}, {gap['high']:+.2f})",
        "en": f"{by_domain['en']:+.3f}",
        "worst neighbour": f"{neighbours.max():+.3f} ({neighbours.idxmax()})",
    }


@cache
def _target() -> Any:
    return read_target(DATA / "target" / "checkpoint", setup())


@torch.no_grad()
def importances(folder: Path, domain: str) -> tuple[DecomposedModel, Tensor]:
    """The decomposed model, and the mean importance (C,) of its subcomponents on a domain of the eval split."""
    model = read_components(folder / "data" / "decompose" / "components", _target())
    net = read_net(folder / "data" / "importance" / "net", model)
    tokens = torch.from_numpy(read_blocks(DATA / "corpus", "eval").among((domain,)).tokens[:64]).long()
    return model, lower_leaky(net(model.inputs(tokens.to(model.U[0].device)))).mean(dim=(0, 1))


def closeness(one: DecomposedModel, U: list[Tensor], V: list[Tensor], alive: list[Tensor]) -> Tensor:
    """For each subcomponent of ``one`` (C,) the largest cosine of its u v^T with one of the same matrix that lives."""
    best = []
    for u, v, other_u, other_v, lives in zip(one.U, one.V, U, V, alive, strict=True):
        cosines = _cosines(u, other_u) * _cosines(v, other_v)
        best.append(cosines.masked_fill(~lives, -1.0).amax(1))
    return torch.cat(best)


def _cosines(a: Tensor, b: Tensor) -> Tensor:
    return F.normalize(a, dim=1) @ F.normalize(b, dim=1).T


def nested(narrow: str, wide: str, seeds: list[int]) -> list[dict[str, str]]:
    """Of each seed: are the narrow stream's subcomponents those of the wide one, more than of another seed's, or of the
    singular directions that they may have started from?"""
    rows = []
    for seed in seeds:
        model, g = importances(prepare(narrow, seed), "de")
        carries = g > ON
        found = matrices(_target())
        start = singular_components(found, {s.name: s.count for s in model.sites})
        names = [s.name for s in model.sites]
        everything = [torch.ones(s.count, dtype=torch.bool) for s in model.sites]
        beside = {"singular directions": ([start[0][n] for n in names], [start[1][n] for n in names], everything)}
        others = {f"`{wide}`": prepare(wide, seed)}
        others |= {f"`{narrow}`, seed {s}": prepare(narrow, s) for s in seeds if s != seed}
        for name, folder in others.items():
            other, its = importances(folder, "de")
            beside[name] = (other.U, other.V, [its[s.columns] > ON for s in other.sites])
        for name, (U, V, alive) in beside.items():
            cosines, weights = closeness(model, U, V, alive)[carries], g[carries]
            close = cosines > CLOSE
            rows.append(
                {
                    "of": f"`{narrow}`",
                    "seed": str(seed),
                    "carry German": str(int(carries.sum())),
                    "in": name,
                    "mean cosine": f"{cosines.mean():.2f}",
                    f"above {CLOSE}": f"{close.float().mean():.0%}",
                    "by importance": f"{(weights * close).sum() / weights.sum():.0%}",
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arms", nargs="*", default=list(ARMS), help=f"all if left out: {'; '.join(ARMS)}")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--into", type=Path, default=FOLDERS)
    args = parser.parse_args()
    if unknown := [arm for arm in args.arms if arm not in ARMS]:
        parser.error(f"there is no arm {unknown[0]}: there are {', '.join(ARMS)}")
    done = {(arm, seed): make(arm, seed) for seed in args.seeds for arm in args.arms}
    full = {seed: prepare("full", seed) for seed in args.seeds}
    edited = {key: folder for key, folder in done.items() if ARMS[key[0]].edited}
    pairs = [pair for pair in NESTED if set(pair) <= set(args.arms)]
    tables = {
        "What it costs": [cost_of(*key, folder, full[key[1]]) for key, folder in done.items()],
        "What it is like": [battery_of(*key, folder) for key, folder in done.items()],
        "What the edit does": [edit_of(*key, folder) for key, folder in edited.items()],
        "Nested targets": [row for pair in pairs for row in nested(*pair, args.seeds)],
    }
    lines = [line for title, rows in tables.items() if rows for line in (f"## {title}", "", *markdown(rows), "")]
    args.into.mkdir(parents=True, exist_ok=True)
    (args.into / "arms.md").write_text("\n".join(lines), encoding="utf-8")
    print(f"written: {args.into / 'arms.md'}")


if __name__ == "__main__":
    main()

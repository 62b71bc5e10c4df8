"""Which objective decomposes best? ``python -m benchmarks.pareto [--steps N] [--batch B] [OBJECTIVE ...]``

Decomposes the target of the last run (``make run`` first) once for every objective and minimality coefficient, and
prints PGD-20 KL against L0 on held-out text: an objective is better where its points lie lower and further left. The
rest of the recipe is that of ``params.yaml``, but from random read directions where an objective does not say
otherwise; the frequency coefficient keeps its ratio to the other. Each result is kept in ``.runs/bench/pareto.jsonl``
as it comes, and a run that is started again makes only what is missing.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.common import KEPT, Text, decomposition, quality
from prefactor.config.decompose import DecomposeConfig
from prefactor.config.training import Penalty
from prefactor.files.cost import Cost
from prefactor.machine.runtime import setup
from prefactor.model.matrices import matrices
from prefactor.model.target import read_target
from prefactor.vpd.start import start_decomposition
from prefactor.vpd.train import train
from stages.common import DATA, section

FACTORS = (0.5, 1.0, 2.0, 4.0)  # of the minimality coefficient of params.yaml
LP = Penalty(kind="lp", start=1.0, end=0.4)
SMOOTH = Penalty(kind="smooth-l0", start=1.0, end=0.01, until=0.9)

Change = Callable[[DecomposeConfig], DecomposeConfig]


def _lp(config: DecomposeConfig) -> DecomposeConfig:
    return decomposition(config, penalty=LP)


def _smooth(config: DecomposeConfig) -> DecomposeConfig:
    return decomposition(config, penalty=SMOOTH)


def _pooled(config: DecomposeConfig) -> DecomposeConfig:
    pooled = config.training.adversary.model_copy(update={"scope": "pooled", "particles": 4})
    return _lp(decomposition(config, adversary=pooled))


def _spd(config: DecomposeConfig) -> DecomposeConfig:
    none = config.training.coefficients.model_copy(update={"adversarial": 0.0, "frequency": 0.0})
    return _lp(decomposition(config, coefficients=none))


def _singular(config: DecomposeConfig) -> DecomposeConfig:
    return _smooth(config.model_copy(update={"initial": "singular", "subcomponents": "auto"}))


def _svd(config: DecomposeConfig) -> DecomposeConfig:
    return _lp(config.model_copy(update={"source": "svd", "subcomponents": "auto"}))


OBJECTIVES: dict[str, Change] = {
    "lp": _lp, "smooth-l0": _smooth, "smooth-l0, singular": _singular, "lp, pooled": _pooled, "spd": _spd, "svd": _svd,
}  # fmt: skip


def scaled(config: DecomposeConfig, factor: float) -> DecomposeConfig:
    c = config.training.coefficients
    penalties = {"minimality": factor * c.minimality, "frequency": factor * c.frequency}
    return decomposition(config, coefficients=c.model_copy(update=penalties))


def measure(config: DecomposeConfig, target: Any, text: Text) -> dict[str, float]:
    since = time.perf_counter()
    model, net = start_decomposition(target, config, matrices(target, config.modules), text.device)
    clip = config.clip if config.source == "trained" else None
    train(model, net, text.blocks, config.training, Cost(), clip=clip)
    seconds = time.perf_counter() - since
    return quality(model, net, text.held_out) | {"subcomponents": model.subcomponents, "seconds": seconds}


def read_kept(path: Path) -> dict[str, dict[str, Any]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {json.dumps(row["config"], sort_keys=True): row for row in rows}


def main() -> None:
    arguments = argparse.ArgumentParser(description="PGD-20 KL against L0, by objective and minimality coefficient")
    arguments.add_argument("--steps", type=int)
    arguments.add_argument("--batch", type=int)
    arguments.add_argument("objectives", nargs="*", metavar="OBJECTIVE", help=", ".join(map(repr, OBJECTIVES)))
    given = arguments.parse_args()
    if unknown := [name for name in given.objectives if name not in OBJECTIVES]:
        arguments.error(f"no objective is called {unknown[0]!r}; there are {', '.join(map(repr, OBJECTIVES))}")
    config = section("decompose", DecomposeConfig).model_copy(update={"initial": "random"})
    config = decomposition(config, **{k: v for k in ("steps", "batch") if (v := getattr(given, k)) is not None})
    text = Text(setup())
    target = read_target(DATA / "target" / "checkpoint", text.device)
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / "pareto.jsonl"
    table = Table("objective", "minimality", "L0", "of all", "PGD-20 KL", "stochastic KL", "s", title="nats a token")
    for name in given.objectives or OBJECTIVES:
        for factor in FACTORS:
            point = OBJECTIVES[name](scaled(config, factor))
            written = point.model_dump(mode="json")
            row = read_kept(path).get(json.dumps(written, sort_keys=True))
            if row is None:
                row = {"objective": name, **measure(point, target, text), "config": written}
                with path.open("a") as file:
                    file.write(json.dumps(row) + "\n")
            minimality = point.training.coefficients.minimality
            figures = [f"{row['l0']:.0f}", f"{row['l0'] / row['subcomponents']:.1%}"]
            figures += [f"{row[k]:.3f}" for k in ("pgd20", "stochastic")]
            table.add_row(name, f"{minimality:.2g}", *figures, f"{row['seconds']:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()

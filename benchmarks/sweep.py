"""What many edits cost, by who makes them: ``python -m benchmarks.sweep [--edits 40] [--staged 8] [--rounds 3]``

On the decomposition of the last run (``make run`` first), in a copy of it: prefactors by hand, guarded with little
text, and little text to measure them on, so that what is around an edit shows. Interleaved, medians over rounds of wall
seconds: ``dvc repro``; the pipeline's flow; a sweep on one worker, on two, and on two of Dask's. The first two start a
process for each of three stages; they make ``--staged`` edits, and what 40 would take is reckoned from that.
Writes benchmarks/results/sweep.md.
"""

import argparse
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, cast

import yaml

from benchmarks.common import KEPT
from prefactor.config.params import read_params

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "sweep.md"
PROJECT = KEPT / "sweep"
BASE = "zero-token"
SMALL = {
    "edit.guard_tokens": 1024,
    "edit.untagged_tokens": 4096,
    "evaluate.tokens": {"target": 1024, "retained": 1024, "protected": 1024},
    "evaluate.prompts": 1,
    "evaluate.rollout_tokens": 8,
}
EMPTY = 100  # tasks that do nothing
WAYS = {
    "dvc": "`dvc repro`, one after another",
    "flow": "the pipeline's flow, two stages at once",
    "one worker": "a sweep, one worker",
    "two workers": "a sweep, two workers",
    "dask": "a sweep, two of Dask's workers",
}


@dataclass(frozen=True)
class Run:
    """One command: how many edits it made, in how many seconds."""

    edits: int
    wall: float
    cpu: float
    start: float = math.nan  # wall, of the same where nothing is left to make
    within: float = math.nan  # wall, the edits' own, summed over workers


def copy_project() -> dict[str, Any]:
    """A copy of this folder's run; returns its params, with less text."""
    shutil.rmtree(PROJECT, ignore_errors=True)
    PROJECT.mkdir(parents=True)
    for name in ("data", ".dvc"):
        shutil.copytree(name, PROJECT / name, ignore=shutil.ignore_patterns("tmp"))
    for name in ("dvc.yaml", "dvc.lock", ".dvcignore", ".gitignore"):
        shutil.copy(name, PROJECT / name)
    for name in ("prefactor", "stages", "flows"):
        (PROJECT / name).symlink_to(ROOT / name)
    params = read_params()
    for key, value in SMALL.items():
        section, name = key.split(".")
        params[section][name] = value
    subprocess.run(["git", "init", "-q"], cwd=PROJECT, check=True)
    return params


def call(*words: str) -> tuple[float, float]:
    """Wall and CPU seconds of ``python -m words`` in the copy; the latter with all that it starts but a server."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env["PATH"]])
    wall, cpu = time.perf_counter(), _cpu()
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - wall, _cpu() - cpu


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def staged(params: dict[str, Any], values: list[float], *words: str, target: tuple[str, ...] = ()) -> Run:
    """A command that runs DVC's stages makes an edit of each of ``values``."""
    base = {key: value for key, value in params["edits"][BASE].items() if key != "alpha"}
    names = [f"by-hand-{number}" for number in range(len(values))]
    own = {name: base | {"alpha": {"by": "hand", "values": [v]}} for name, v in zip(names, values, strict=True)}
    _write("params.yaml", params | {"edits": params["edits"] | own})
    called = [word for name in names for word in (*target, f"evaluate@{name}")]
    return Run(len(values), *call(*words, *called))


def swept(params: dict[str, Any], values: list[float], *words: str) -> Run:
    """A sweep over ``values``, and again, where nothing is left to make."""
    _write("params.yaml", params)
    shutil.rmtree(PROJECT / ".runs" / "sweeps", ignore_errors=True)
    alpha = [{"by": "hand", "values": [value]} for value in values]
    _write("sweep.yaml", {"name": "bench", "base": BASE, "values": {"alpha": alpha}})
    wall, cpu = call("flows.sweep", "sweep.yaml", *words)
    start, _ = call("flows.sweep", "sweep.yaml", *words)
    rows = [json.loads(path.read_text()) for path in (PROJECT / ".runs/sweeps/bench/edits").glob("*/row.json")]
    assert len(rows) == len(values)
    return Run(len(values), wall, cpu, start, sum(row["row"]["seconds"] for row in rows))


def empty_tasks() -> dict[str, float]:
    """Milliseconds by task that does nothing: Dask alone, and Prefect with each of its runners."""
    from distributed import Client, LocalCluster

    from benchmarks.nothing import many, nothing
    from flows.serving.server import server

    found = {}
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0", memory_limit=0
    ) as cluster:
        with Client(cluster) as client:
            client.submit(nothing, -1).result()
            found["Dask: one after another, with its answer"] = _each(
                lambda: [client.submit(nothing, n).result() for n in range(EMPTY)]
            )
            found["Dask: all at once"] = _each(
                lambda: client.gather([client.submit(nothing, n) for n in range(EMPTY, 2 * EMPTY)])
            )
        with server():
            for name, address in {"threads": None, "Dask": cast(Any, cluster).scheduler_address}.items():
                many(2, address)
                found[f"Prefect, {name}: all at once"] = _each(lambda address=address: many(EMPTY, address))
    return found


def _each(do: Callable[[], object]) -> float:
    begin = time.perf_counter()
    do()
    return (time.perf_counter() - begin) / EMPTY * 1000


def _write(name: str, value: Any) -> None:
    (PROJECT / name).write_text(yaml.safe_dump(value, sort_keys=False), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edits", type=int, default=40)
    parser.add_argument("--staged", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--machine", default="2 shared cores, other jobs beside it")
    args = parser.parse_args()
    params = copy_project()
    fresh = (round(-1 - number / 1000, 3) for number in range(10**6))  # none is in a cache

    def some(count: int) -> list[float]:
        return [next(fresh) for _ in range(count)]

    tasks = empty_tasks()
    found: dict[str, list[Run]] = {way: [] for way in WAYS}
    for number in range(args.rounds):
        found["dvc"].append(staged(params, some(args.staged), "dvc", "repro", "--quiet"))
        found["flow"].append(staged(params, some(args.staged), "flows.pipeline", target=("--stage",)))
        found["one worker"].append(swept(params, some(args.edits), "--workers", "1"))
        found["two workers"].append(swept(params, some(args.edits), "--workers", "2"))
        found["dask"].append(swept(params, some(args.edits), "--runner", "dask", "--workers", "2"))
        RESULT.write_text(page(args, found, tasks), encoding="utf-8")
        print(f"round {number + 1}:", found, flush=True)


def page(args: argparse.Namespace, found: dict[str, list[Run]], tasks: dict[str, float]) -> str:
    """The result, as a page."""
    rounds = len(found["dvc"])
    each = {way: median(run.wall / run.edits for run in runs) for way, runs in found.items()}
    cpu = {way: median(run.cpu / run.edits for run in runs) for way, runs in found.items()}
    lines = [
        "# Many edits, by who makes them",
        "",
        f"`python -m benchmarks.sweep`: {args.machine}. Edits like `{BASE}`, with a prefactor by hand",
        f"and little text. Wall and CPU seconds, medians of interleaved rounds ({rounds}). The first two ways made",
        f"{args.staged} edits a round, and {args.edits} are reckoned from that.",
        "",
        f"| who makes them | s for {args.edits} | rounds | s an edit | of DVC's | CPU s an edit | of DVC's |",
        "|---|---|---|---|---|---|---|",
    ]
    for way, runs in found.items():
        whole = f"{each[way] * args.edits:.0f}" + " (reckoned)" * (runs[0].edits != args.edits)
        walls = ", ".join(f"{run.wall:.0f}" for run in runs)
        ratios = f"{each[way] / each['dvc']:.2f} | {cpu[way]:.2f} | {cpu[way] / cpu['dvc']:.2f}"
        lines.append(f"| {WAYS[way]} | {whole} | {walls} | {each[way]:.2f} | {ratios} |")
    lines += [
        "",
        "Overhead: workers times wall seconds, less the seconds within the edits, by edit. Start is what the same",
        "command takes where all is made: the params, DVC's status, Prefect and its server.",
        "",
        "| who makes them | s within edits | start, s | overhead an edit, ms | without start, ms |",
        "|---|---|---|---|---|",
    ]
    for way, runs in found.items():
        if not math.isnan(runs[0].start):
            workers, start = 1 if way == "one worker" else 2, median(run.start for run in runs)
            whole = median((workers * run.wall - run.within) / run.edits for run in runs) * 1000
            rest = median((workers * (run.wall - run.start) - run.within) / run.edits for run in runs) * 1000
            lines.append(
                f"| {WAYS[way]} | {median(run.within for run in runs):.0f} | {start:.0f} | {whole:.0f} | {rest:.0f} |"
            )
    lines += ["", f"A task that does nothing, {EMPTY} of them on two workers:", "", "| | ms each |", "|---|---|"]
    lines += [f"| {name} | {value:.1f} |" for name, value in tasks.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

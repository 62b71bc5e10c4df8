"""Which of Optuna's samplers a search should ask: ``python -m benchmarks.samplers [--target de] [--trials 30]``

Each gets the same first trials (what the stages made, the pool's first alone, what a fit found) and then proposes so
many by itself, with no fits in between. Prints what these cost the worst neighbour.
"""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from optuna.samplers import RandomSampler, TPESampler

from prefactor.search import search as module
from prefactor.search.sampler import Sampler, tree_parzen
from prefactor.search.search import Search
from prefactor.search.trial import Trial
from prefactor.workspace import Workspace

SAMPLERS = {
    "TPE, multivariate": tree_parzen,
    "TPE, each switch by itself": lambda seed: TPESampler(multivariate=False, n_startup_trials=8, seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
}
DAY = 86400.0  # seconds


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="de")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    module.BETWEEN_FITS = 10**9  # the first fit, and no other
    work = Workspace()
    with TemporaryDirectory() as folder:
        first = Search(work, args.target, store=Path(folder, "first"))
        first.run(DAY, stop=lambda: any(trial.source == "search" for trial in first.trials()[-1:]))
        for name, make in SAMPLERS.items():
            shutil.copytree(Path(folder, "first"), Path(folder, name))
            search = Search(work, args.target, seed=args.seed, store=Path(folder, name))
            search._measuring = first._measuring
            search._sampler = Sampler(first._sampler.space, args.seed, make)
            proposed: list[Trial] = []

            def note(trial: Trial, proposed: list[Trial] = proposed) -> None:
                proposed.extend([trial] if trial.source == "search" else [])

            search.run(DAY, note, lambda proposed=proposed: len(proposed) >= args.trials)
            reached = [trial.worst for trial in proposed if trial.gap == 0] or [float("nan")]
            print(
                f"| {name} | {len(proposed)} | {len(reached)} | {min(reached):.3f} | {median(reached):.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""How wrong is first-order attribution? ``python -m benchmarks.shortcut``, after ``make run``

With ``effects.exact: all`` the effects of every alive subcomponent are there, measured; this works out the same to
first order on the same text (seconds), and compares: the correlation of ranks, the error where something happens at
all, and how many of those with the largest measured effect are among as many, or twice as many, that attribution puts
forward. And of every ``effects.exact`` in ``COUNTS``: how many of those that do something it would measure.
"""

import sys
import time

import numpy as np
import pandas as pd

from benchmarks.common import markdown
from prefactor.config.effects import EffectsConfig
from prefactor.corpus.blocks import read_blocks, take
from prefactor.corpus.needs import ablated
from prefactor.files.artifacts import part
from prefactor.files.cost import Cost
from prefactor.machine.runtime import setup
from prefactor.rescale.ablate import Effects, first_order, standing_out
from prefactor.rescale.kinds import PREFACTORS
from stages.common import DATA, section
from stages.models import load_decomposed

TOP = 50
FELT = 0.01  # nats: below it the measurement is mostly noise
COUNTS = (50, 100, 200, 400, 800)
LARGE = (0.01, 0.03, 0.1)  # nats


def measured_of_each(exact: pd.DataFrame, foretold: Effects, domains: list[str]) -> list[dict[str, str]]:
    """A row a count: of the subcomponents that some domain feels at a prefactor, how many are measured."""
    harvest = pd.read_parquet(part(DATA / "harvest", "subcomponents")).set_index("subcomponent")
    importance = harvest.loc[exact["subcomponent"]].filter(regex="^importance_").to_numpy()
    columns = [f"{kind}_{domain}" for kind in PREFACTORS for domain in domains]
    most = pd.Series(abs(exact[columns].to_numpy()).max(axis=1), index=exact["subcomponent"])
    rows = []
    for count in COUNTS:
        chosen = most.index.isin(standing_out(foretold, importance, count))
        row = {"exact": str(count)}
        for nats in LARGE:
            row[f"of those above {nats} nats"] = f"{(chosen & (most > nats)).sum()} of {(most > nats).sum()}"
        rows.append(row | {"most that is not measured": f"{most[~chosen].max():.2f}"})
    return rows


def main() -> None:
    exact = pd.read_parquet(part(DATA / "effects", "effects"))
    if not exact["exact"].all():
        sys.exit("not all effects were measured: set effects.exact to all, and run the stage again")
    blocks, config = read_blocks(DATA / "corpus", "select"), section("effects", EffectsConfig)
    text = {domain: take(blocks, ablated(config, domain)).tokens for domain in blocks.domains}
    begin = time.perf_counter()
    foretold_effects = first_order(load_decomposed(setup()), exact["subcomponent"].tolist(), text, Cost())
    seconds, rough = time.perf_counter() - begin, foretold_effects.table().to_pandas()
    rows = []
    for kind in PREFACTORS:
        columns = [f"{kind}_{domain}" for domain in text]
        measured, foretold = (table[columns].to_numpy() for table in (exact, rough))
        largest, guessed = (np.argsort(-abs(values).max(axis=1)) for values in (measured, foretold))
        felt = abs(measured) > FELT
        ranks = pd.Series(measured.ravel()).rank().corr(pd.Series(foretold.ravel()).rank())
        rows.append(
            {
                "prefactor": f"{kind} ({PREFACTORS[kind]:g})",
                "rank correlation": f"{ranks:.2f}",
                f"above {FELT} nats": f"{felt.sum():,} of {felt.size:,}",
                "median error there": f"{np.median(abs(measured - foretold)[felt] / abs(measured)[felt]):.0%}",
                f"of the {TOP} largest, among {TOP} foretold": str(len(set(largest[:TOP]) & set(guessed[:TOP]))),
                f"among {2 * TOP}": str(len(set(largest[:TOP]) & set(guessed[: 2 * TOP]))),
            }
        )
    print("\n".join([*markdown(rows), "", *markdown(measured_of_each(exact, foretold_effects, list(text)))]))
    tokens = sum(own.size for own in text.values())
    print(f"\n{len(exact):,} subcomponents, {tokens:,} tokens, {seconds:.0f} s to first order")


if __name__ == "__main__":
    main()

"""What the labels of the last run are worth: ``python -m benchmarks.labels [--into FOLDER]`` (``make run`` first)

Reads tables only. Writes ``labels.md``: the tests by kind of label, what importance contrast alone would choose, and
what a query on labels and measured effects finds for each domain.
"""

import argparse
import os
from pathlib import Path

import pandas as pd
import torch

from benchmarks.common import KEPT, markdown, write_lines
from prefactor.corpus.languages import one_word
from prefactor.files.artifacts import read_json
from prefactor.label.labeller import is_clear
from prefactor.query.fields import TESTS
from prefactor.query.parse import parse_query
from prefactor.selection.choice import read_selection
from prefactor.selection.table import read_subcomponents
from stages.common import DATA

CONTRAST = "contrast-16"
SPARED = 0.05  # nats that inverting may cost another domain


def kind_of(label: str, domains: list[str] | None) -> str:
    if not is_clear(label):
        return "unclear"
    if domains is None:
        return "no domain"
    return "one domain" if len(domains) == 1 else "several domains"


def by_kind(table: pd.DataFrame) -> list[str]:
    rows = []
    for kind in ("one domain", "several domains", "no domain", "unclear"):
        own = table[table["kind"] == kind]
        means = {test: f"{own[test].mean():.2f}" if own[test].notna().any() else "–" for test in TESTS}
        rows.append({"label names": kind, "subcomponents": str(len(own)), **means})
    return markdown(rows)


def overall(metrics: dict) -> list[str]:
    rows = []
    for test in TESTS:
        one = metrics[test]
        rows.append(
            {
                "test": test,
                "mean": f"{one['mean']:.3f}",
                "95 %": f"{one['low']:.3f} to {one['high']:.3f}",
                "labels": str(one["n"]),
                "chance": f"{one['chance']:g}",
                "labels shuffled": "–" if one["shuffled"] is None else f"{one['shuffled']:.2f}",
            }
        )
    return markdown(rows)


def queries(table: pd.DataFrame, domains: list[str]) -> list[str]:
    rows = []
    for domain in domains:
        others = " and ".join(f"causal.{other} < {SPARED}" for other in domains if other != domain and other != "en")
        query = f"label ~ {one_word(domain).lower()} and domain.{domain} > 0.5 and {others}"
        found = table[parse_query(query).matches(table)]
        best = found.nlargest(1, f"invert_{domain}").iloc[0] if len(found) else None
        damage = ", ".join(f"{d} {best[f'invert_{d}']:+.2f}" for d in domains) if best is not None else ""
        told = f"`{best['subcomponent']}` {best['label']}: {damage}" if best is not None else "–"
        rows.append(
            {"query": f"`{query}`", "found": str(len(found)), "the one that costs its domain most if inverted": told}
        )
    return markdown(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=KEPT)
    args = parser.parse_args()
    table, metrics = read_subcomponents(DATA), read_json(DATA / "score" / "metrics.json")
    table = table[table["alive"]].copy()
    table["kind"] = [kind_of(*row) for row in zip(table["label"], table["domains"], strict=True)]
    domains = [str(c).removeprefix("importance_") for c in table if str(c).startswith("importance_")]
    chosen = table[table["subcomponent"].isin(read_selection(DATA / "selection" / CONTRAST).subcomponents)]
    composition = ", ".join(f"{count} {kind}" for kind, count in chosen["kind"].value_counts().items())
    listed = "; ".join(f"{label} ({count})" for label, count in chosen["label"].value_counts().items())
    lines = [
        "# Labels of the default",
        "",
        f"`python -m benchmarks.labels` after `make run`, {os.cpu_count()} CPU cores, torch {torch.__version__}. "
        "Labeller and judge are the deterministic ones: no model, no network.",
        "",
        f"{metrics['clear']} of {metrics['alive']} alive subcomponents have a clear label. Tests are on windows that "
        "were kept from the labeller; a label shuffled is one put to another subcomponent. Causal agreement is over "
        "labels that tell two domains apart, of subcomponents whose effect can be told from nothing.",
        "",
        *overall(metrics),
        "",
        f"By {metrics['surprising']} labels a domain is spared that inverting the subcomponent harms at least a "
        "quarter as much as the worst hit one (`prefactor label surprises`).",
        "",
        *by_kind(table),
        "",
        "## What importance contrast chooses",
        "",
        "Labels of the sixteen subcomponents with the largest importance contrast for German: "
        f"{composition}. {listed}.",
        "",
        "## What a query finds",
        "",
        "English is left out of the bounds: it has half of the text, and quotes the others.",
        "",
        *queries(table, domains),
        "",
    ]
    write_lines(args.into, "labels.md", lines)
    print(*lines, sep="\n")


if __name__ == "__main__":
    main()

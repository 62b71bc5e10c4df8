"""The tables and figures of ``benchmarks.edits``: a frontier a target, and how often one number beats LoRA."""

import os
from pathlib import Path

import pandas as pd
import torch

from prefactor.evaluate.intervals import interval

REACHED = 0.10  # nats: within this of chance, or above, the target counts as removed
HEADLINE = 4
CONTESTED = (4, 8, 16, 32)  # budgets at which edits are compared with LoRA
RIVALS = ("lora-1", "lora-4")


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a target, edit and budget: means over seeds, the interval of the gap to chance, the worst other domain."""
    found = []
    for (target, edit, budget), part in rows.groupby(["target", "edit", "budget"], sort=False):
        own = part[part["role"] == "target"]
        gap = interval((own["edited_ce"] - own["chance"]).tolist())
        damage = part[part["role"] != "target"].groupby("domain")["damage"].mean()
        protected = part[part["role"] == "protected"].groupby("domain")["damage"].mean()
        found.append(
            {
                "target": target, "edit": edit, "budget": budget, "gap": gap["mean"], "low": gap["low"],
                "high": gap["high"], "retained": part[part["role"] == "retained"]["damage"].mean(),
                "worst": damage.max(), "worst_domain": damage.idxmax(), "protected": protected.max(),
                "uniform_kl": own["uniform_kl"].mean(), "entropy": own["entropy"].mean(),
            }
        )  # fmt: skip
    return pd.DataFrame(found)


def wins(table: pd.DataFrame, edit: str, rival: str, budget: int) -> list[str]:
    """The targets in which ``edit`` beats ``rival`` on ``budget`` tokens.

    It does if it reaches chance and the rival does not, or if both do and its worst other domain is damaged less.
    """
    won = []
    for target in table["target"].unique():
        here = table[(table["target"] == target) & table["budget"].isin((0, budget))].set_index("edit")
        if edit not in here.index or rival not in here.index:
            continue
        a, b = here.loc[edit], here.loc[rival]
        reach, other = a["gap"] >= -REACHED, b["gap"] >= -REACHED
        if reach and (not other or a["worst"] < b["worst"]):
            won.append(str(target))
    return won


def write(rows: pd.DataFrame, into: Path, title: str, command: str) -> Path:
    """``edits.md`` and ``edits-TARGET.svg`` in ``into``; returns the former's path."""
    into.mkdir(parents=True, exist_ok=True)
    table = summary(rows)
    lines = [f"# {title}", "", *_intro(rows, command)]
    lines += ["## One number against LoRA", "", *_score(table)]
    for target in table["target"].unique():
        part = table[table["target"] == target]
        _figure(part, into / f"edits-{target}.svg", str(target))
        lines += [f"## Target {target}", "", f"![frontier](edits-{target}.svg)", "", *_target(rows, part), ""]
    path = into / "edits.md"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _intro(rows: pd.DataFrame, command: str) -> list[str]:
    seeds, chance = rows["seed"].nunique(), rows["chance"].iloc[0]
    return [
        f"Nats a token on the eval split, means over {seeds} draws of n target tokens; chance is {chance:.2f}. "
        "`worst` is the largest mean damage of any other domain, retained or protected; `protected` that of a domain "
        f"that no loss saw. *Tokens to chance*: the least budget within {REACHED:.2f} nats of chance, or above. "
        "`KL(u)` is of the edited prediction from uniform on target text: 0 says that nothing is claimed.",
        "",
        f"`python -m {command}`, on {os.cpu_count()} CPU cores that other work may share, torch {torch.__version__}. "
        "Seconds are wall, of choosing, all probes and all fits.",
        "",
    ]


def _score(table: pd.DataFrame) -> list[str]:
    targets = table["target"].nunique()
    lines = [
        f"In how many of {targets} targets an edit beats a LoRA on as many tokens: it reaches chance and the LoRA does "
        "not, or both do and its worst other domain suffers less.",
        "",
        "| edit | against | " + " | ".join(f"{n} tokens" for n in CONTESTED) + " |",
        "|---|---|" + "---|" * len(CONTESTED),
    ]
    for edit in table["edit"].unique():
        if edit in RIVALS:
            continue
        for rival in RIVALS:
            if rival in set(table["edit"]):
                won = [wins(table, str(edit), rival, n) for n in CONTESTED]
                cells = [f"{len(one)} ({' '.join(one)})" if one else "0" for one in won]
                lines.append(f"| {edit} | {rival} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _target(rows: pd.DataFrame, part: pd.DataFrame) -> list[str]:
    lines = [
        "| edit | tokens to chance | n | target − chance | retained | worst | protected | KL(u) | seconds, all fits |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for edit in part["edit"].unique():
        own = part[part["edit"] == edit].sort_values("budget")
        reached = own[own["gap"] >= -REACHED]["budget"]
        first = None if reached.empty else int(reached.iloc[0])
        seconds = rows[(rows["target"] == own["target"].iloc[0]) & (rows["edit"] == edit)]["seconds"].iloc[0]
        shown = {n for n in (0, HEADLINE, 32, int(own["budget"].max()), first) if n is not None}
        for _, one in own[own["budget"].isin(shown)].iterrows():
            interval_ = "" if pd.isna(one["low"]) else f" ({one['low']:+.2f}, {one['high']:+.2f})"
            lines.append(
                f"| {edit} | {'–' if first is None else first} | {one['budget']} | {one['gap']:+.2f}{interval_} | "
                f"{one['retained']:+.3f} | {one['worst']:+.3f} ({one['worst_domain']}) | {one['protected']:+.3f} | "
                f"{one['uniform_kl']:.2f} | {seconds:.0f} |"
            )
    chosen = rows[rows["target"] == part["target"].iloc[0]].groupby("edit", sort=False)["subcomponents"].first()
    one_each = [f"{edit} `{names}`" for edit, names in chosen.items() if names and " " not in names]
    return [*lines, "", f"Chosen: {', '.join(one_each)}."]


def _figure(part: pd.DataFrame, path: Path, target: str) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "prefactor"  # equal figures are equal bytes
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(12, 5), sharey=True, layout="constrained")
    for axis in axes:
        axis.set_prop_cycle(color=matplotlib.color_sequences["tab20"])
    for edit in part["edit"].unique():
        own = part[part["edit"] == edit].sort_values("budget")
        style = {"marker": "o" if own["budget"].max() else "*", "markersize": 4, "linewidth": 1.2, "label": str(edit)}
        axes[0].errorbar(
            own["budget"].clip(lower=0.5), own["gap"], [own["gap"] - own["low"], own["high"] - own["gap"]],
            elinewidth=0.6, **style,
        )  # fmt: skip
        axes[1].plot(own["worst"].clip(lower=1e-3), own["gap"], **style)
    axes[0].set(xscale="log", xlabel=f"{target} tokens (left edge: none)", ylabel="target CE - chance, nats")
    axes[1].set(xscale="log", xlabel="worst damage to another domain, nats")
    for axis in axes:
        axis.axhline(0, color="grey", linewidth=0.8, linestyle="--")
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside right center", fontsize=7, frameon=False)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)

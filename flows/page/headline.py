"""The end of a run in a terminal: what each edit did to the target and to every other domain, and where the page is."""

import json
from pathlib import Path
from typing import Any

from rich.table import Table

from prefactor.cli.terminal import screen, visible

SUMMARY = Path("data/report/summary.json")
PAGE = Path("data/report/index.html")


def headline(summary: dict[str, Any]) -> Table:
    """A row an edit, from the report's ``summary.json``: means over draws, and the intervals of the gap to chance."""
    domains = list(summary["target"]["base_ce"])
    chance = summary["target"]["chance"]
    table = Table(title=f"Nats a token at the report's budget. Chance is {chance:.2f}; damage is by domain.")
    table.caption = (
        "95 %: over draws of target tokens, in brackets; over blocks of the evaluated text, behind ±. Chosen with: "
        "tokens tagged as the target's, read to choose what is changed and how it is trained."
    )
    table.add_column("edit", overflow="fold")
    table.add_column("acts on", overflow="fold")
    table.add_column("removes", overflow="fold")
    table.add_column("chosen with", justify="right")
    table.add_column("CE - chance", justify="right")
    table.add_column("- unigram", justify="right")
    for domain in domains:
        table.add_column(visible(domain), justify="right", no_wrap=True)
    for name, edit in summary["edits"].items():
        gap, damage = edit["target_ce_minus_chance"], edit["damage"]
        table.add_row(
            visible(name),
            visible(acts_on(edit)),
            visible(removed(edit)),
            f"{edit['chosen_with'] + edit['tuned_with']:,}",
            _told(gap),
            f"{edit['target_ce_minus_unigram']['mean']:+.2f}",
            *(f"{damage[domain]['mean']:+.2f}" if domain in damage else "" for domain in domains),
        )
    return table


def acts_on(edit: dict[str, Any]) -> str:
    """``layers.0.mlp.up_proj:1``, ``8 subcomponents`` or ``matrices``: what an edit of the summary changes."""
    parts = edit["subcomponents"]
    return parts[0] if len(parts) == 1 else f"{len(parts)} subcomponents" if parts else "matrices"


def removed(edit: dict[str, Any]) -> str:
    """``de, 4 tokens``: the domain that an edit of the summary removes, and how much of it it was fitted on."""
    return f"{edit['target']}, {edit['target_tokens']} tokens"


def _told(gap: dict[str, Any]) -> str:
    """``+0.03 (-0.01, +0.07) ±0.02``; a single draw has no interval over draws, and says so."""
    draws = f"({gap['low']:+.2f}, {gap['high']:+.2f})" if gap["draws"] > 1 else "(one draw)"
    text = "" if gap["text_low"] is None else f" ±{(gap['text_high'] - gap['text_low']) / 2:.2f}"
    return f"{gap['mean']:+.2f} {draws}{text}"


def told(holds: dict[str, Any]) -> str:
    """``reach holds`` or ``reach does not hold: ...``: the summary's ``holds`` in a line."""
    missed = f": {'; '.join(holds['missed'])}" if holds["missed"] else ""
    return visible(f"{holds['edit']} {'holds' if holds['holds'] else 'does not hold'}{missed}")


def print_headline() -> None:
    """Print the table, whether the run holds, and the page's path, where there is a report."""
    if SUMMARY.is_file():
        summary = json.loads(SUMMARY.read_text(encoding="utf-8"))
        screen().print(headline(summary))
        print(told(summary["holds"]))
        print(f"page: {PAGE.resolve()}", flush=True)

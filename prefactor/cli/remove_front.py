"""The front as a table."""

from collections import Counter
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from prefactor.cli.terminal import visible
from prefactor.search.trial import Trial


def front_table(front: Sequence[Trial], chosen: Trial | None, *, whole: bool = False) -> Table:
    """A row a trial, the smallest gap first; ``whole``: with every subcomponent by name."""
    title = "nothing else is better by both; nats a token on the select split"
    table = Table(title=title, title_justify="left", row_styles=["", "dim"] if not whole else None)
    for column in ("trial", "short of goal", "worst neighbour"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("subcomponents and prefactors")
    table.add_column("guard", no_wrap=True)
    for trial in front:
        mark = "▸" if chosen is not None and trial.number == chosen.number else " "
        guard = f"{trial.guarded} {trial.ridge:g}" if trial.guarded else "none"
        worst = Text.assemble(f"{trial.worst:+.3f}", (f"  {visible(trial.worst_domain)}", "dim"))
        what = _named(trial) if whole else _briefly(trial)
        table.add_row(f"{mark} {trial.number}", f"{trial.gap:.2f}", worst, what, guard)
    return table


def _briefly(trial: Trial) -> str:
    """Labels with how many have each, and from where to where prefactors go."""
    labels = Counter(visible(label) for label in trial.labels)
    said = ", ".join(f"{count} × {label}" for label, count in labels.most_common())
    low, high = min(trial.prefactors), max(trial.prefactors)
    return f"{said}  {low:+.2f}" + (f" to {high:+.2f}" if high > low else "")


def _named(trial: Trial) -> Text:
    text = Text(_briefly(trial))
    parts = zip(trial.subcomponents, trial.prefactors, strict=True)
    text.append("\n" + "  ".join(f"{short(name)} {prefactor:+.2f}" for name, prefactor in parts), style="dim")
    return text


def short(name: str) -> str:
    """``layers.0.self_attn.o_proj:113`` as ``0.o_proj:113``: the layer, and the last of its module."""
    parts = visible(name).split(".")
    return ".".join([part for part in parts[:-1] if part.isdigit()] + parts[-1:])

"""The page's figures of one run, by name."""

from typing import Any

from prefactor.corpus.languages import language_name
from prefactor.report import plots
from prefactor.report.frontier import Point
from prefactor.report.schemas import Inputs


def figures(inputs: Inputs, curves: dict[str, list[Point]], colour: dict[str, str], headline: str) -> dict[str, Any]:
    """Each as what ``Plotly.newPlot`` takes; ``curves`` are of the edits that have the headline's target."""
    edit = inputs.edits[headline].edit
    target = language_name(edit.target)
    model = inputs.target
    levels = {"chance": model.chance, "unigram": model.unigram_ce[edit.target], "before": model.base_ce[edit.target]}
    drawn: dict[str, Any] = {
        "budget": plots.budget_figure(curves, list(inputs.edits), colour, headline, target, levels),
        "located": plots.located_figure(inputs.located.rows, language_name(inputs.located.target)),
        "spectrum": plots.spectrum_figure(inputs.spectrum),
    }
    retained = " or ".join(map(language_name, edit.retain))
    axes = {"retained": f"{retained} damage, nats a token", "protected": "worst protected damage, nats a token"}
    for name, spared in (("retained", edit.retain), ("protected", edit.protect)):
        if spared:
            drawn[name] = plots.frontier_figure(
                curves, inputs.edits, colour, headline, spared, axes[name], target, levels
            )
    if inputs.depth:
        drawn["depth"] = plots.depth_figure(inputs.depth)
    drawn["training-l0"] = plots.training_figure(inputs.curve, "l0", height=340)
    drawn |= {f"training-{name}": plots.training_figure(inputs.curve, name) for name in loss_terms(inputs)}
    return drawn


def loss_terms(inputs: Inputs) -> list[str]:
    """The columns of the training curve that are losses."""
    return sorted(set(inputs.curve) - {"step", "l0"})

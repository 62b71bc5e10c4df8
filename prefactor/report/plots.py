"""The page's figures, as plotly JSON. Text and grid colours come from the page's CSS, so that they follow its theme."""

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go

from prefactor.evaluate.intervals import Figure
from prefactor.report.frontier import Point

# Mid tones that keep their contrast on white and on near-black.
PALETTE = ("#d9480f", "#0b8a8f", "#2f74d0", "#9c36b5", "#b8860b", "#d6336c", "#4c8a1f", "#5f6fd1", "#8a5a3c", "#12a37a")
CONTROL = "#868e96"
_FLAT = 0.01  # nats: the damage axis is about linear below and logarithmic above
_NONE = 0.5  # where an axis of tokens, which is logarithmic, has the edits that are fitted on none
_TICKS = (-3, -1, -0.3, -0.1, -0.03, -0.01, 0, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)


def colours(names: Sequence[str], controls: Sequence[str]) -> dict[str, str]:
    """A colour a method, grey for controls; the same in every figure and table."""
    methods = [name for name in names if name not in controls]
    return {name: PALETTE[methods.index(name) % len(PALETTE)] if name in methods else CONTROL for name in names}


def symlog(value: float) -> float:
    """Position of a damage on the axis: sign(x) log10(1 + |x| / 0.01), which also has room for 0 and below."""
    return math.copysign(math.log10(1 + abs(value) / _FLAT), value)


def frontier_figure(
    curves: dict[str, list[Point]],
    colour: dict[str, str],
    headline: str,
    budget: int,
    cost: Callable[[Point], float | None],
    axis: str,
    target: str,
    levels: dict[str, float],
) -> str:
    """Target cross-entropy against ``cost`` (nats), a curve a method through its budgets.

    Markers carry their budget where there is room, ``budget`` first. ``levels`` are named horizontal lines
    (chance, base), in nats.
    """
    figure = go.Figure()
    damages = [value for curve in curves.values() for point in curve if (value := cost(point)) is not None]
    low, high = symlog(min(0.0, *damages)) - 0.12, symlog(max(0.0, *damages)) + 0.15
    for name, curve in _headline_last(curves, headline):
        shown = [(point, value) for point in curve if (value := cost(point)) is not None]
        x = [symlog(value) for _, value in shown]
        y = [point.target_ce["mean"] for point, _ in shown]
        control = colour[name] == CONTROL
        labelled = (
            set()
            if control
            else _apart(
                [(place / (high - low), ce / max(levels.values())) for place, ce in zip(x, y, strict=True)],
                first=next((i for i, (point, _) in enumerate(shown) if point.budget == budget), 0),
            )
        )
        # The labelled markers are a trace of their own, so that no small one covers a number.
        for kept, mode in ((range(len(shown)), "lines+markers"), (sorted(labelled), "markers+text")):
            figure.add_scatter(
                x=[x[i] for i in kept],
                y=[y[i] for i in kept],
                customdata=[[shown[i][1], shown[i][0].budget] for i in kept],
                text=[str(shown[i][0].budget) for i in kept],
                name=name,
                mode=mode,
                line={"color": colour[name], "width": 3 if name == headline else 1.5} | _dash(control),
                marker={"color": colour[name], "size": 6 if "lines" in mode else 19},
                textfont={"color": "#fff", "size": 9},
                hovertemplate=(
                    f"<b>{name}</b>, %{{customdata[1]}} tokens<br>{target} %{{y:.2f}} nats"
                    "<br>damage %{customdata[0]:+.3f}<extra></extra>"
                ),
            )
    ticks = [tick for tick in _TICKS if low <= symlog(tick) <= high]
    _lines(figure, levels)
    return _json(
        figure,
        xaxis={"title": {"text": axis}, "tickvals": [symlog(t) for t in ticks], "range": [low, high]}
        | {"ticktext": [f"{tick:g}".replace("-", "−") for tick in ticks], "zeroline": True},
        yaxis={"title": {"text": f"{target} cross-entropy, nats a token"}},
        height=460,
    )


def budget_figure(
    curves: dict[str, list[Point]], colour: dict[str, str], headline: str, target: str, levels: dict[str, float]
) -> str:
    """Target cross-entropy with its interval, against the number of target tokens; edits fitted on none at the left."""
    figure = go.Figure()
    for name, curve in _headline_last(curves, headline):
        ce = [point.target_ce for point in curve]
        figure.add_scatter(
            x=[max(point.budget, _NONE) for point in curve],
            customdata=[point.budget for point in curve],
            y=[value["mean"] for value in ce],
            error_y={"array": [_half(value) for value in ce], "thickness": 1, "width": 3},
            name=name,
            mode="lines+markers",
            line={"color": colour[name], "width": 3 if name == headline else 1.5} | _dash(colour[name] == CONTROL),
            marker={"color": colour[name], "size": 8 if name == headline else 6},
            hovertemplate=f"<b>{name}</b>, %{{customdata}} tokens<br>{target} %{{y:.2f}} nats<extra></extra>",
        )
    budgets = sorted({point.budget for curve in curves.values() for point in curve})
    _lines(figure, levels)
    return _json(
        figure,
        xaxis={"title": {"text": f"{target} tokens"}, "type": "log", "ticktext": budgets}
        | {"tickvals": [max(budget, _NONE) for budget in budgets]},
        yaxis={"title": {"text": f"{target} cross-entropy, nats a token"}},
        height=400,
    )


def training_figure(curve: dict[str, list[float]], column: str, colour: str) -> str:
    """One column of a training curve against the step, on a logarithmic axis if it is a loss that stays above 0."""
    values = curve[column]
    log = column != "l0" and all(value is not None and value > 0 for value in values)
    figure = go.Figure()
    figure.add_scatter(
        x=curve["step"],
        y=values,
        mode="lines",
        line={"color": colour, "width": 1.5},
        hovertemplate="step %{x}<br>%{y:.3g}<extra></extra>",
    )
    return _json(
        figure,
        xaxis={"nticks": 4},
        yaxis={"type": "log", **_log_ticks(min(values), max(values))} if log else {"nticks": 5, "rangemode": "tozero"},
        height=190,
        margin={"l": 44, "r": 8, "t": 8, "b": 28},
    )


def located_figure(rows: Sequence[dict[str, Any]], target: str) -> str:
    """A map of the matrices, layer by kind: what ``target`` loses before others pay, in nats; a dot where nobody tried.

    Args:
        rows: of locate's table; of the rows of a matrix the last counts.
    """
    cells = {_place(row["module"]): row for row in rows}
    layers, kinds = sorted({layer for layer, _ in cells}), list(dict.fromkeys(kind for _, kind in sorted(cells)))
    grid = [[cells.get((layer, kind)) for layer in layers] for kind in kinds]
    figure = go.Figure()
    figure.add_heatmap(
        x=[str(layer) if layer >= 0 else "–" for layer in layers],
        y=kinds,
        z=[[cell and cell["score"] for cell in line] for line in grid],
        text=[[_shown(cell) for cell in line] for line in grid],
        customdata=[[_told(cell) for cell in line] for line in grid],
        texttemplate="%{text}",
        hovertemplate="layer %{x}, %{y}<br>%{customdata}<extra></extra>",
        colorscale=[[0, "rgba(217,72,15,0.05)"], [1, PALETTE[0]]],
        showscale=False,
        zmin=0,
        xgap=1,
        ygap=1,
    )
    return _json(
        figure,
        xaxis={"title": {"text": f"layer; {target}, nats a token"}, "type": "category", "showgrid": False},
        yaxis={"autorange": "reversed", "type": "category", "showgrid": False},
        height=90 + 26 * len(kinds),
        margin={"l": 140, "r": 8, "t": 8, "b": 48},
    )


def _place(module: str) -> tuple[int, str]:
    """``layers.3.mlp.up_proj`` -> 3, ``mlp.up_proj``; -1 where no number says which layer it is of."""
    layer = re.fullmatch(r"(.*?)\b(\d+)\.(.+)", module)
    return (int(layer[2]), layer[3]) if layer else (-1, module)


def _shown(cell: dict[str, Any] | None) -> str:
    return "" if cell is None else f"{cell['score']:.1f}" if cell["verified"] else "·"


def _told(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "no such matrix, or nothing to change in it"
    tried = f"{cell['score']:.2f} for {cell['spill']:+.3f} of another" if cell["verified"] else "not tried"
    return f"{tried}; forecast {cell['screen']:.3g}"


def _headline_last(curves: dict[str, list[Point]], headline: str) -> list[tuple[str, list[Point]]]:
    """Drawn last, so on top."""
    return sorted(curves.items(), key=lambda item: item[0] == headline)


def _dash(control: bool) -> dict[str, str]:
    return {"dash": "dot" if control else "solid"}


def _apart(places: list[tuple[float, float]], first: int) -> set[int]:
    """Indices of places (in shares of the axes) with room for a label: ``first``, then each clear of those before."""
    kept: list[int] = []
    for index in sorted(range(len(places)), key=lambda i: (i != first, i)):
        if all(math.dist(places[index], places[other]) > 0.055 for other in kept):
            kept.append(index)
    return set(kept)


def _half(value: Figure) -> float:
    """Of the interval over draws; a single one has none to draw."""
    return 0.0 if value["high"] is None else value["high"] - value["mean"]


def _log_ticks(low: float, high: float) -> dict[str, list]:
    """At most six round numbers in [low, high]; plotly's own choice writes bare digits between the powers."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [
            step * 10.0**exponent for exponent in exponents for step in steps if low <= step * 10.0**exponent <= high
        ]
        if len(ticks) <= 6:
            break
    ticks = ticks[:: max(1, math.ceil(len(ticks) / 6))] or [low]
    return {"tickvals": ticks, "ticktext": [f"{tick:g}".replace("-", "−") for tick in ticks]}


def _lines(figure: go.Figure, levels: dict[str, float]) -> None:
    for name, level in levels.items():
        figure.add_hline(y=level, line={"color": CONTROL, "width": 1, "dash": "dash"})
        figure.add_annotation(
            x=1, xref="paper", xanchor="left", y=level, text=f"{name}<br>{level:.2f}", align="left", showarrow=False
        )


def _json(figure: go.Figure, xaxis: dict, yaxis: dict, **layout: Any) -> str:
    """The figure for ``Plotly.newPlot``, safe inside a ``<script>`` element."""
    common = {
        "gridcolor": "#8884",
        "zerolinecolor": "#8888",
        "linecolor": "#8888",
        "automargin": True,
        "fixedrange": True,
    }
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 12},
        xaxis={"zeroline": False} | common | xaxis,
        yaxis={"zeroline": False} | common | yaxis,
        **({"showlegend": False, "margin": {"l": 52, "r": 52, "t": 16, "b": 48}} | layout),
    )
    return json.dumps(figure.to_plotly_json(), sort_keys=True).replace("<", "\\u003c")

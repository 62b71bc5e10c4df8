"""The page's figures, as plotly JSON. Text and grid colours come from the page's CSS, so that they follow its theme."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from prefactor.evaluate.intervals import Figure
from prefactor.report import words
from prefactor.report.frontier import Point
from prefactor.report.schemas import EditResult

# Okabe and Ito's colours for colour-blind readers, at 3:1 or more on white and on near-black. A symbol goes with
# each, so that no two of 35 methods look alike.
PALETTE: tuple[str, ...] = ("#d55e00", "#0072b2", "#009e73", "#b8609a", "#a97400", "#2e93cc", "#8a5a3c")
SYMBOLS: tuple[str, ...] = ("circle", "square", "diamond", "triangle-up", "hexagon")
GLYPHS: dict[str, str] = dict(zip(SYMBOLS, "●■◆▲⬢", strict=True))
CONTROL = "#868e96"
_FLAT = 0.01  # nats: the damage axis is about linear below and logarithmic above
_NONE = 0.5  # where an axis of tokens, which is logarithmic, has the edits that are fitted on none
_TICKS = (-3, -1, -0.3, -0.1, -0.03, -0.01, 0, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)


def colours(names: Sequence[str], controls: Sequence[str]) -> dict[str, str]:
    """A colour a method, grey for controls; the same in every figure and table."""
    methods = [name for name in names if name not in controls]
    return {name: PALETTE[methods.index(name) % len(PALETTE)] if name in methods else CONTROL for name in names}


def symbols(names: Sequence[str]) -> dict[str, str]:
    """A shape of marker a method, the same in every figure and table."""
    return {name: SYMBOLS[place % len(SYMBOLS)] for place, name in enumerate(names)}


def symlog(value: float) -> float:
    """Position of a damage on the axis: sign(x) log10(1 + |x| / 0.01), which also has room for 0 and below."""
    return math.copysign(math.log10(1 + abs(value) / _FLAT), value)


def frontier_figure(
    curves: dict[str, list[Point]],
    results: Mapping[str, EditResult],
    colour: dict[str, str],
    headline: str,
    spared: Sequence[str],
    axis: str,
    target: str,
    levels: dict[str, float],
) -> dict[str, Any]:
    """Target cross-entropy against the largest damage of the ``spared`` domains, a curve a method through its budgets.

    Means with their 95 % intervals over draws, and a small dot a draw, not shown at first. Large markers carry their
    budget where there is room, the report's first. ``levels`` are named horizontal lines (chance, base), in nats. Of
    every mark the custom data begins with the edit and the budget, so that a click on it finds both.
    """
    figure = go.Figure()
    shape = symbols(list(results))
    costs = {name: [(p, _worst(p, spared)) for p in curve if _worst(p, spared)] for name, curve in curves.items()}
    damages = [cost["mean"] for shown in costs.values() for _, cost in shown if cost]
    low, high = symlog(min(0.0, *damages)) - 0.12, symlog(max(0.0, *damages)) + 0.15
    for name, _ in _headline_last(curves, headline):
        shown = [(point, cost) for point, cost in costs[name] if cost]
        budget, control = results[name].edit.report_budget, colour[name] == CONTROL
        x, y = [symlog(cost["mean"]) for _, cost in shown], [point.target_ce["mean"] for point, _ in shown]
        places = [(place / (high - low), ce / max(levels.values())) for place, ce in zip(x, y, strict=True)]
        first = next((i for i, (point, _) in enumerate(shown) if point.budget == budget), 0)
        labelled = set() if control else _apart(places, first=first)
        _draws(figure, results[name], spared, colour[name], target)
        # The labelled markers are a trace of their own, so that no small one covers a number.
        for kept, mode in ((range(len(shown)), "lines+markers"), (sorted(labelled), "markers+text")):
            lines = "lines" in mode
            figure.add_scatter(
                x=[x[i] for i in kept],
                y=[y[i] for i in kept],
                error_x=_spread([shown[i][1] for i in kept], colour[name], symlog) if lines else None,
                error_y=_spread([shown[i][0].target_ce for i in kept], colour[name]) if lines else None,
                customdata=[[name, shown[i][0].budget, *_hover(results[name], *shown[i])] for i in kept],
                text=[str(shown[i][0].budget) for i in kept],
                name=name,
                mode=mode,
                line={"color": colour[name], "width": 3 if name == headline else 1.5} | _dash(control),
                marker={"color": colour[name], "symbol": shape[name], "size": 7 if lines else 20},
                textfont={"color": "#fff", "size": 9},
                hovertemplate=(
                    "<b>%{customdata[0]}</b>, %{customdata[1]} tokens, %{customdata[2]}<br>"
                    f"{target} %{{y:.2f}} nats (%{{customdata[3]}})<br>damage %{{customdata[4]}}"
                    "<br>prefactor %{customdata[5]}<extra></extra>"
                ),
            )
    ticks = [tick for tick in _TICKS if low <= symlog(tick) <= high]
    heights = [*levels.values(), *(point.target_ce["mean"] for shown in costs.values() for point, _ in shown)]
    _lines(figure, levels)
    return _plain(
        figure,
        xaxis={"title": {"text": axis}, "tickvals": [symlog(t) for t in ticks], "range": [low, high]}
        | {"ticktext": [f"{tick:g}".replace("-", "−") for tick in ticks], "zeroline": True},
        yaxis={"title": {"text": f"{target} cross-entropy, nats a token"}}
        | {"range": [min(heights) - 0.8, max(heights) + 0.8]},
        height=520,
    )


def _draws(figure: go.Figure, result: EditResult, spared: Sequence[str], colour: str, target: str) -> None:
    """A small dot a draw of target tokens."""
    prefactors = {(fit["budget"], fit["seed"]): words.prefactors(tuple(fit["prefactors"])) for fit in result.fits}
    draws: dict[tuple[int, int], dict[str, Any]] = {}
    for row in result.table:
        draws.setdefault((row["budget"], row["seed"]), {})[row["domain"]] = row
    if len(draws) == len({budget for budget, _ in draws}):
        return  # a single draw each: the mean says it all
    x, y, data = [], [], []
    for (budget, seed), rows in sorted(draws.items()):
        damage = max((rows[domain]["damage"] for domain in spared if domain in rows), default=None)
        if damage is not None and result.edit.target in rows:
            x.append(symlog(damage))
            y.append(rows[result.edit.target]["edited_ce"])
            data.append([result.name, budget, seed, words.signed(damage, 3), prefactors.get((budget, seed)) or "–"])
    figure.add_scatter(
        x=x,
        y=y,
        customdata=data,
        name=result.name,
        meta="draws",
        visible=False,
        mode="markers",
        marker={"color": colour, "size": 5, "opacity": 0.6},
        hovertemplate=(
            "<b>%{customdata[0]}</b>, %{customdata[1]} tokens, seed %{customdata[2]}<br>"
            f"{target} %{{y:.2f}} nats<br>damage %{{customdata[3]}}<br>prefactor %{{customdata[4]}}<extra></extra>"
        ),
    )


def _worst(point: Point, spared: Sequence[str]) -> Figure | None:
    return max((point.damage[domain] for domain in spared), key=lambda figure: figure["mean"], default=None)


def _hover(result: EditResult, point: Point, cost: Figure) -> list[str]:
    """Draws, the target's interval, the damage with its interval, and the mean prefactor."""
    found = [fit["prefactors"] for fit in result.fits if fit["budget"] == point.budget and fit["prefactors"]]
    means = tuple(sum(each) / len(each) for each in zip(*found, strict=True))
    draws = words.plural(point.target_ce["draws"], "draw")
    damage = f"{words.signed(cost['mean'], 3)} ({words.bounds(cost, 3)})"
    return [draws, words.bounds(point.target_ce), damage, words.prefactors(means) or "–"]


def _spread(figures: Sequence[Figure], colour: str, scale: Callable[[float], float] = float) -> dict[str, Any]:
    """Error bars of the intervals over draws; of a single draw none."""
    sides = [
        (scale(f["high"]) - scale(f["mean"]), scale(f["mean"]) - scale(f["low"]))
        if f["high"] is not None and f["low"] is not None
        else (0.0, 0.0)
        for f in figures
    ]
    above, below = [side[0] for side in sides], [side[1] for side in sides]
    sides_ = {"array": above, "arrayminus": below, "symmetric": False}
    return sides_ | {"type": "data", "color": f"{colour}66", "thickness": 1.2, "width": 0}


def budget_figure(
    curves: dict[str, list[Point]],
    names: Sequence[str],
    colour: dict[str, str],
    headline: str,
    target: str,
    levels: dict[str, float],
) -> dict[str, Any]:
    """Target cross-entropy with its interval, against the number of target tokens; edits fitted on none at the left."""
    figure = go.Figure()
    shape = symbols(names)
    for name, curve in _headline_last(curves, headline):
        ce = [point.target_ce for point in curve]
        figure.add_scatter(
            x=[max(point.budget, _NONE) for point in curve],
            customdata=[[name, point.budget, words.bounds(point.target_ce)] for point in curve],
            y=[value["mean"] for value in ce],
            error_y=_spread(ce, colour[name]),
            name=name,
            mode="lines+markers",
            line={"color": colour[name], "width": 3 if name == headline else 1.5} | _dash(colour[name] == CONTROL),
            marker={"color": colour[name], "symbol": shape[name], "size": 9 if name == headline else 7},
            hovertemplate=(
                "<b>%{customdata[0]}</b>, %{customdata[1]} tokens<br>"
                f"{target} %{{y:.2f}} nats (%{{customdata[2]}})<extra></extra>"
            ),
        )
    budgets = sorted({point.budget for curve in curves.values() for point in curve})
    _lines(figure, levels)
    return _plain(
        figure,
        xaxis={"title": {"text": f"{target} tokens"}, "type": "log", "ticktext": budgets}
        | {"tickvals": [max(budget, _NONE) for budget in budgets]},
        yaxis={"title": {"text": f"{target} cross-entropy, nats a token"}},
        height=400,
    )


def training_figure(curve: dict[str, list[float]], column: str, height: int = 190) -> dict[str, Any]:
    """One column of a training curve against the step, on a logarithmic axis if it is a loss that stays above 0."""
    values = curve[column]
    log = column != "l0" and all(value is not None and value > 0 for value in values)
    figure = go.Figure()
    figure.add_scatter(
        x=curve["step"],
        y=values,
        mode="lines",
        line={"color": PALETTE[1], "width": 1.5},
        hovertemplate="step %{x}<br>%{y:.3g}<extra></extra>",
    )
    return _plain(
        figure,
        xaxis={"nticks": 4},
        yaxis={"type": "log", **_log_ticks(min(values), max(values))} if log else {"nticks": 5, "rangemode": "tozero"},
        height=height,
        margin={"l": 44, "r": 8, "t": 8, "b": 28},
    )


def spectrum_figure(values: Sequence[float]) -> dict[str, Any]:
    """Mean importance of every subcomponent that has any, the largest first, at up to some 400 ranks; both axes log."""
    kept = [value for value in values if value > 0]
    ranks = sorted({min(len(kept), round(len(kept) ** (place / 400))) for place in range(401)} - {0}) if kept else []
    figure = go.Figure()
    figure.add_scatter(
        x=ranks,
        y=[kept[rank - 1] for rank in ranks],
        mode="lines",
        line={"color": PALETTE[1], "width": 2},
        hovertemplate="rank %{x:,}<br>mean importance %{y:.3g}<extra></extra>",
    )
    bounds = (kept[-1], kept[0]) if kept else (0.1, 1.0)
    return _plain(
        figure,
        xaxis={"title": {"text": "rank of the subcomponent"}, "type": "log", **_log_ticks(1, max(2, len(kept)))},
        yaxis={"title": {"text": "mean importance"}, "type": "log", **_log_ticks(*bounds)},
        height=340,
    )


def depth_figure(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """L0 by layer (down) and position in a block (across)."""
    layers, positions = list(dict.fromkeys(row["layer"] for row in rows)), sorted({row["position"] for row in rows})
    cells = {(row["layer"], row["position"]): row["l0"] for row in rows}
    figure = go.Figure()
    figure.add_heatmap(
        x=positions,
        y=layers,
        z=[[_rounded(cells.get((layer, position))) for position in positions] for layer in layers],
        hovertemplate="%{y}, position %{x}<br>L0 %{z:.1f}<extra></extra>",
        colorscale="Cividis",
        colorbar={"thickness": 12, "title": {"text": "L0"}, "outlinewidth": 0},
    )
    return _plain(
        figure,
        xaxis={"title": {"text": "position in a block, tokens"}, "showgrid": False},
        yaxis={"autorange": "reversed", "type": "category", "showgrid": False},
        height=110 + 34 * len(layers),
        margin={"l": 90, "r": 8, "t": 8, "b": 48},
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def located_figure(rows: Sequence[dict[str, Any]], target: str) -> dict[str, Any]:
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
        colorscale=[[0, "rgba(213,94,0,0.05)"], [1, PALETTE[0]]],
        showscale=False,
        zmin=0,
        xgap=1,
        ygap=1,
    )
    return _plain(
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


def _plain(figure: go.Figure, xaxis: dict, yaxis: dict, **layout: Any) -> dict[str, Any]:
    """The figure for ``Plotly.newPlot``."""
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
    return json.loads(json.dumps(figure.to_plotly_json(), sort_keys=True))

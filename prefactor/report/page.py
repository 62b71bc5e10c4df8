"""One self-contained HTML page: template, style sheet, plotly and figures in a single file, opened offline."""

import json
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from prefactor.config.report import ReportConfig
from prefactor.corpus.languages import language_name
from prefactor.report import plots, sections, words
from prefactor.report.chosen import chosen
from prefactor.report.frontier import REACHED, Point, frontier, headline_point
from prefactor.report.inputs import Inputs
from prefactor.report.labels import labels
from prefactor.report.located import located
from prefactor.report.verdict import verdict

HERE = Path(__file__).parent


def render(inputs: Inputs, config: ReportConfig) -> str:
    """The page. Equal inputs give equal bytes; corpus text, labels and names are escaped by the template."""
    result = inputs.edits[config.edit]
    point = headline_point(result, inputs.target)
    curves = frontier(inputs)
    colour = plots.colours(list(inputs.edits), config.controls)
    domains = sections.domain_order(result, inputs)
    same = {name: c for name, c in curves.items() if inputs.edits[name].edit.target == result.edit.target}
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html").render(
        headline=words.headline(inputs, result, point),
        verdict=verdict(result, point, config.bars),
        bars=config.bars,
        quotes=sections.quotes(result, point),
        figures=_key_figures(inputs, config.edit, point),
        methods=sections.method_rows(inputs, curves, colour, config.edit, config.controls),
        seeds=max(len({row["seed"] for row in r.table}) for r in inputs.edits.values()),
        reached=REACHED,
        legend=[(name, colour[name], name in config.controls) for name in same],
        elsewhere=sorted(set(curves) - set(same)),
        target=language_name(result.edit.target),
        chance=f"{inputs.target.chance:.2f}",
        unigram=f"{inputs.target.unigram_ce[result.edit.target]:.2f}",
        retained=", ".join(map(language_name, result.edit.retain)),
        protected=", ".join(map(language_name, result.edit.protect)),
        domains=[(language_name(domain), _role(domain, inputs, config.edit)) for domain in domains],
        damage=sections.damage_rows(inputs, domains, config.controls),
        cards=[sections.edit_card(inputs, result, index) for index in range(len(result.edit.subcomponents))],
        candidates=result.selection.candidates,
        rollouts=[
            (name, name == config.edit, sections.rollouts(inputs.edits[name], domains)) for name in _first(config, same)
        ],
        located=located(inputs),
        decomposed=sections.decomposed(inputs),
        quality=sections.quality(inputs),
        losses=loss_terms(inputs),
        labels=labels(inputs),
        choices=[c for n in _first(config, curves) if (c := chosen(inputs, inputs.edits[n], domains))],
        cost=sections.cost(inputs),
        model=inputs.target,
        base_ce=[(language_name(domain), f"{inputs.target.base_ce[domain]:.2f}") for domain in domains],
        parameters=f"{inputs.target.parameters:,}",
        recipes=sections.recipes(inputs),
        settings=[(n, json.dumps(r.config.model_dump(mode="json"), indent=1)) for n, r in inputs.edits.items()],
        plots=_figures(inputs, same, colour, config.edit),
        style=(HERE / "style.css").read_text(encoding="utf-8"),
        plotly=get_plotlyjs(),
    )


def _figures(inputs: Inputs, curves: dict[str, list[Point]], colour: dict[str, str], headline: str) -> dict[str, str]:
    edit = inputs.edits[headline].edit
    target = language_name(edit.target)
    model = inputs.target
    levels = {"chance": model.chance, "unigram": model.unigram_ce[edit.target], "before": model.base_ce[edit.target]}
    retained = " or ".join(map(language_name, edit.retain))
    figures = {
        "retained": plots.frontier_figure(
            curves,
            colour,
            headline,
            edit.report_budget,
            lambda p: p.worst_retained,
            f"{retained} damage, nats a token",
            target,
            levels,
        ),
        "budget": plots.budget_figure(curves, colour, headline, target, levels),
        "located": plots.located_figure(inputs.located.rows, language_name(inputs.located.target)),
    }
    for column in ("l0", *loss_terms(inputs)):
        figures[f"training-{column}"] = plots.training_figure(inputs.curve, column, plots.PALETTE[1])
    if edit.protect:
        figures["protected"] = plots.frontier_figure(
            curves,
            colour,
            headline,
            edit.report_budget,
            lambda p: p.worst_protected,
            "worst protected damage, nats a token",
            target,
            levels,
        )
    return figures


def loss_terms(inputs: Inputs) -> list[str]:
    """The columns of the training curve that are losses."""
    return sorted(set(inputs.curve) - {"step", "l0"})


def _key_figures(inputs: Inputs, headline: str, point: Point) -> list[tuple[str, str, str]]:
    """(caption, figure, note) of the tiles under the headline."""
    edit = inputs.edits[headline].edit
    before, ce = inputs.target.base_ce[edit.target], point.target_ce
    tiles = [
        (
            f"{language_name(edit.target)}, nats",
            f"{before:.2f} → {ce['mean']:.2f}",
            f"chance {inputs.target.chance:.2f}",
        ),
        ("target tokens", str(point.budget), "that the edit was fitted on"),
    ]
    if edit.prefactors:
        tiles.append(("prefactor α", words.prefactors(edit.prefactors), "first draw; 1 leaves the model as it is"))
    for caption, names in (("retained damage", edit.retain), ("worst protected damage", edit.protect)):
        if names:
            worst = max(names, key=lambda domain: point.damage[domain]["mean"])
            tiles.append((caption, words.signed(point.damage[worst]["mean"]), language_name(worst)))
    return tiles


def _role(domain: str, inputs: Inputs, headline: str) -> str:
    return next((row["role"] for row in inputs.edits[headline].table if row["domain"] == domain), "measured")


def _first(config: ReportConfig, curves: dict[str, list[Point]]) -> list[str]:
    """The headline edit first, then the rest in order."""
    return [config.edit, *(name for name in curves if name != config.edit)]

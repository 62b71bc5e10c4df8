"""What the page is made of: one value a view, in plain lists and words; ``app/`` only lays them out."""

from dataclasses import asdict
from typing import Any

from prefactor.config.report import ReportConfig
from prefactor.corpus.languages import language_name
from prefactor.report import bill, plots, sections, words
from prefactor.report.changes import change, domain_names
from prefactor.report.components import columns, tokens_each
from prefactor.report.figures import figures, loss_terms
from prefactor.report.frontier import REACHED, Point, frontier, headline_point
from prefactor.report.labels import labels
from prefactor.report.located import located
from prefactor.report.schemas import Inputs
from prefactor.report.verdict import verdict


def explorer(inputs: Inputs, config: ReportConfig) -> dict[str, Any]:
    """Everything but the cards and the maps of tokens, which the page opens one by one."""
    result = inputs.edits[config.edit]
    point = headline_point(result, inputs.target)
    curves = frontier(inputs)
    colour = plots.colours(list(inputs.edits), config.controls)
    shape = plots.symbols(list(inputs.edits))
    domains = sections.domain_order(result, inputs)
    same = {name: c for name, c in curves.items() if inputs.edits[name].edit.target == result.edit.target}
    judged = verdict(result, point, config.bars)
    return {
        "headline": asdict(words.headline(inputs, result, point)),
        "verdict": {"holds": judged.holds, "missed": list(judged.missed), "bar": judged.bar},
        "bars": {"retained": f"{config.bars.retained:g}", "protected": f"{config.bars.protected:g}"},
        "quotes": sections.quotes(result, point),
        "tiles": _key_figures(inputs, config.edit, point),
        "edit": config.edit,
        "target": {"domain": result.edit.target, "name": language_name(result.edit.target)},
        "retained": ", ".join(map(language_name, result.edit.retain)),
        "protected": ", ".join(map(language_name, result.edit.protect)),
        "chance": f"{inputs.target.chance:.2f}",
        "unigram": f"{inputs.target.unigram_ce[result.edit.target]:.2f}",
        "reached": f"{REACHED:.2f}",
        "parameters": f"{inputs.target.parameters:,}",
        "vocabulary": f"{inputs.target.vocabulary:,}",
        "names": domain_names(inputs),
        "corpus": list(inputs.target.base_ce),
        "domains": [[domain, _role(domain, inputs, config.edit)] for domain in domains],
        "base_ce": [[domain, f"{inputs.target.base_ce[domain]:.2f}"] for domain in domains],
        "draws": max(len({row["seed"] for row in r.table}) for r in inputs.edits.values()),
        "methods": [
            asdict(row) for row in sections.method_rows(inputs, curves, colour, shape, config.edit, config.controls)
        ],
        "damage": sections.damage_rows(inputs, domains, config.controls),
        "legend": [[name, colour[name], plots.GLYPHS[shape[name]], name in config.controls] for name in same],
        "elsewhere": sorted(set(curves) - set(same)),
        "edits": [change(inputs, inputs.edits[name], curves[name], domains) for name in _first(config, curves)],
        "recipes": sections.recipes(inputs),
        "components": columns(inputs),
        "kept": {"windows": inputs.windows, "tokens": tokens_each(inputs), "fires": f"{inputs.fires:g}"},
        "chances": {name: f"{test.chance:.2f}" for name, test in inputs.label_scores.tests.items()},
        "labels": labels(inputs),
        "located": located(inputs),
        "decomposed": sections.decomposed(inputs),
        "quality": sections.quality(inputs),
        "losses": loss_terms(inputs),
        "figures": figures(inputs, same, colour, config.edit),
        "cost": bill.cost(inputs),
        "break_even": bill.break_even(inputs, config.controls),
    }


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

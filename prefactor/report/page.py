"""The page: one HTML file with scripts, styles, plotly and data in it, opened offline.

Data lies in packs, gzipped JSON in base64, which the page opens as they are needed: what all views share at once,
plotly with the first figure, cards and maps of tokens one by one. Text in them becomes text nodes and nothing else.
"""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from prefactor.config.report import ReportConfig
from prefactor.report.changes import token_map
from prefactor.report.components import PACK, Strings, cards
from prefactor.report.explorer import explorer
from prefactor.report.schemas import Inputs
from prefactor.web.assets import bundle, packed, style

HERE = Path(__file__).parent
APP = HERE / "app"
SCRIPTS = (
    "packs", "query_words", "query_fields", "query", "parts", "route", "plot", "table", "overview", "filters",
    "list", "card", "labels", "components", "frontier", "tokens", "one_edit", "edits", "decomposition", "bill", "shell",
)  # fmt: skip


def render(inputs: Inputs, config: ReportConfig) -> str:
    """The page. Equal inputs give equal bytes."""
    value: dict[str, Any] = explorer(inputs, config) | {"pack": PACK}
    strings = Strings()
    packs: dict[str, Any] = {"run": value}
    packs |= {f"cards-{number}": cards_ for number, cards_ in enumerate(cards(inputs, strings))}
    packs |= {
        f"tokens-{number}": token_map(inputs.edits[edit["name"]], strings)
        for number, edit in enumerate(value["edits"])
        if edit["has_tokens"]
    }
    packs["strings"] = strings.texts
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html").render(
        title=value["headline"]["title"],
        style=style([APP / "explorer.css"]),
        script=bundle([APP / f"{name}.js" for name in SCRIPTS]),
        packs=[(name, packed(pack)) for name, pack in packs.items()] + [("plotly", _plotly())],
    )


@cache
def _plotly() -> str:
    return packed(get_plotlyjs())

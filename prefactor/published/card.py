"""The card of a published decomposition (``README.md``), from what lies beside it."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from ruamel.yaml import YAML

from prefactor.export.card import cell
from prefactor.files.artifacts import read_json
from prefactor.published.index import Index
from prefactor.published.layout import STAGES

TEMPLATE = Path(__file__).with_name("decomposition.md")


def decomposition_card(folder: Path, index: Index, params: Mapping[str, Any], where: str) -> str:
    """Markdown with the front matter that the Hub reads.

    Args:
        folder: what is published, all but its card and index.
        params: the sections that it was made by.
        where: how ``from_pretrained`` will find it.
    """
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["cell"] = lambda value: cell(str(value))
    costs = {stage: _json(folder, stage, "cost") for stage in STAGES}
    corpus = _json(folder, "corpus", "metrics")
    domains = sorted(corpus["tokens"]["train"])
    name = index.base.name
    at = f" at revision `{index.base.revision}`" if index.base.revision else ""
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        index=index, where=where, corpus=corpus, domains=domains, params=_yaml(params),
        costs={stage: cost for stage, cost in costs.items() if cost},
        base=f"`{name}`{at}", hub_base=name if name and _on_hub(name) else None,
        figure=lambda value: "" if value is None else f"{value:.3f}",
        **{stage: _Known(_json(folder, stage, "metrics")) for stage in ("target", "decompose", "importance", "score")},
    )  # fmt: skip


class _Known(dict[str, Any]):
    """Metrics of a stage that may not have run: what is not there is none, and not an error."""

    def __missing__(self, key: str) -> None:
        return None


def _json(folder: Path, stage: str, name: str) -> dict[str, Any]:
    path = folder / "data" / stage / f"{name}.json"
    return read_json(path) if path.is_file() else {}


def _on_hub(name: str) -> bool:
    """As the Hub writes names; a folder of one machine is none of its models."""
    return name.count("/") == 1 and not name.startswith(("/", ".", "~"))


def _yaml(params: Mapping[str, Any]) -> str:
    yaml = YAML()
    yaml.width, yaml.default_flow_style = 4096, None
    text = io.StringIO()
    yaml.dump(dict(params), text)
    return text.getvalue().rstrip("\n")

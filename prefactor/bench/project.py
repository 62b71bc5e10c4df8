"""What the page tells of the folder: its domains, its edits, text to begin with; and its subcomponents."""

import math
from typing import Any

from tokenizers import Tokenizer

from prefactor.bench.asked import Found
from prefactor.bench.live import Live
from prefactor.bench.reading import longest
from prefactor.config.edits import BaselineConfig, EditConfig, GuardedEdit, PrefactorEdit
from prefactor.config.guard import Guard
from prefactor.config.params import section
from prefactor.corpus.languages import language_name
from prefactor.edits.made import TENSORS, tensors_folder
from prefactor.errors import PrefactorError
from prefactor.export.results import known_of

EXAMPLE = 40  # tokens
WINDOWS = 4  # of a subcomponent that are shown


def told(live: Live, tokenizer: Tokenizer) -> dict[str, Any]:
    """All that the page needs to begin with."""
    work = live.work
    texts = {d: tokenizer.decode(held.tokens[0, :EXAMPLE].tolist()).strip() for d, held in live.held.items()}
    domains = [
        {
            "domain": domain, "name": language_name(domain), "unigram": work.bars.unigram.get(domain),
            "example": texts.get(domain, ""), "tokens": held.tokens.numel(), "base_ce": held.ce,
        }
        for domain, held in live.held.items()
    ]  # fmt: skip
    return {
        "folder": work.params.resolve().parent.name,
        "domains": domains,
        "removable": work.domains,
        "removed": live.removed,
        "chance": work.chance,
        "edits": recorded(live),
        "alive": int(work.table["alive"].sum()),
        "longest": longest(live),
    }


def recorded(live: Live) -> list[dict[str, Any]]:
    """The edits and baselines of params that were run, and whether their prefactors can be had as sliders."""
    params = live.work.params
    entries: dict[str, Any] = {
        **section("edits", dict[str, EditConfig], params),
        **section("baselines", dict[str, BaselineConfig], params),
    }
    known = [name for name in entries if (tensors_folder(live.work.data, name) / TENSORS).is_file()]
    return [
        {
            "name": name, "method": entries[name].method, "target": entries[name].domains.target,
            "prefactors": isinstance(entries[name], PrefactorEdit) and entries[name].directions == "subcomponents",
        }
        for name in known
    ]  # fmt: skip


def sliders_of(live: Live, name: str) -> dict[str, Any]:
    """The prefactors and the guard of an edit of params, at the report's budget.

    Raises:
        PrefactorError: there is none of this name, it was not run, or it has no prefactors.
    """
    facts, _ = known_of(live.work.data, name)
    edit = section("edits", dict[str, EditConfig], live.work.params).get(name)
    if not isinstance(edit, PrefactorEdit) or edit.directions != "subcomponents":
        raise PrefactorError(f"{name} has no prefactors of subcomponents: put it on top of the edit as it is")
    live.work.known(facts["subcomponents"])
    guard: Guard | None = edit.guard if isinstance(edit, GuardedEdit) else None
    pairs = zip(facts["subcomponents"], facts["prefactors"], strict=True)
    return {
        "target": edit.domains.target,
        "sliders": [{"subcomponent": name, "alpha": float(alpha)} for name, alpha in pairs],
        "guard": None if guard is None else guard.model_dump(mode="json"),
        "labels": labels(live, facts["subcomponents"]),
    }


def labels(live: Live, names: list[str]) -> dict[str, str]:
    known = live.work.table.set_index("subcomponent")["label"]
    return {name: str(known[name]) for name in names}


def found(live: Live, asked: Found) -> dict[str, Any]:
    """The alive subcomponents that a query matches, most needed first: some of them, and how many there are.

    Raises:
        PrefactorError: the query or the domain is wrong.
    """
    rows = live.work.components(domain=asked.domain, query=asked.query if asked.query.strip() else None)
    figures = {domain: f"importance_{domain}" for domain in live.work.domains}
    columns = ["subcomponent", "label", "score", "density", *figures.values()]
    some = rows.iloc[asked.start : asked.start + asked.most][columns].to_dict("records")
    return {
        "count": len(rows),
        "rows": [
            {
                "subcomponent": row["subcomponent"], "label": row["label"], "score": finite(row["score"]),
                "density": finite(row["density"]),
                "importance": {domain: finite(row[column]) for domain, column in figures.items()},
            }
            for row in some
        ],
    }  # fmt: skip


def shown(live: Live, subcomponent: str) -> dict[str, Any]:
    """One subcomponent: why it is called so, and where it is needed.

    Raises:
        PrefactorError: there is no such one.
    """
    known = live.work.show(subcomponent)
    windows = [
        {
            "domain": window["domain"], "tokens": list(window["tokens"]),
            "importance": [finite(value) for value in window["importance"]],
        }
        for window in known["examples"][:WINDOWS]
    ]  # fmt: skip
    return {
        "subcomponent": subcomponent,
        "label": known["label"],
        "reasoning": known["reasoning"] or "",
        "score": finite(known["score"]),
        "fires": live.work.fires,
        "input": [entry["token"] for entry in known["input_pmi"]],
        "output": [entry["token"] for entry in known["output_pmi"]],
        "windows": windows,
    }


def finite(value: Any) -> float | None:
    """A figure as JSON has it: None where it is not known."""
    number = math.nan if value is None else float(value)
    return number if math.isfinite(number) else None

"""What a run leaves on Prefect's page: how far it is, headline, damage, a link to the report, or what failed."""

import html
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import Any
from urllib.parse import quote

import httpx
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.exceptions import PrefectException

from flows.around.errors import FlowError, StageFailed
from flows.page.headline import PAGE, SUMMARY, acts_on, removed, told
from prefactor.printable import visible

EVERY = 10.0  # seconds between two looks at how far the run is
LOST = (httpx.HTTPError, PrefectException, RuntimeError)  # the server is gone: nothing is computed for its page alone


@contextmanager
def progress(share: Callable[[], float]) -> Iterator[None]:
    """Within it, a progress artifact says what ``share``, from 0 to 1, is."""
    done = threading.Event()

    def tell() -> None:
        with suppress(*LOST):
            artifact: Any = create_progress_artifact(0.0, "prefactor-progress", "The whole run, by its seconds.")
            while not done.wait(EVERY):
                update_progress_artifact(artifact, round(100 * share(), 1))
            update_progress_artifact(artifact, round(100 * share(), 1))

    thread = threading.Thread(target=copy_context().run, args=(tell,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(EVERY)


def leave_results() -> None:
    """The headline, the damage by domain, and the report's place, where there is a report."""
    if not SUMMARY.is_file():
        return
    summary = json.loads(SUMMARY.read_text(encoding="utf-8"))
    page = PAGE.resolve().as_uri()
    views = f"[The report]({page}), its [edits]({page}#/edits) and its [components]({page}#/components)."
    with suppress(*LOST):
        said = headline(summary, page)
        create_markdown_artifact(
            f"{said}\n\n{views}", "prefactor-headline", "What each edit did, at the report's budget."
        )
        create_table_artifact(damage(summary), "prefactor-damage", f"Nats a token of damage, by domain. {views}")
        create_link_artifact(page, PAGE.as_posix(), "prefactor-report", f"The report's page. {views}")


def leave_failure(error: BaseException) -> None:
    """What failed, and what to do."""
    with suppress(*LOST):
        create_markdown_artifact(failure(error), "prefactor-failure", "Why the run failed, and what to do.")


def headline(summary: dict[str, Any], page: str) -> str:
    """A markdown table, a row an edit: how far the target is from chance, and the worst of the damage.

    Edits, and subcomponents that stand alone, link to their views in the report's ``page``.
    """
    chance = summary["target"]["chance"]
    lines = [
        f"**{_cell(told(summary['holds']))}**",
        "",
        f"Nats a token at the report's budget; chance is {chance:.2f}.",
        "",
        "| edit | acts on | removes | CE - chance | worst damage |",
        "|---|---|---|---:|---:|",
    ]
    for name, edit in summary["edits"].items():
        spill = {domain: part["mean"] for domain, part in edit["damage"].items() if domain != edit["target"]}
        worst = max(spill, key=lambda domain: spill[domain], default="")
        cells = [removed(edit), f"{edit['target_ce_minus_chance']['mean']:+.2f}"]
        cells.append(f"{spill[worst]:+.2f} ({worst})" if worst else "")
        on = acts_on(edit)
        linked = [
            _link(name, page, "edits", name),
            _link(on, page, "components", on) if edit["subcomponents"] == [on] and ":sv" not in on else _cell(on),
        ]
        lines.append(f"| {' | '.join([*linked, *map(_cell, cells)])} |")
    return "\n".join(lines)


def damage(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """A row an edit, a column a domain, and which of them it removes."""
    domains = list(summary["target"]["base_ce"])
    rows = []
    for name, edit in summary["edits"].items():
        known = {domain: round(part["mean"], 3) for domain, part in edit["damage"].items()}
        rows.append(
            {
                "edit": name,
                "removes": visible(edit["target"]),
                **{visible(domain): known.get(domain, "") for domain in domains},
            }
        )
    return rows


def failure(error: BaseException) -> str:
    """Markdown: the stage, what it said, and the remedy, each on a line of its own."""
    if isinstance(error, StageFailed):
        parts = {"stage": error.stage, "exit code": str(error.exit_code), "said": error.said, "remedy": error.remedy}
    else:
        what = "to put right" if isinstance(error, FlowError) or hasattr(error, "code") else type(error).__name__
        parts = {what: str(error) or "no message"}
    return "\n".join(f"- **{name}**: {_cell(value)}" for name, value in parts.items())


def _link(text: str, page: str, view: str, name: str) -> str:
    return f"[{_cell(text)}]({page}#/{view}/{quote(name, safe=':')})"


def _cell(text: str) -> str:
    """``text`` as it is, whatever markdown or HTML its characters would be."""
    escaped = html.escape(visible(text), quote=False)
    return "".join(f"\\{character}" if character in "\\`*_[]|~" else character for character in escaped)

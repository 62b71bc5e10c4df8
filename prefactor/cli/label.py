"""``prefactor label``: read labels, correct them, compare them, and learn what a model's would cost.

A correction goes into ``data/label/overrides.yaml``, which is committed like code.
"""

import csv
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from prefactor.cli.terminal import MOST, AsJson, Folder, number, plainly, print_json, screen, visible
from prefactor.errors import PrefactorError
from prefactor.query.fields import TESTS

app = typer.Typer(help="Read labels, correct them, compare them.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="module:index")]
KEPT_ANSWERS = Path(".runs") / "llm"  # where the label stage keeps them


@app.command()
@plainly
def show(
    name: Name,
    windows: Annotated[int, typer.Option(help="Activating windows to show.", min=0)] = 3,
    folder: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """A label, who wrote it and why, how it did when it was tested, and where the subcomponent fires."""
    from prefactor.workspace import Workspace

    work = Workspace(folder)
    known = work.show(name)
    told = _told(known, work.domains, known["examples"][:windows])
    if as_json:
        print_json(told)
        return
    console = screen()
    console.print(visible(f"{name}  {told['label'] or '(no label)'}"), style="bold")
    domains = "" if told["domains"] is None else f", about {', '.join(told['domains']) or 'no domain'}"
    console.print(visible(f"by {told['labeller']}{domains}; score {number(told['score'], '.2f') or 'none'}"))
    if told["overridden"]:
        console.print(visible(f"the labeller said: {told['machine_label'] or '(no label)'}"))
    console.print(visible(told["reasoning"] or ""))
    if told["tested"]:
        tested = ", ".join(f"{key} {number(value, '.2f') or 'none'}" for key, value in told["tested"].items())
        console.print(f"tested: {tested}")
    table = Table("domain", "mean importance", "share of firings", "damage if ablated", "if inverted")
    for domain, figures in told["by_domain"].items():
        shown = [number(figures[key], form) for key, form in _FIGURES]
        table.add_row(visible(domain), *shown)
    console.print(table)
    for window in told["examples"]:
        console.print(_marked(window))


@app.command()
@plainly
def surprises(
    most: Annotated[int, typer.Option(help="Rows to show.", min=1)] = MOST,
    folder: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Where label and measured effect disagree: domains that an edit hurts though the label says it would not."""
    import pyarrow.parquet as pq

    from prefactor.files.artifacts import part
    from prefactor.label.table import label_rows

    labels = {row["subcomponent"]: row["label"] for row in label_rows(folder / "data")}
    rows = [row for row in pq.read_table(part(folder / "data" / "score", "scores")).to_pylist() if row["surprise"] > 0]
    rows = [{**row, "label": labels[row["subcomponent"]]} for row in sorted(rows, key=lambda row: -row["surprise"])]
    if as_json:
        print_json(rows)
        return
    title = f"{len(rows)} labels; nats a token if inverted"
    table = Table("subcomponent", "label", "label says", "rises", "against the label", "nats", title=title)
    for row in rows[:most]:
        listed = (", ".join(row[key] or ()) for key in ("predicted", "rising", "surprising"))
        told = (row["subcomponent"], row["label"], *listed)
        table.add_row(*map(visible, told), f"{row['surprise']:+.3f}")
    screen().print(table)


@app.command()
@plainly
def override(
    name: Name,
    text: Annotated[str | None, typer.Argument(help="The label, 1 to 8 words.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why: what the labeller got wrong, and how you know.")] = None,
    author: Annotated[str | None, typer.Option(help="Who says so; git's user.name if left out.")] = None,
    domains: Annotated[str | None, typer.Option(help='The domains it is about, as de,fr or "a, b",c.')] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the entry out again.")] = False,
    folder: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Correct a label; or, with --remove, let the labeller's stand again."""
    from prefactor.label.overrides import FILE, decomposition_of, make_override, remove_override, write_override
    from prefactor.workspace import Workspace

    data = folder / "data"
    if remove:
        if text or reason or author or domains:
            raise PrefactorError("--remove takes an entry out and needs its name only: leave out the rest")
        remove_override(data, name)
        _say({"subcomponent": name, "removed": True}, f"{data / 'label' / FILE}: {name} is out", as_json)
        return
    if not (text or "").strip():
        raise PrefactorError('the label is missing: write prefactor label override NAME "text" --reason "why"')
    if not (reason or "").strip():
        raise PrefactorError("--reason is missing: say in a line why, for those who review it")
    work = Workspace(folder)
    work.known([name])
    entry = make_override(
        name,
        label=text,
        domains=None if domains is None else [work.domain(domain.strip()) for domain in _listed(domains)],
        author=author or _git_author(folder),
        reason=reason,
        decomposition=decomposition_of(data),
    )
    said = work.table.set_index("subcomponent").at[name, "machine_label"]
    write_override(data, name, entry)
    told = {"subcomponent": name, "machine_label": said, **entry.model_dump(mode="json")}
    words = f"{name} is {entry.label!r} (the labeller said {said!r}); commit {data / 'label' / FILE}, then `dvc repro`"
    _say(told, words, as_json)


@app.command()
@plainly
def diff(
    other: Annotated[Path | None, typer.Argument(help="Another labels.parquet; left out, what people changed.")] = None,
    most: Annotated[int, typer.Option(help="Rows to show.", min=1)] = MOST,
    folder: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """What people changed against the labeller, or where another table of labels says something else."""
    from prefactor.label.differences import corrections, differences

    told = corrections(folder / "data") if other is None else differences(folder / "data", other)
    if as_json:
        print_json(told)
        return
    if other is None:
        columns, rows = ("machine_label", "label", "author", "reason"), told["applied"]
        title = f"{len(rows)} labels are people's; {len(told['left_out'])} more were written for another decomposition"
    else:
        columns, rows = ("label", "other", "labeller", "other_labeller"), told["rows"]
        title = "{differ} differ, {same} are the same; {only_here} only here, {only_there} only there".format(**told)
    console = screen()
    console.print(title, highlight=False)
    table = Table("subcomponent", *columns)
    for row in rows[:most]:
        table.add_row(*(visible(str(row[key])) for key in ("subcomponent", *columns)))
    if rows:
        console.print(table)


@app.command()
@plainly
def price(folder: Folder = Path("."), as_json: AsJson = False) -> None:
    """What labelling with a language model would take at most; nothing is asked."""
    from prefactor.config.label import DeterministicLabeller, LabelConfig, LlmLabelling
    from prefactor.config.llm import Price
    from prefactor.config.params import PARAMS, section
    from prefactor.label.evidence import read_harvest
    from prefactor.label.llm_labeller.labeller import LlmLabeller, estimate
    from prefactor.label.only import part_of
    from prefactor.llm.endpoint import from_environment

    whole = section("label", LabelConfig, folder / PARAMS)
    config, note = whole.labeller, ""
    if isinstance(config, DeterministicLabeller):
        config, note = LlmLabelling(kind="llm"), " (params.yaml has kind deterministic: these are kind llm's defaults)"
    labeller = LlmLabeller(config, from_environment(), folder / KEPT_ANSWERS)
    part = part_of(whole, folder / "data")
    estimated = estimate(read_harvest(folder / "data"), labeller, part)
    dollars = f"${estimated.usd:.2f}" if config.endpoint.price != Price() else "at no price that params.yaml names"
    words = (
        f"{labeller.name}: at most {estimated.requests} requests, {estimated.input_tokens} tokens to read and "
        f"{estimated.output_tokens} to write, {dollars}; {estimated.cached} answers are kept already{note}"
    )
    _say(asdict(estimated) | {"labeller": labeller.name}, words, as_json)


_FIGURES = (("importance", ".3f"), ("share", ".2f"), ("ablate", "+.3f"), ("invert", "+.3f"))


def _told(known: dict[str, Any], domains: list[str], examples: list[dict[str, Any]]) -> dict[str, Any]:
    from prefactor.label.overrides import PERSON

    kept = ("subcomponent", "label", "labeller", "machine_label", "reasoning", "domains", "score")
    return {
        **{key: known[key] for key in kept},
        "overridden": known["labeller"].startswith(PERSON),
        "tested": {key: known[key] for key in TESTS if key in known},
        "by_domain": {d: {key: known.get(f"{key}_{d}") for key, _ in _FIGURES} for d in domains},
        "examples": examples,
    }


def _marked(window: dict[str, Any]) -> Text:
    """The window's text; the firing token stands between « and », also where there is no colour."""
    line = Text()
    line.append(f"{visible(window['domain'])}  ", style="dim")
    for place, token in enumerate(window["tokens"]):
        fires = place == window["position"]
        line.append(f"«{visible(token)}»" if fires else visible(token), style="reverse" if fires else "")
    return line


def _listed(domains: str) -> list[str]:
    """``de,fr``; a name with a comma stands in quotes."""
    return next(csv.reader([domains], skipinitialspace=True), [])


def _git_author(folder: Path) -> str:
    try:
        done = subprocess.run(
            ["git", "config", "user.name"], cwd=folder, capture_output=True, text=True, check=False, timeout=10
        )
        name = done.stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        name = ""
    if not name:
        raise PrefactorError("--author is missing and git knows no user.name: say who writes it")
    return name


def _say(value: dict[str, Any], words: str, as_json: bool) -> None:
    if as_json:
        print_json(value)
    else:
        screen().print(visible(words), highlight=False)

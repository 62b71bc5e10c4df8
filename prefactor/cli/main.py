"""``prefactor``: look at a decomposition, and edit with it, from a terminal. ``prefactor --help``.

What it does is in ``workspace.py`` and ``export/results.py``; here are the tables around it, and JSON for machines.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from prefactor.cli.bench import bench
from prefactor.cli.export_components import export_components
from prefactor.cli.init import init
from prefactor.cli.label import app as label_app
from prefactor.cli.publish import publish
from prefactor.cli.remove import remove
from prefactor.cli.terminal import MOST, AsJson, Folder, number, plainly, print_json, screen, visible
from prefactor.config.edits import Goal
from prefactor.errors import PrefactorError

TOKENS = 4  # target tokens of an edit by hand, unless told
Trust = Annotated[bool, typer.Option(help="Run code that the checkpoint brings; read it first.")]

app = typer.Typer(
    help="Look at a cached decomposition, and edit the model with it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command()(init)
app.command()(publish)
app.command()(bench)
app.command()(remove)
app.command()(export_components)
app.add_typer(label_app, name="label")


@app.command()
@plainly
def components(
    label: Annotated[str | None, typer.Argument(help="Words its label has; -word: has not (after --).")] = None,
    query: Annotated[
        str | None, typer.Option(help='As choose.query in params: label ~ "german" and domain.de > 0.5.')
    ] = None,
    domain: Annotated[str | None, typer.Option(help="Sort by the mean importance on this domain.")] = None,
    module: Annotated[str | None, typer.Option(help="Regular expression that the module's name contains.")] = None,
    most: Annotated[int, typer.Option(help="Rows to show.", min=1)] = MOST,
    folder: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Search the subcomponents that are alive: by label, domain, module, or with a query by all that is known."""
    from prefactor.workspace import Workspace

    work = Workspace(folder)
    matching = work.components(label, domain, module, query)
    figures = [f"{figure}_{name}" for figure in ("importance", "share") for name in work.domains]
    rows = matching.head(most)[["subcomponent", "label", "score", "mean_importance", *figures]].to_dict("records")
    if as_json:
        print_json(rows)
        return
    title = f"{len(matching)} found; by domain mean importance and share of the firings"
    table = Table("subcomponent", "label", "score", *map(visible, work.domains), title=title)
    for row in rows:
        by_domain = [f"{row[f'importance_{name}']:.3f} {number(row[f'share_{name}'], '4.0%')}" for name in work.domains]
        table.add_row(visible(row["subcomponent"]), visible(row["label"]), number(row["score"], ".2f"), *by_domain)
    screen().print(table)


@app.command()
@plainly
def show(
    subcomponent: Annotated[str, typer.Argument(help="module:index")],
    windows: Annotated[int, typer.Option(help="Activating windows to show.", min=0)] = 5,
    folder: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """All that is known of one subcomponent, and where it is needed."""
    from prefactor.workspace import Workspace

    work = Workspace(folder)
    known = work.show(subcomponent)
    known["examples"] = known["examples"][:windows]
    if as_json:
        print_json(known)
        return
    console = screen()
    about = f"  {known['label']}  (score {number(known['score'], '.2f')})"
    console.print(Text.assemble((visible(known["subcomponent"]), "bold"), visible(about)))
    console.print(f"{visible(known['reasoning'] or '')}\n")
    table = Table("domain", "mean importance", "share of firings")
    for name in work.domains:
        table.add_row(visible(name), f"{known[f'importance_{name}']:.3f}", f"{known[f'share_{name}']:.2f}")
    console.print(table)
    for side, what in (("input", "fires on"), ("output", "the target then predicts")):
        tokens = "  ".join(repr(entry["token"]) for entry in known[f"{side}_pmi"])
        console.print(f"{what}: {tokens}")
    fires = work.fires
    for example in known["examples"]:
        line = Text(f"{visible(example['domain'])}  ", style="dim")
        for token, importance in zip(example["tokens"], example["importance"], strict=True):
            line.append(visible(token), style="reverse" if importance > fires else "")
        console.print(line)


@app.command()
@plainly
def edit(
    remove: Annotated[str, typer.Option(help="The domain to remove: its tag or its language (de, german).")],
    tokens: Annotated[int | None, typer.Option(help="Target tokens to fit on; 4 if left out.")] = None,
    tolerance: Annotated[
        float | None, typer.Option(help="Fit on no token: go as far as this KL (nats) on text far from any use.")
    ] = None,
    reach: Annotated[
        float | None, typer.Option(help="Fit on no token: go as far as the goal, at this KL (nats) of the retained.")
    ] = None,
    goal: Annotated[
        Goal, typer.Option(help="chance, unigram (no better than word frequencies: of large vocabularies), or uniform.")
    ] = "chance",
    retain: Annotated[list[str] | None, typer.Option(help="Domain held in the loss; may be repeated.")] = None,
    component: Annotated[list[str] | None, typer.Option(help="module:index to rescale; may be repeated.")] = None,
    query: Annotated[str | None, typer.Option(help="As choose.query: words of the label, or comparisons.")] = None,
    guarded: Annotated[bool, typer.Option(help="Guard the change by importance.")] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="module:index=α, not fitted; may be repeated.")
    ] = None,
    rewrite: Annotated[
        str | None, typer.Option(help="module:index=TOKEN: have it write toward this token; nothing is fitted.")
    ] = None,
    strength: Annotated[float, typer.Option(help="Of --rewrite; negative steers away from the token.")] = 4.0,
    seed: Annotated[int, typer.Option(help="Of the target tokens' draw.")] = 0,
    export: Annotated[Path | None, typer.Option(help="Write a PEFT adapter into this folder.")] = None,
    merge: Annotated[Path | None, typer.Option(help="Write the edited checkpoint into this folder.")] = None,
    save: Annotated[str | None, typer.Option(help="Add the edit to params.yaml under this name.")] = None,
    folder: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Choose, fit and measure an edit from the cached decomposition."""
    from prefactor.export.to_params import check_name, save_edit
    from prefactor.files.new_folder import check_new
    from prefactor.workspace import Workspace

    _quiet()
    work = Workspace(folder)
    if save is not None:
        check_name(work.params, save)
    for path in (export, merge):
        if path is not None:
            check_new(path)
    if export is not None and merge is not None and export.resolve() == merge.resolve():
        raise PrefactorError(f"--export and --merge both name {export}: name a folder for each")
    given = "--set" if set_ else "--rewrite"
    by_text = tolerance is not None or reach is not None
    if (set_ or rewrite) and (component or query or guarded or goal != "chance" or by_text or (set_ and rewrite)):
        raise PrefactorError(
            f"{given} names what it changes and fits nothing: leave out --component, --query, --guarded, --goal, "
            "--tolerance, --reach and the other of --set and --rewrite"
        )
    if tokens is not None and (set_ or rewrite or by_text):
        raise PrefactorError(f"--tokens {tokens}: an edit that is set and not fitted reads none: leave it out")
    if set_:
        made = work.set(dict(map(_prefactor, set_)), target=remove, retain=retain)
    elif rewrite is not None:
        subcomponent, _, token = rewrite.partition("=")
        if not token:
            raise PrefactorError(f"--rewrite {rewrite}: it names no token: write module:index=TOKEN")
        made = work.rewrite(subcomponent, token, strength, target=remove, retain=retain)
    else:
        fitted_on = TOKENS if tokens is None else tokens
        made = work.remove(
            remove, 0 if by_text else fitted_on, retain=retain, subcomponents=component, query=query, guarded=guarded,
            goal=goal, tolerance=tolerance, reach=reach, seed=seed,
        )  # fmt: skip
    rows = made.measure()
    written = [str(made.export(export))] if export else []
    written += [str(made.merge(merge))] if merge else []
    if save is not None:  # last: params are a person's, and get nothing that could not be measured and written
        save_edit(work.params, save, made.edit, made.facts["subcomponents"])
    if as_json:
        parts = [{"subcomponent": n, "label": t, "prefactor": made.prefactors.get(n)} for n, t in made.labels.items()]
        print_json({"subcomponents": parts, "chance": made.chance, "table": rows, "written": written})
        return
    console = screen()
    for name, label in made.labels.items():
        alpha = made.prefactors.get(name)
        how = f"writes {strength:g} toward its token" if alpha is None else f"prefactor {alpha:.3g}"
        console.print(visible(f"{name}  {label!r}  {how}"))
    _print_damage(console, rows, made.chance)
    for path in written:
        console.print(visible(f"written: {path}"))
    if save is not None:
        console.print(visible(f"{work.params} has it as edits.{save}: `dvc repro` makes its tables"))


@app.command("export")
@plainly
def export_(
    name: Annotated[str, typer.Argument(help="An edit of params.yaml that was run.")],
    into: Annotated[Path, typer.Argument(help="A new folder.")],
    merged: Annotated[bool, typer.Option(help="A whole checkpoint in place of a PEFT adapter.")] = False,
    gguf: Annotated[
        Path | None, typer.Option(help="The GGUF file that the target came in: a copy of it with the edit.")
    ] = None,
    tokens: Annotated[int | None, typer.Option(help="Budget of the fit; the report's if left out.")] = None,
    seed: Annotated[int, typer.Option(help="Draw of the fit.")] = 0,
    folder: Folder = Path("."),
) -> None:
    """Write an edit of the DAG for other tools: stock transformers and peft load it, or llama.cpp."""
    from prefactor.export.results import export
    from prefactor.selection.choice import labels_of

    _quiet()
    data = folder / "data"
    export(data, name, into, merged, tokens, seed, labels_of(data / "selection" / name), gguf)
    print(visible(f"written: {into}"))


@app.command()
@plainly
def apply(
    name: Annotated[str, typer.Argument(help="An edit of params.yaml that was run.")],
    checkpoint: Annotated[Path, typer.Argument(help="A copy of the target's checkpoint; it is changed.")],
    tokens: Annotated[int | None, typer.Option(help="Budget of the fit; the report's if left out.")] = None,
    seed: Annotated[int, typer.Option(help="Draw of the fit.")] = 0,
    folder: Folder = Path("."),
    trust_remote_code: Trust = False,
) -> None:
    """Put an edit on a checkpoint, on top of those that it has."""
    from prefactor.export.checkpoint_stack import applied_to, push
    from prefactor.export.results import change_of

    _quiet()
    cached = folder / "data"
    if cached.resolve() in checkpoint.resolve().parents:
        raise PrefactorError(f"{checkpoint} is the cached target that every edit is made for: apply to a copy of it")
    push(checkpoint, name, change_of(cached, name, tokens, seed)[1], trust_remote_code)
    print(visible(f"{checkpoint} has {', '.join(applied_to(checkpoint))}"))


@app.command()
@plainly
def revert(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint that `apply` has changed.")],
    trust_remote_code: Trust = False,
) -> None:
    """Take the last edit off a checkpoint; its weights have their old bits again."""
    from prefactor.export.checkpoint_stack import applied_to, pop

    _quiet()
    name = pop(checkpoint, trust_remote_code)
    print(visible(f"{checkpoint}: {name} is off; it has {', '.join(applied_to(checkpoint)) or 'no edit'}"))


@app.command("locate")
@plainly
def locate_(
    most: Annotated[int, typer.Option(help="Matrices to show.", min=1)] = MOST,
    folder: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Matrices by how far a rank-1 change in closed form removes the domain that `locate.target` names."""
    from prefactor.locate.table import read_table

    rows = read_table(folder / "data" / "locate", most)
    if as_json:
        print_json(rows)
        return
    domains = [key.removeprefix("damage_") for key in rows[0] if key.startswith("damage_")]
    title = "nats a token; damage by domain, empty where the matrix was not tried"
    table = Table("matrix", "forecast", "amount", "removes", "for", *map(visible, domains), title=title)
    for row in rows:
        own = [number(row[f"damage_{domain}"], "+.3f") for domain in domains]
        reach = number(row["score"], ".2f"), number(row["spill"], "+.3f")
        table.add_row(visible(row["module"]), f"{row['screen']:.3g}", f"{row['amount']:g}", *reach, *own)
    screen().print(table)


@app.command("compare")
@plainly
def compare_(
    names: Annotated[list[str] | None, typer.Argument(help="Edits that were run; all if left out.")] = None,
    tokens: Annotated[int | None, typer.Option(help="Budget; the report's if left out.")] = None,
    folder: Folder = Path("."),
    as_json: AsJson = False,
) -> None:
    """Edits side by side: what each did to its target and to every other domain, means over draws."""
    from prefactor.export.results import compare

    rows = compare(folder / "data", names or (), tokens)
    if as_json:
        print_json(rows)
        return
    domains = list(dict.fromkeys(domain for row in rows for domain in row["damage"]))
    title = "nats a token; damage by domain"
    table = Table("edit", "tokens", "removes", "CE - chance", *map(visible, domains), title=title)
    for row in rows:
        damage = [f"{row['damage'][d]:+.3f}" if d in row["damage"] else "" for d in domains]
        name, target = visible(row["edit"]), visible(row["target"])
        table.add_row(name, str(row["budget"]), target, f"{row['target_ce_minus_chance']:+.2f}", *damage)
    screen().print(table)


def _print_damage(console: Console, rows: Sequence[dict[str, Any]], chance: float) -> None:
    table = Table(
        "domain", "", "before", "after", "damage", "KL", title=f"nats a token on held-out text; chance is {chance:.2f}"
    )
    for row in rows:
        figures = [f"{row['base_ce']:.2f}", f"{row['edited_ce']:.2f}", f"{row['damage']:+.3f}", f"{row['kl']:.3f}"]
        table.add_row(visible(row["domain"]), row["role"], *figures)
    console.print(table)


def _prefactor(given: str) -> tuple[str, float]:
    name, _, value = given.rpartition("=")
    try:
        return name, float(value)
    except ValueError:
        raise PrefactorError(f"--set {given}: {value!r} is no number: write module:index=-1") from None


def _quiet() -> None:
    """No bars of transformers: what is loaded here is loaded in a moment."""
    from transformers.utils import logging

    logging.disable_progress_bar()

"""``prefactor init``: a first ``params.yaml`` for a model and texts."""

import shutil
from itertools import count
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from prefactor.cli.terminal import plainly, screen, visible
from prefactor.files.own_file import changed, check_own


@plainly
def init(
    model: Annotated[str, typer.Argument(help="A checkpoint's folder, a GGUF file, or a name on the Hub.")],
    texts: Annotated[Path, typer.Argument(help="A folder with a file or a folder a domain: en.txt, de.jsonl, fr/.")],
    target: Annotated[str, typer.Option(help="The domain to remove.")],
    retain: Annotated[list[str], typer.Option(help="Domain held in the loss; may be repeated.")],
    unseen: Annotated[
        list[str] | None, typer.Option(help="Domain that nothing but the evaluation reads; may be repeated.")
    ] = None,
    text_column: Annotated[str, typer.Option(help="Column with the text, of files that have columns.")] = "text",
    domain_column: Annotated[
        str | None, typer.Option(help="Column with the domain; TEXTS is then a file, a folder or a glob.")
    ] = None,
    into: Annotated[Path, typer.Option(help="What is there already is kept beside it.")] = Path("params.yaml"),
) -> None:
    """Write params.yaml for a model and texts of your own; every other domain is measured."""
    from prefactor.draft.params import draft
    from prefactor.draft.texts import texts_in

    check_own(into)
    made = draft(model, texts_in(texts, text_column, domain_column), target, retain, unseen or ())
    kept = _keep(into)
    with changed(into) as temporary:
        temporary.write_text(made.text, encoding="utf-8")
    console = screen()
    console.print(visible(f"{into}: {made.what}"))
    table = Table("domain", "", "characters")
    for domain, taken in made.characters.items():
        table.add_row(visible(domain), made.roles[domain], f"{taken:,.0f}")
    console.print(table)
    if made.lowered:
        console.print(f"for so little text lowered: {', '.join(f'{k} = {v}' for k, v in made.lowered.items())}")
    if kept is not None:
        console.print(visible(f"{kept} is what was there before"))
    console.print("`make run` makes all of it")


def _keep(path: Path) -> Path | None:
    """A copy of ``path`` beside it, under the first name that is free."""
    if not path.exists():
        return None
    names = (path.with_name(f"{path.name}.{number}") for number in count(1))
    kept = next(name for name in names if not name.exists())
    shutil.copy(path, kept)
    return kept

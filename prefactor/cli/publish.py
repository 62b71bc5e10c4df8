"""``prefactor publish``: a decomposition, or an edit, for others: a folder as the Hub has it, or there at once."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from prefactor.cli.terminal import Folder, plainly, screen, visible
from prefactor.errors import PrefactorError


@plainly
def publish(
    name: Annotated[
        str | None, typer.Argument(help="What it is to be called; of an edit its own name if left out.")
    ] = None,
    edit: Annotated[
        str | None, typer.Option(help="Publish this edit of params.yaml in place of the decomposition.")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="A new folder; published/NAME if left out.")] = None,
    hub: Annotated[str | None, typer.Option(help="ORG/NAME on the Hub in place of a folder; needs HF_TOKEN.")] = None,
    version: Annotated[str, typer.Option(help="The tag that it gets.")] = "1",
    licence: Annotated[str, typer.Option(help="As the Hub calls it: mit, apache-2.0, cc-by-4.0, other.")] = "unknown",
    target: Annotated[
        bool | None,
        typer.Option("--with-target/--without-target", help="The checkpoint; if left out, only one trained here."),
    ] = None,
    text: Annotated[
        bool, typer.Option("--with-text/--without-text", help="The corpus's text and windows of it.")
    ] = True,
    decomposition: Annotated[
        str | None, typer.Option(help="Of --edit: where its decomposition was published; else what is pinned.")
    ] = None,
    public: Annotated[bool, typer.Option(help="On the Hub: for everybody to see.")] = False,
    folder: Folder = Path("."),
) -> None:
    """Write a decomposition with its labels, card and hashes for others to use."""
    from prefactor.config.params import PARAMS, read_params
    from prefactor.files.artifacts import read_json, sha256
    from prefactor.published.edit import publish_edit
    from prefactor.published.find import PUBLISHED
    from prefactor.published.hub import token_for, upload
    from prefactor.published.layout import INDEX
    from prefactor.published.pin import read_pin
    from prefactor.published.recipe import RECIPE
    from prefactor.published.write import Wanted, outside_paths, publish

    if name is None and edit is None:
        raise PrefactorError("give it a name (prefactor publish NAME), or say which edit (--edit EDIT)")
    called = name or edit or ""
    if to is not None and hub is not None:
        raise PrefactorError("--to and --hub name two places: say one of them")
    if public and hub is None:
        raise PrefactorError("--public is of --hub: a folder is as public as its place")
    if edit is None and decomposition is not None:
        raise PrefactorError("--decomposition is of --edit: leave it out")
    if edit is not None and (target is not None or not text):
        raise PrefactorError(
            "an edit has neither target nor text in it: leave out --with-target, --without-target and --without-text"
        )
    if hub is not None:
        token_for(hub)  # before it takes a while to have everything checked
    with TemporaryDirectory() as temporary:
        into = Path(temporary, "published") if hub else to or folder / PUBLISHED / called
        where = hub or "."
        wanted = Wanted(called, version, licence, where, target, text)
        index = (
            publish(folder, into, wanted)
            if edit is None
            else publish_edit(folder, into, edit, wanted, decomposition or read_pin(folder))
        )
        recipe = {} if edit is None else read_json(into / RECIPE)
        size, digest = sum((into / file).stat().st_size for file in index.files), sha256(into / INDEX)
        commit = upload(into, hub, index, public) if hub else None
    console = screen()
    console.print(visible(f"{index.called}: {len(index.files)} files, {size / 1e6:.1f} MB, in {hub or into}"))
    if commit:
        console.print(f"revision {commit}, tag {index.version}, {'public' if public else 'private'}")
    console.print(f"sha256 {digest}")
    if index.licence == "unknown":
        console.print("no licence is stated: --licence says what others may do with it")
    for path in outside_paths(read_params(folder / PARAMS)) if edit is None else outside_paths(recipe):
        what = "params.yaml goes along, and names" if edit is None else "it names a folder of this machine:"
        console.print(visible(f"{what} {path}"))

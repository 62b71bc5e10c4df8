"""``prefactor export-components``: subcomponents for the places where people look at features and tables."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

import typer

from prefactor.cli.terminal import Folder, plainly, screen, visible
from prefactor.errors import PrefactorError


@plainly
def export_components(
    into: Annotated[Path | None, typer.Argument(help="A new folder.")] = None,
    to: Annotated[
        Literal["neuronpedia", "datasets"],
        typer.Option(help="What Neuronpedia imports, or a data set that `datasets` and the Hub open."),
    ] = "datasets",
    name: Annotated[
        str | None, typer.Option(help="What it is called; as the folder with params.yaml if left out.")
    ] = None,
    author: Annotated[str, typer.Option(help="Whose it is, for Neuronpedia's pages.")] = "prefactor",
    model_id: Annotated[
        str | None, typer.Option(help="Of Neuronpedia: the model's id there; the name if left out.")
    ] = None,
    creator_id: Annotated[
        str | None, typer.Option(help="Of Neuronpedia: the id of a user there; what their own tools name if left out.")
    ] = None,
    values: Annotated[
        Literal["importance", "activation"] | None,
        typer.Option(help="Of Neuronpedia: what each token of a window shows; importance if left out."),
    ] = None,
    hub: Annotated[
        str | None, typer.Option(help="Of datasets: ORG/NAME on the Hub in place of a folder; needs HF_TOKEN.")
    ] = None,
    version: Annotated[str, typer.Option(help="Of datasets: the tag that it gets.")] = "1",
    licence: Annotated[
        str, typer.Option(help="Of datasets, as the Hub calls it: mit, apache-2.0, cc-by-4.0, other.")
    ] = "unknown",
    text: Annotated[
        bool, typer.Option("--with-text/--without-text", help="Of datasets: windows of the corpus's text.")
    ] = True,
    public: Annotated[bool, typer.Option(help="On the Hub: for everybody to see.")] = False,
    folder: Folder = Path("."),
) -> None:
    """Write the subcomponents as features for Neuronpedia, or as a data set with all their tables."""
    from prefactor.published.dataset import export_dataset, named
    from prefactor.published.hub import token_for, upload

    if (into is None) == (hub is None):
        raise PrefactorError("name one place: a new folder, or --hub ORG/NAME")
    if public and hub is None:
        raise PrefactorError("--public is of --hub: a folder is as public as its place")
    called = name or folder.resolve().name
    if to == "neuronpedia":
        if into is None or not text or licence != "unknown" or version != "1":
            raise PrefactorError(
                "--to neuronpedia: leave out --hub, --version, --licence and --without-text, which are of --to datasets"
            )
        _neuronpedia(folder / "data", into, model_id or called, author, creator_id, values)
        return
    if model_id or creator_id or values:
        raise PrefactorError("--model-id, --creator-id and --values are of --to neuronpedia: leave them out")
    what = named(called, version, licence)
    if hub is not None:
        token_for(hub)  # before it takes a while to have everything read
    with TemporaryDirectory() as temporary:
        place = into or Path(temporary, "dataset")
        rows = export_dataset(folder, place, what, where=hub or ".", text=text)
        commit = upload(place, hub, what, public, "dataset") if hub else None
    tables = ", ".join(f"{table} ({count:,})" for table, count in rows.items())
    screen().print(visible(f"{hub or into}: rows of {tables}"))
    if commit:
        screen().print(f"revision {commit}, tag {version}, {'public' if public else 'private'}")
    if licence == "unknown":
        screen().print("no licence is stated: --licence says what others may do with it")


def _neuronpedia(
    data: Path, into: Path, model_id: str, author: str, creator_id: str | None,
    values: Literal["importance", "activation"] | None,
) -> None:  # fmt: skip
    from prefactor.published.neuronpedia.schema import DEFAULT_CREATOR
    from prefactor.published.neuronpedia.write import Told, export_neuronpedia

    told = Told(model_id, author, creator_id or DEFAULT_CREATOR, values=values or "importance")
    done = export_neuronpedia(data, into, told)
    screen().print(
        visible(
            f"{into}: {done.sources} sources, {done.features:,} features, {done.activations:,} windows, "
            f"{done.explanations:,} explanations; values are the {told.values}"
        )
    )

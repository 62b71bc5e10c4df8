"""Which model an adapter that is handed over belongs to, said so that it holds in other folders, too."""

from dataclasses import dataclass
from pathlib import Path

from prefactor.config.params import PARAMS, section
from prefactor.config.target import LoadTarget, TargetConfig
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import MANIFEST, read_entry


@dataclass(frozen=True)
class Base:
    name: str  # on the Hub, or the whole path of the checkpoint on this machine
    revision: str | None
    weights: dict[str, str]  # sha256 of each file of weights of the checkpoint that edits are made for

    @property
    def said(self) -> str:
        """A line of a model card."""
        at = f" at `{self.revision}`" if self.revision else ""
        files = ", ".join(f"`{name}` {digest}" for name, digest in self.weights.items())
        return (
            f"Base: `{self.name}`{at}; made for its weights in float32 (sha256: {files}). On another machine: "
            "`PeftModel.from_pretrained(base, FOLDER)` with that model as `base`."
        )


def base_of(checkpoint: Path) -> Base:
    """The base of edits of ``checkpoint``, a data folder's ``target/checkpoint``.

    Where the target was loaded from a checkpoint on the Hub, that is its name there; else its own whole path.

    Raises:
        PrefactorError: the checkpoint has no manifest.
    """
    files = read_entry(checkpoint / MANIFEST, "files")
    weights = {name: digest for name, digest in sorted(files.items()) if name.endswith(".safetensors")}
    project = checkpoint.resolve().parent.parent.parent
    try:
        model = section("target", TargetConfig, project / PARAMS).model
    except PrefactorError:  # a data folder without its params: nothing says where it came from
        model = None
    if isinstance(model, LoadTarget) and model.file is None and not (project / Path(model.name).expanduser()).exists():
        return Base(model.name, model.revision, weights)
    return Base(checkpoint.resolve().as_posix(), None, weights)

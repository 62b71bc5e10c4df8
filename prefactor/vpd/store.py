"""Components and importance net on disk, and read again."""

from pathlib import Path
from typing import Any

from safetensors import safe_open

from prefactor.config.decompose import NetConfig
from prefactor.files.artifacts import MANIFEST, Origin, read_entry, verify, write_manifest
from prefactor.files.tensors import read_tensors, write_tensors
from prefactor.machine.processes import ALONE, Processes
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet
from prefactor.vpd.sharding import gathered

COMPONENTS, NET = "components.safetensors", "importance.safetensors"


def build_net(model: DecomposedModel, config: NetConfig) -> ImportanceNet:
    return ImportanceNet(model.input_widths, model.subcomponents, config.width, config.blocks, config.heads)


def write_components(
    folder: Path, model: DecomposedModel, processes: Processes = ALONE, made_from: Origin | None = None
) -> None:
    """``U.<module>`` (C, d_out) and ``V.<module>`` (C, d_in), with a manifest.

    To be called by every process, as :func:`write_net`; one writes.
    """
    tensors = gathered(model.state())
    if processes.main:
        write_tensors(folder / COMPONENTS, tensors)
        write_manifest(folder, [COMPONENTS], made_from=made_from)


def read_components(folder: Path, target: Any) -> DecomposedModel:
    """The decomposed model, on the target's device, components frozen.

    Raises:
        PrefactorError: the file is missing or damaged, or of another target.
    """
    verify(folder, only=[COMPONENTS])
    tensors = read_tensors(folder / COMPONENTS)
    U = {k.removeprefix("U."): t for k, t in tensors.items() if k.startswith("U.")}
    V = {k.removeprefix("V."): t for k, t in tensors.items() if k.startswith("V.")}
    model = DecomposedModel(target, U, V).to(next(target.parameters()).device)
    return model.requires_grad_(False)


def write_net(folder: Path, net: ImportanceNet, processes: Processes = ALONE, made_from: Origin | None = None) -> None:
    """The net's weights, with a manifest; its shape is in the file's metadata, so that reading needs no params."""
    shape = NetConfig(width=net.project.out_features, blocks=len(net.blocks), heads=net.heads)
    # One key: safetensors writes several in random order, and equal nets must give equal bytes.
    tensors = gathered(net.state_dict())
    if processes.main:
        write_tensors(folder / NET, tensors, {"shape": shape.model_dump_json()})
        write_manifest(folder, [NET], made_from=made_from)


def read_net(folder: Path, model: DecomposedModel) -> ImportanceNet:
    """The importance net of ``model``, on its device, in evaluation mode.

    Raises:
        PrefactorError: the file is missing or damaged.
    """
    verify(folder, only=[NET])
    with safe_open(folder / NET, "pt") as file:
        config = NetConfig.model_validate_json(file.metadata()["shape"])
    net = build_net(model, config)
    net.load_state_dict(read_tensors(folder / NET))
    return net.to(model.U[0].device).eval().requires_grad_(False)


def components_sha256(data: Path) -> str:
    """The sha256 of the components under ``data``: which decomposition an edit or an override is of."""
    return read_entry(data / "decompose" / "components" / MANIFEST, "files", COMPONENTS)

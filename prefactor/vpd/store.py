"""Components and importance net on disk, and read again."""

from pathlib import Path
from typing import Any

from safetensors import safe_open

from prefactor.config.decompose import NetConfig
from prefactor.files.tensors import read_tensors, write_tensors
from prefactor.machine.processes import ALONE, Processes
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet
from prefactor.vpd.sharding import gathered


def build_net(model: DecomposedModel, config: NetConfig) -> ImportanceNet:
    return ImportanceNet(model.input_widths, model.subcomponents, config.width, config.blocks, config.heads)


def write_components(path: Path, model: DecomposedModel, processes: Processes = ALONE) -> None:
    """To be called by every process, as :func:`write_net`; one writes."""
    tensors = gathered(model.state())
    if processes.main:
        write_tensors(path, tensors)


def read_components(path: Path, target: Any) -> DecomposedModel:
    """The decomposed model from its components file, on the target's device, components frozen."""
    tensors = read_tensors(path)
    U = {k.removeprefix("U."): t for k, t in tensors.items() if k.startswith("U.")}
    V = {k.removeprefix("V."): t for k, t in tensors.items() if k.startswith("V.")}
    model = DecomposedModel(target, U, V).to(next(target.parameters()).device)
    return model.requires_grad_(False)


def write_net(path: Path, net: ImportanceNet, processes: Processes = ALONE) -> None:
    """The net's weights; its shape is in the file's metadata, so that reading needs no params."""
    shape = NetConfig(width=net.project.out_features, blocks=len(net.blocks), heads=net.heads)
    # One key: safetensors writes several in random order, and equal nets must give equal bytes.
    tensors = gathered(net.state_dict())
    if processes.main:
        write_tensors(path, tensors, {"shape": shape.model_dump_json()})


def read_net(path: Path, model: DecomposedModel) -> ImportanceNet:
    """The importance net of ``model``, on its device, in evaluation mode."""
    with safe_open(path, "pt") as file:
        config = NetConfig.model_validate_json(file.metadata()["shape"])
    net = build_net(model, config)
    net.load_state_dict(read_tensors(path))
    return net.to(model.U[0].device).eval().requires_grad_(False)

"""Decompose a target: choose its matrices, start the components, train them with the importance net."""

import re
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from prefactor.components import DecomposedModel
from prefactor.config.decompose import DecomposeConfig, NetConfig
from prefactor.errors import PrefactorError
from prefactor.importance_net import ImportanceNet
from prefactor.initial import initial_components, singular_components
from prefactor.matrices import Matrix, matrices, shape_of
from prefactor.ranks import ALONE, Ranks
from prefactor.runtime import generator
from prefactor.sharding import gathered, place
from prefactor.tensors import read_tensors, write_tensors


def start_decomposition(
    target: Any, config: DecomposeConfig, device: torch.device, ranks: Ranks = ALONE
) -> tuple[DecomposedModel, ImportanceNet]:
    """The untrained components and importance net of ``target``, drawn from the training seed."""
    modules = matrices(target, config.modules)
    rng = generator(config.training.seed, -2)
    counts = {name: _count(name, module, config) for name, module in modules.items()}
    parts = singular_components(modules, counts) if config.singular else initial_components(modules, counts, rng)
    model = DecomposedModel(target, *parts)
    net = build_net(model, config.net).initialise(rng)
    place(model, net, ranks, device)
    return model, net


def _count(name: str, matrix: Matrix, config: DecomposeConfig) -> int:
    rank, wanted = min(shape_of(matrix)), config.subcomponents
    if wanted == "auto":
        return rank if config.singular else 2 * rank
    if isinstance(wanted, dict):
        count = next((count for pattern, count in wanted.items() if re.fullmatch(pattern, name)), None)
        if count is None:
            raise PrefactorError(
                f"decompose.subcomponents has no pattern that matches the matrix {name}: add one, or '.*' as the last"
            )
        wanted = count
    if config.singular and wanted > rank:
        raise PrefactorError(
            f"decompose.subcomponents asks for {wanted} singular directions of {name}, which has {rank}: ask for "
            "fewer, or write auto"
        )
    return wanted


def build_net(model: DecomposedModel, config: NetConfig) -> ImportanceNet:
    return ImportanceNet(model.input_widths, model.subcomponents, config.width, config.blocks, config.heads)


def write_components(path: Path, model: DecomposedModel, ranks: Ranks = ALONE) -> None:
    """To be called by every process, as :func:`write_net`; one writes."""
    tensors = gathered(model.state())
    if ranks.main:
        write_tensors(path, tensors)


def read_components(path: Path, target: Any) -> DecomposedModel:
    """The decomposed model from its components file, on the target's device, components frozen."""
    tensors = read_tensors(path)
    U = {k.removeprefix("U."): t for k, t in tensors.items() if k.startswith("U.")}
    V = {k.removeprefix("V."): t for k, t in tensors.items() if k.startswith("V.")}
    model = DecomposedModel(target, U, V).to(next(target.parameters()).device)
    return model.requires_grad_(False)


def write_net(path: Path, net: ImportanceNet, ranks: Ranks = ALONE) -> None:
    """The net's weights; its shape is in the file's metadata, so that reading needs no params."""
    shape = NetConfig(width=net.project.out_features, blocks=len(net.blocks), heads=net.heads)
    # One key: safetensors writes several in random order, and equal nets must give equal bytes.
    tensors = gathered(net.state_dict())
    if ranks.main:
        write_tensors(path, tensors, {"shape": shape.model_dump_json()})


def read_net(path: Path, model: DecomposedModel) -> ImportanceNet:
    """The importance net of ``model``, on its device, in evaluation mode."""
    with safe_open(path, "pt") as file:
        config = NetConfig.model_validate_json(file.metadata()["shape"])
    net = build_net(model, config)
    net.load_state_dict(read_tensors(path))
    return net.to(model.U[0].device).eval().requires_grad_(False)

"""The models that earlier stages left, each checked against its manifest."""

from typing import Any

import torch

from prefactor.files.artifacts import verify
from prefactor.model.target import read_target
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet
from prefactor.vpd.store import read_components, read_net
from stages.common import CHECKPOINT, COMPONENTS, NET


def load_target(device: torch.device) -> Any:
    """The target, frozen, in evaluation mode."""
    verify(CHECKPOINT)
    return read_target(CHECKPOINT, device)


def load_decomposed(device: torch.device) -> DecomposedModel:
    """The target and its subcomponents, frozen."""
    return read_components(COMPONENTS, load_target(device))


def load_net(model: DecomposedModel) -> ImportanceNet:
    """The refitted importance net of ``model``, frozen."""
    return read_net(NET, model)

"""The models that earlier stages left, each checked against its manifest."""

from typing import Any

import torch

from prefactor.corpus.used import USED, WHOLE, Vocabulary
from prefactor.files.artifacts import MANIFEST, read_json, verify
from prefactor.model.cut import cut_vocabulary
from prefactor.model.kept_states import STATES, keep_states
from prefactor.model.target import read_target
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet
from prefactor.vpd.store import read_components, read_net
from stages.common import CHECKPOINT, COMPONENTS, NET, TEXT


def load_target(device: torch.device, vocabulary: Vocabulary = WHOLE) -> Any:
    """The target with the tokens of ``vocabulary``, frozen, in evaluation mode."""
    verify(CHECKPOINT)
    target = read_target(CHECKPOINT, device)
    about = [read_json(CHECKPOINT / MANIFEST)["files"]]
    if vocabulary.ids is not None:
        cut_vocabulary(target, vocabulary.ids)
        about.append(read_json(TEXT / USED / MANIFEST)["files"])
    keep_states(target, STATES, about)
    return target


def load_decomposed(device: torch.device, vocabulary: Vocabulary = WHOLE) -> DecomposedModel:
    """The target and its subcomponents, frozen."""
    return read_components(COMPONENTS, load_target(device, vocabulary))


def load_net(model: DecomposedModel) -> ImportanceNet:
    """The refitted importance net of ``model``, frozen."""
    return read_net(NET, model)

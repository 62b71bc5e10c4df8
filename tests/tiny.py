"""A target of a few thousand weights and its untrained decomposition, for exact checks of the numerics."""

import math

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from prefactor.config.training import AdversaryConfig, Coefficients, Penalty, TrainingConfig
from prefactor.machine.runtime import generator
from prefactor.model.matrices import matrices
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet
from prefactor.vpd.initial import initial_components

VOCABULARY, POSITIONS = 40, 12
CHANCE = math.log(VOCABULARY)  # nats


def tiny_target(bias: bool = False) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=64, attention_bias=bias, initializer_range=0.3,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    if bias:
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.data.normal_()
    return model


def tiny_decomposed(subcomponents: int = 30, bias: bool = False) -> DecomposedModel:
    target = tiny_target(bias)
    modules = matrices(target)
    return DecomposedModel(target, *initial_components(modules, dict.fromkeys(modules, subcomponents), generator(1)))


def tiny_net(model: DecomposedModel) -> ImportanceNet:
    net = ImportanceNet(model.input_widths, model.subcomponents, 16, 1, 2).initialise(generator(2))
    torch.nn.init.normal_(net.head.weight, std=0.3, generator=generator(3))  # spread g over [0, 1]
    return net


def tiny_blocks(n: int = 20, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, VOCABULARY, (n, POSITIONS)).astype(np.int32)


def training(steps: int = 12, **changes: object) -> TrainingConfig:
    base = TrainingConfig(
        steps=steps, batch=3, learning_rate=1e-3, seed=5,
        coefficients=Coefficients(stochastic=0.5, adversarial=0.5, minimality=1e-3, frequency=1e-3, faithfulness=1e3),
        penalty=Penalty(kind="lp", start=2.0, end=0.4), adversary=AdversaryConfig(ascents=1, learning_rate=0.05),
    )  # fmt: skip
    return base.model_copy(update=changes)

"""A change of weights in the form that PEFT has for it: LoRAs of modules, or of parameters where there are experts.

Of a mixture everything goes by parameter. Experts have no modules there; and PEFT takes modules called ``gate_proj``,
``up_proj`` and ``down_proj`` for the experts of older versions, though they are a shared expert's or a dense layer's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from prefactor.errors import PrefactorError
from prefactor.model.change import Change
from prefactor.model.experts import ExpertMatrix, fused_name
from prefactor.model.matrices import all_matrices, matrix_of

# peft.tuners.tuners_utils._check_lora_target_modules_mamba, which has no list that could be asked for.
REFUSED_IN = {"falcon_h1", "mamba", "mamba2", "falcon_mamba", "nemotron_h"}
REFUSED = {"out_proj"}


@dataclass(frozen=True)
class Part:
    """The LoRA of one module, or of one parameter of it."""

    module: str  # in the base model
    parameter: str | None
    key: str  # the module as its tensors are called
    rank: int
    A: Tensor  # (rank, d_in); of experts (experts * rank, d_in), one after the other
    B: Tensor  # (d_out, rank); of experts (d_out, rank * experts), the experts side by side

    @property
    def name(self) -> str:
        """What PEFT is told to act on."""
        return self.module if self.parameter is None else f"{self.module}.{self.parameter}"


def parts_of(target: Any, change: Change) -> list[Part]:
    """The LoRAs that ``change`` is."""
    if not any(isinstance(matrix, ExpertMatrix) for matrix in all_matrices(target).values()):
        return [Part(name, None, name, len(A), A, B) for name, (A, B) in change.items()]
    parts = []
    experts: dict[str, dict[int, tuple[Tensor, Tensor]]] = {}
    for name, (A, B) in change.items():
        if isinstance(matrix_of(target, name), ExpertMatrix):
            fused, number = fused_name(name)
            experts.setdefault(fused, {})[number] = (A, B)
        else:
            parts.append(Part(name, "weight", name, len(A), A, B))
    return parts + [_fused(target, name, pairs, experts) for name, pairs in experts.items()]


def refused(target: Any, modules: Iterable[str]) -> list[str]:
    """The ``modules`` for which PEFT loads no adapter in a model of this kind."""
    ends = REFUSED if target.config.model_type in REFUSED_IN else set()
    return [name for name in modules if name.rpartition(".")[2] in ends]


def check_loadable(target: Any, modules: Iterable[str]) -> None:
    """Whether PEFT can load an adapter of ``modules``.

    Raises:
        PrefactorError: it cannot.
    """
    if names := refused(target, modules):
        raise PrefactorError(
            f"PEFT loads no adapter for {names[0]} of a {target.config.model_type} model: write the merged checkpoint "
            "instead (`prefactor export --merged`, or `merge` in Python)"
        )


def _fused(target: Any, name: str, pairs: Mapping[int, tuple[Tensor, Tensor]], changed: Iterable[str]) -> Part:
    """The change of one fused parameter: every expert's of the same rank, zeros where an expert's own is lower."""
    module, _, parameter = name.rpartition(".")
    owner: nn.Module = target.base_model.get_submodule(module)
    rank, number = max(len(A) for A, _ in pairs.values()), len(getattr(owner, parameter))
    one_A, one_B = next(iter(pairs.values()))
    A, B = one_A.new_zeros(number, rank, one_A.shape[1]), one_B.new_zeros(one_B.shape[0], rank, number)
    for expert, (a, b) in pairs.items():
        A[expert, : len(a)] = a
        B[:, : len(a), expert] = b
    # PEFT wraps a module once for each of its parameters, and the last wrapper is the outermost.
    wrapped = [p for p, _ in owner.named_parameters(recurse=False) if f"{module}.{p}" in changed]
    key = module + ".base_layer" * (len(wrapped) - 1 - wrapped.index(parameter))
    return Part(module, parameter, key, rank, A.flatten(0, 1), B.flatten(1, 2))

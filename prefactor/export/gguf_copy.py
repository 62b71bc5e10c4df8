"""An edited model as one GGUF file: a copy of the file that the model came in, with other tensors where it was changed.

What was not changed keeps its quantisation to the bit, and a changed matrix is stored in float32, so that the copy is
the edit and nothing else. Runtimes of such files (llama.cpp) take files of several types.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from prefactor.errors import PrefactorError
from prefactor.files.artifacts import atomic
from prefactor.files.gguf_file import check_gguf
from prefactor.model.change import Change, applied
from prefactor.model.matrices import matrix_of, weight_of

INSTEAD = "write the merged checkpoint (`prefactor export --merged`), and convert that with llama.cpp"


def write_gguf(path: Path, original: Path, target: Any, change: Change) -> None:
    """Write to ``path`` the model of the file ``original`` with ``change``.

    Raises:
        PrefactorError: ``original`` is damaged, does not hold the weights of ``target`` in the order in which they are
            there (Llama's queries and keys are not), or is of an architecture that GGUF has no names for.
    """
    import gguf

    header = check_gguf(original, "--gguf")
    reader = gguf.GGUFReader(original)
    names = _names(target, header.metadata.get("general.architecture"), change, original)
    stored = {tensor.name: tensor for tensor in reader.tensors}
    for module, name in names.items():
        _check_same(original, module, stored.get(name), _matrix(target, module))
    with applied(target, change):
        changed = {name: _matrix(target, module) for module, name in names.items()}
    with atomic(path) as temporary:
        writer = gguf.GGUFWriter(temporary, header.metadata["general.architecture"], endianess=reader.endianess)
        for field in reader.fields.values():
            # The writer has put the architecture there by itself, and what begins with GGUF is the header.
            if field.name != gguf.Keys.General.ARCHITECTURE and not field.name.startswith("GGUF."):
                inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
                writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=inner)
        for tensor in reader.tensors:
            new = changed.get(tensor.name)
            data, kind = (tensor.data, tensor.tensor_type) if new is None else (new, gguf.GGMLQuantizationType.F32)
            writer.add_tensor_info(tensor.name, data.shape, data.dtype, data.nbytes, kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in reader.tensors:
            writer.write_tensor_data(changed.get(tensor.name, tensor.data), tensor_endianess=reader.endianess)
        writer.close()


def _names(target: Any, architecture: str | None, change: Change, original: Path) -> dict[str, str]:
    """What the changed matrices are called in the file."""
    import gguf

    kinds = {name: kind for kind, name in gguf.MODEL_ARCH_NAMES.items()}
    if architecture not in kinds:
        raise PrefactorError(f"--gguf: {original.name} is of {architecture!r}, whose tensors have no names: {INSTEAD}")
    known = gguf.get_tensor_name_map(kinds[architecture], target.config.get_text_config().num_hidden_layers)
    found: dict[str, str] = {}
    for module in change:
        name = known.get_name(f"{target.base_model_prefix}.{module}")
        if name is None:
            raise PrefactorError(f"--gguf: GGUF has no name for {module} of {architecture}: {INSTEAD}")
        found[module] = f"{name}.weight"
    return found


def _matrix(target: Any, module: str) -> np.ndarray:
    """(d_out, d_in) float32."""
    return weight_of(matrix_of(target, module)).detach().cpu().to(torch.float32).contiguous().numpy().copy()


def _check_same(original: Path, module: str, tensor: Any, weight: np.ndarray) -> None:
    from gguf.quants import dequantize

    if tensor is None or not np.array_equal(dequantize(tensor.data, tensor.tensor_type), weight):
        raise PrefactorError(
            f"--gguf: {original.name} does not hold {module} as the target has it: it is another model's file, or "
            f"one that stores it in another order (as Llama's queries and keys are); name its own, or {INSTEAD}"
        )

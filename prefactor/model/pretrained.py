"""The one place where a language model is read: what was loaded is checked, not trusted."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, GgufConfig
from transformers.utils import logging

from prefactor.errors import PrefactorError
from prefactor.files.gguf_file import GgufHeader
from prefactor.files.model_config import cannot_load
from prefactor.files.model_folder import check_source, stored_packed


def read_pretrained(
    name: str | Path, where: str, *, revision: str | None = None, trust_remote_code: bool = False,
    dtype: torch.dtype | str = torch.float32, local: bool = False, file: str | None = None,
) -> Any:  # fmt: skip
    """A causal language model of ``transformers`` in evaluation mode, every weight of it from the checkpoint.

    Args:
        name: a folder, or a name on the Hub unless ``local``.
        where: begins the message of an error.
        trust_remote_code: whether code that the checkpoint brings may run; nobody is asked.
        dtype: of its weights, or ``auto`` for that of the checkpoint.
        file: the GGUF file to read, if it is no checkpoint; its numbers are dequantised, and the model is as any other.

    Raises:
        PrefactorError: it is no whole causal language model, or its weights and its config do not go together.
    """
    source = check_source(name, revision, where, file)
    unpack: dict[str, Any] = {"quantization_config": GgufConfig(dequantize=True)} if source.header else {}
    with _quiet(), source.arguments() as named:
        try:
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                **named, **unpack, trust_remote_code=trust_remote_code, dtype=dtype, use_safetensors=True,
                local_files_only=local, output_loading_info=True,
                ignore_mismatched_sizes=True,  # so that the matrix is named below, and not a table printed
            )  # fmt: skip
        except Exception as error:  # whatever a library makes of a stranger's files
            raise cannot_load(error, where) from error
    model, info = loaded
    _check_loaded(model, info, where)
    if source.header is not None:
        _check_all_read(source.header, model, where)
    elif getattr(model, "hf_quantizer", None) is None and (packed := stored_packed(name, revision)):
        raise PrefactorError(
            f"{where}: {packed}, and no known quantiser reads it; name a checkpoint that is not quantised"
        )
    return model.eval()


def _check_loaded(model: Any, info: dict[str, Any], where: str) -> None:
    """Raises PrefactorError unless the checkpoint's weights are the model's, one for one."""
    if getattr(model, "_hf_peft_config_loaded", False):
        raise PrefactorError(f"{where}: an adapter was loaded with it; merge it first (`merge_and_unload()`)")
    if info["mismatched_keys"]:
        name, stored, wanted = min(info["mismatched_keys"])
        raise PrefactorError(
            f"{where}: {name} is {_shape(stored)} in the checkpoint and {_shape(wanted)} by its config.json; take both "
            "from one model"
        )
    made_as = (model.config.architectures or [""])[0]
    how = type(model).__name__ + (f", saved as {made_as}" if made_as not in ("", type(model).__name__) else "")
    for key, what in (
        ("missing_keys", "the checkpoint lacks {} of the model's weights ({}), which would be random"),
        ("unexpected_keys", "the model has no place for {} of the checkpoint's weights ({})"),
    ):
        if names := sorted(info[key]):
            raise PrefactorError(
                f"{where}: {what.format(len(names), names[0])}, read as {how}; take config.json and weights from one "
                "causal language model, whole, and neither quantised nor an adapter's"
            )


def _check_all_read(header: GgufHeader, model: Any, where: str) -> None:
    """Raises PrefactorError if its GGUF file has other numbers, too, which the library passes over."""
    from transformers.integrations.gguf.utils import is_gguf_arch_supported  # seconds, and of GGUF alone

    if is_gguf_arch_supported(header.metadata["general.architecture"]):
        return  # by the newer of the library's two readers, whose unexpected keys were looked at
    tied = model.config.get_text_config().tie_word_embeddings
    tensors = {name: n for name, n in header.tensors.items() if not (tied and name == "output.weight")}
    kept = {tensor.data_ptr(): tensor.numel() for tensor in model.state_dict().values()}
    if (stored := sum(tensors.values())) != (read := sum(kept.values())):
        raise PrefactorError(
            f"{where}: its file holds {stored} numbers, the model that transformers makes of it has {read}, so it "
            "would be another model; take the model's safetensors"
        )


def _shape(shape: Any) -> str:
    return "×".join(map(str, shape))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's table of what did not fit: it is an error here, in one line."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)

"""The model that a decomposition is of: told by its weights, and fetched where it was not passed on."""

import hashlib
import os
import shutil
from pathlib import Path

import torch
from safetensors import safe_open

from prefactor.config.params import PARAMS, section
from prefactor.config.target import LoadTarget, TargetConfig
from prefactor.corpus.tokenizer_file import read_tokenizer, vocabulary_of
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import read_entry, verify
from prefactor.model.load import load_target, save_target
from prefactor.published.index import Index
from prefactor.published.layout import CHECKPOINT


def weights_sha256(checkpoint: Path) -> str:
    """A hash of the tensors of ``checkpoint``, the same however they are spread over files."""
    where: dict[str, Path] = {}
    for path in sorted(checkpoint.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            where.update(dict.fromkeys(file.keys(), path))
    digest = hashlib.sha256()
    for name, path in sorted(where.items()):
        with safe_open(path, "pt") as file:
            tensor = file.get_tensor(name).contiguous()
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def fetch_base(published: Path, index: Index, base: str | None, folder: Path) -> LoadTarget:
    """Write the model that ``published`` is of and does not have to ``folder``, as the target stage would.

    Args:
        base: a folder or a name on the Hub to take in place of where the publisher had it.

    Returns what params say of it.

    Raises:
        PrefactorError: it cannot be had, or is another model.
    """
    config = section("target", TargetConfig, published / PARAMS).model
    assert isinstance(config, LoadTarget)
    if base is not None:
        config = config.model_copy(update={"name": base, "revision": None if base != config.name else config.revision})
    corpus = published / "data" / "corpus"
    block = read_entry(corpus / "metrics.json", "block")
    try:
        model = load_target(config, vocabulary_of(read_tokenizer(corpus)), block)
    except PrefactorError as error:
        raise PrefactorError(
            f"{index.called} was published without its base model, which cannot be had: {error}; "
            "say where it lies here (base=... in Python, --base on the command line)"
        ) from None
    save_target(model, corpus, folder, config.trust_remote_code)
    if (found := weights_sha256(folder)) != index.base.weights:
        shutil.rmtree(folder)
        raise PrefactorError(
            f"{config.name} is another model than {index.called} was made of: its weights' sha256 is {found[:12]}, not "
            f"{index.base.weights[:12]}: name the one on its card, at revision {index.base.revision or 'main'}"
        )
    return config


def cached_base(published: Path, index: Index, base: str | None) -> Path:
    """:func:`fetch_base` into this user's cache; a model that is there already is only checked."""
    root = cache() / "bases" / index.base.weights
    checkpoint = root / CHECKPOINT
    if checkpoint.is_dir():
        verify(checkpoint)
        return checkpoint
    temporary = root.with_name(f".{root.name}.{os.getpid()}.tmp")
    try:
        fetch_base(published, index, base, temporary / CHECKPOINT)
        shutil.copyfile(published / PARAMS, temporary / PARAMS)  # an export names the base that params name
        shutil.rmtree(root, ignore_errors=True)
        os.rename(temporary, root)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return checkpoint


def cache() -> Path:
    """This user's folder for what can be had again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "prefactor"

"""What lies in the folder of a model, looked at before a library reads it: errors name the file and the remedy."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safetensors import SafetensorError, safe_open

from prefactor.errors import PrefactorError
from prefactor.files.gguf_file import GgufHeader, check_gguf
from prefactor.files.model_config import cannot_load

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
ADAPTER = "adapter_config.json"
GGUF = ".gguf"
LFS = b"version https://git-lfs.github.com/spec"
FLOATS = ("F64", "F32", "F16", "BF16")
PICKLES = (".bin", ".pt", ".pth", ".ckpt")  # reading one runs what is in it
AGAIN = "copy or download the model again"
SAVE = "`AutoModelForCausalLM.from_pretrained(...)`, then `save_pretrained(folder)`"


@dataclass(frozen=True)
class Source:
    """A model whose files were looked at: a folder or a name on the Hub, or one GGUF file."""

    name: str | Path
    revision: str | None
    gguf: Path | None = None
    header: GgufHeader | None = None  # of the GGUF file

    @contextmanager
    def arguments(self) -> Iterator[dict[str, Any]]:
        """What says to ``from_pretrained`` of ``transformers`` what it is to read."""
        if self.gguf is None:
            yield {"pretrained_model_name_or_path": self.name, "revision": self.revision}
        else:  # alone: it would be mixed with what else lies in its folder, as a tokenizer.json, or a file where one is
            with TemporaryDirectory() as empty:
                yield {"pretrained_model_name_or_path": empty, "gguf_file": str(self.gguf.absolute())}


def check_source(name: str | Path, revision: str | None, where: str, file: str | None = None) -> Source:
    """Check that ``name``, a folder or a name on the Hub, can be a whole model that needs no pickle.

    ``where`` begins the message of an error; ``file`` is the GGUF file to read there in place of a checkpoint. Of a
    checkpoint on the Hub only an adapter is recognised here.

    Raises:
        PrefactorError: it is an adapter, has no config or no weights, or a file of it is missing, damaged or a pointer.
    """
    folder = Path(name)
    if folder.is_file():
        remedy = f"the folder of a checkpoint, with {CONFIG} and {WEIGHTS}"
        if folder.suffix == GGUF:
            remedy = f"its folder, and beside that file: {folder.name}"
        raise PrefactorError(f"{where}: it is a file; name {remedy}")
    if not folder.is_dir() and _is_path(str(name)):
        raise PrefactorError(f"{where}: there is no such folder; mend the path")
    if file is not None:
        path = _gguf_in(folder, file, where) if folder.is_dir() else _gguf_on_hub(str(name), file, revision, where)
        return Source(name, revision, path, check_gguf(path, where))
    if folder.is_dir():
        _check_adapter(folder / ADAPTER, where)
        for path in sorted(folder.iterdir()):
            _check_pointer(path, where)
        _check_config(folder, where)
        for path in _weights(folder, where):
            _check_readable(path, where)
        return Source(name, revision)
    from transformers.utils.peft_utils import find_adapter_config_file  # takes seconds; the default needs none

    try:
        found = find_adapter_config_file(str(name), revision=revision)
    except (OSError, ValueError):
        found = None  # who loads it hears the same, and says it
    if found is not None:
        _check_adapter(Path(found), where)
    return Source(name, revision)


def parameters_of(source: Source) -> int | None:
    """How many weights the files of ``source`` hold; None where it is a name on the Hub, of which none was fetched."""
    if source.header is not None:
        return sum(source.header.tensors.values())
    folder = Path(source.name)
    if not folder.is_dir():
        return None
    held = 0
    for path in _weights(folder, str(folder)):
        with safe_open(path, framework="np") as file:
            held += sum(prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118  (no mapping)
    return held


def stored_packed(name: str | Path, revision: str | None) -> str | None:
    """A weight of the checkpoint that is stored as no float of 16 bits or more; None where there is none.

    Without a quantiser such numbers mean nothing: only a scale, stored elsewhere, makes weights of them.
    """
    from transformers.utils.hub import cached_file

    config = (
        Path(name, CONFIG) if Path(name).is_dir() else Path(cached_file(str(name), CONFIG, revision=revision) or "")
    )
    for path in _weights(config.parent, str(name)):
        with safe_open(path, framework="np") as file:
            for key in file.keys():  # noqa: SIM118  (no mapping)
                if key.endswith("weight") and (kind := file.get_slice(key).get_dtype()) not in FLOATS:
                    return f"{key} is stored as {kind}"
    return None


def _is_path(name: str) -> bool:
    return not name or name[0] in "./~" or name.count("/") > 1 or "\\" in name


def _check_adapter(path: Path, where: str) -> None:
    if not path.is_file():
        return
    try:
        base = f" of {json.loads(path.read_bytes())['base_model_name_or_path']!r}"
    except (ValueError, KeyError, TypeError):
        base = ""
    merged = ", or, if it is merged into the weights already, take it out" if (path.parent / CONFIG).is_file() else ""
    raise PrefactorError(
        f"{where}: it holds an adapter{base} ({path.name}), not a whole model; merge it into its base first (peft's "
        f"`merge_and_unload()`, then `save_pretrained(folder)`) and name that folder{merged}"
    )


def _gguf_in(folder: Path, file: str, where: str) -> Path:
    path = folder / file
    _check_pointer(path, where)
    if not path.is_file():
        found = sorted(other.relative_to(folder).as_posix() for other in folder.rglob(f"*{GGUF}"))
        has = f"it has {', '.join(found)}" if found else f"nor any other {GGUF} file"
        raise PrefactorError(f"{where}: there is no {file} in it, {has}; mend file")
    return path


def _gguf_on_hub(name: str, file: str, revision: str | None, where: str) -> Path:
    from transformers.utils.hub import cached_file

    try:
        return Path(cached_file(name, file, revision=revision) or "")
    except Exception as error:  # whatever a library makes of a connection
        raise cannot_load(error, f"{where}: {file}") from error


def _check_pointer(path: Path, where: str) -> None:
    if path.is_symlink() and not path.exists():
        raise PrefactorError(f"{where}: {path.name} is a link to a file that is gone; {AGAIN}")
    if not path.is_file():
        return
    try:
        with path.open("rb") as file:
            begins = file.read(len(LFS))
    except OSError as error:
        raise PrefactorError(f"{where}: {path.name} cannot be read ({error.strerror}); make it readable") from None
    if begins == LFS:
        raise PrefactorError(
            f"{where}: {path.name} is a git-lfs pointer, not the file itself; run `git lfs pull` there, or {AGAIN}"
        )


def _check_config(folder: Path, where: str) -> None:
    path = folder / CONFIG
    if not path.is_file():
        _check_no_gguf(folder, where)
        inner = [
            found.parent for pattern in ("*", "snapshots/*") for found in sorted(folder.glob(f"{pattern}/{CONFIG}"))
        ]
        remedy = f"did you mean {inner[0]}?" if inner else "name the folder of a checkpoint of transformers"
        raise PrefactorError(f"{where}: there is no {CONFIG} in it; {remedy}")
    value = _json(path, where)
    if not isinstance(value, dict) or not (value.get("model_type") or value.get("auto_map")):
        raise PrefactorError(
            f"{where}: its {CONFIG} has no model_type, so nothing says what model it is; take {CONFIG} from where the "
            "weights come from"
        )


def _weights(folder: Path, where: str) -> list[Path]:
    """The files that ``transformers`` will read, every one of them there."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        value = _json(folder / INDEX, where)
        listed = value.get("weight_map") if isinstance(value, dict) else None
        if not isinstance(listed, dict) or not listed:
            raise PrefactorError(f"{where}: {INDEX} lists no weights; {AGAIN}")
        shards = sorted(set(listed.values()))
        missing = [shard for shard in shards if not (folder / str(shard)).is_file()]
        if missing:
            raise PrefactorError(f"{where}: {len(missing)} of {len(shards)} shards are missing ({missing[0]}); {AGAIN}")
        return [folder / shard for shard in shards]
    pickles = [path.name for path in sorted(folder.iterdir()) if path.suffix in PICKLES]
    if pickles:
        raise PrefactorError(
            f"{where}: its weights are pickles ({pickles[0]}), which run code when they are read, and are not read "
            f"here; where you trust them, write them as safetensors: {SAVE}"
        )
    _check_no_gguf(folder, where)
    others = [path.name for path in sorted(folder.iterdir()) if path.suffix in (".safetensors", ".h5")]
    if others:
        raise PrefactorError(f"{where}: there is no {WEIGHTS} in it, only {others[0]}; write one: {SAVE}")
    raise PrefactorError(f"{where}: there are no weights in it ({WEIGHTS}); {AGAIN}")


def _check_no_gguf(folder: Path, where: str) -> None:
    if found := sorted(path.name for path in folder.glob(f"*{GGUF}")):
        which = found[0] if len(found) == 1 else f"one of {', '.join(found)}"
        raise PrefactorError(f"{where}: its weights are GGUF; set file beside name, in both places, to {which}")


def _check_readable(path: Path, where: str) -> None:
    try:
        with safe_open(path, framework="np") as file:
            empty = not file.keys()
    except (SafetensorError, OSError, ValueError) as error:
        said = "it is empty" if path.stat().st_size == 0 else " ".join(str(error).split())
        raise PrefactorError(f"{where}: {path.name} cannot be read ({said}); {AGAIN}") from None
    if empty:
        raise PrefactorError(f"{where}: {path.name} holds no weights; {AGAIN}")


def _json(path: Path, where: str) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise PrefactorError(f"{where}: {path.name} is no JSON ({error}); {AGAIN}") from None

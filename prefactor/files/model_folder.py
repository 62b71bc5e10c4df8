"""What lies in the folder of a model, looked at before a library reads it: errors name the file and the remedy."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from prefactor.errors import PrefactorError

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
ADAPTER = "adapter_config.json"
LFS = b"version https://git-lfs.github.com/spec"
FLOATS = ("F64", "F32", "F16", "BF16")
PICKLES = (".bin", ".pt", ".pth", ".ckpt")  # reading one runs what is in it
AGAIN = "copy or download the model again"
SAVE = "`AutoModelForCausalLM.from_pretrained(...)`, then `save_pretrained(folder)`"


def check_source(name: str | Path, revision: str | None, where: str) -> None:
    """Check that ``name``, a folder or a name on the Hub, can be a whole model that needs no pickle.

    ``where`` begins the message of an error. Of a name on the Hub only an adapter is recognised here.

    Raises:
        PrefactorError: it is an adapter, has no config or no weights, or a file of it is missing, damaged or a pointer.
    """
    folder = Path(name)
    if folder.is_dir():
        _check_adapter(folder / ADAPTER, where)
        _check_pointers(folder, where)
        _check_config(folder, where)
        for path in _weights(folder, where):
            _check_readable(path, where)
    elif folder.is_file():
        raise PrefactorError(f"{where}: it is a file; name the folder of a checkpoint, with {CONFIG} and {WEIGHTS}")
    elif _is_path(str(name)):
        raise PrefactorError(f"{where}: there is no such folder; mend the path")
    else:
        from transformers.utils.peft_utils import find_adapter_config_file  # takes seconds; the default needs none

        try:
            found = find_adapter_config_file(str(name), revision=revision)
        except (OSError, ValueError):
            return  # who loads it hears the same, and says it
        if found is not None:
            _check_adapter(Path(found), where)


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


def _check_pointers(folder: Path, where: str) -> None:
    for path in sorted(folder.iterdir()):
        if path.is_symlink() and not path.exists():
            raise PrefactorError(f"{where}: {path.name} is a link to a file that is gone; {AGAIN}")
        if not path.is_file():
            continue
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
    others = [path.name for path in sorted(folder.iterdir()) if path.suffix in (".safetensors", ".gguf", ".h5")]
    if others:
        raise PrefactorError(f"{where}: there is no {WEIGHTS} in it, only {others[0]}; write one: {SAVE}")
    raise PrefactorError(f"{where}: there are no weights in it ({WEIGHTS}); {AGAIN}")


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

"""The tokenizer of a target that exists, with what it says of the text that the target takes."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tokenizers import Tokenizer as Backend

from prefactor.config.corpus import TargetTokenizer
from prefactor.corpus.tokenizer import Tokenizer
from prefactor.corpus.tokenizer_file import TOKENIZER
from prefactor.errors import PrefactorError
from prefactor.files.model_config import cannot_load, check_fits, embeddings_of, positions_of, read_config
from prefactor.files.model_folder import check_source

SAMPLE = "The small house, 12.5 km: straße, naïveté, 你好 😀\n\n\tdef f(x):  return x"


def of_target(config: TargetTokenizer, block: int) -> Tokenizer:
    """The target's own tokenizer; its bos token separates documents, or its eos token if it has no bos.

    Raises:
        PrefactorError: the target is no whole model, or cannot read blocks of ``block`` tokens; or its tokenizer cannot
            be loaded, or kept as it is, has no ``tokenizers`` form, or has neither token.
    """
    from transformers import AutoTokenizer  # here, since it takes seconds and the default does not need it

    where, trust = f"params.yaml: corpus.tokenizer.name = {config.name!r}", config.trust_remote_code
    of_model = f"params.yaml: target.model.name = {config.name!r}"  # the same one, as params are checked to say
    source = check_source(config.name, config.revision, of_model, config.file)
    if source.header is not None and not source.header.tokens:
        raise PrefactorError(f"{where}: {config.file} has no tokenizer in it; name a file that has one")
    with source.arguments() as named:
        model = read_config(trust, of_model, **named)
        try:
            loaded = AutoTokenizer.from_pretrained(**named, trust_remote_code=trust)
        except Exception as error:  # whatever a library makes of a stranger's files
            raise cannot_load(error, f"{where}: the tokenizer") from error
    if source.header is not None:
        loaded = _cut(loaded, source.header.tokens)
    if not loaded.is_fast:
        raise PrefactorError(f"{where}: it is a slow tokenizer, without tokenizer.json; convert it or choose another")
    separator = loaded.bos_token_id if loaded.bos_token_id is not None else loaded.eos_token_id
    if separator is None:
        raise PrefactorError(f"{where}: it has neither a bos nor an eos token to separate documents; choose another")
    files = _saved(loaded, trust, where)
    backend = Backend.from_str(files[TOKENIZER.name].decode("utf-8"))
    backend.no_truncation()
    backend.no_padding()
    if backend.encode(SAMPLE, add_special_tokens=False).ids != loaded(SAMPLE, add_special_tokens=False)["input_ids"]:
        raise PrefactorError(f"{where}: its tokenizer.json reads text in another way than it does; choose another")
    positions = positions_of(model)
    tokenizer = Tokenizer(backend, separator, _begins(loaded), files, positions)
    check_fits(tokenizer.vocabulary, block, embeddings_of(model), positions, of_model)
    if len(tokenizer.begins) >= block:
        raise PrefactorError(f"{where}: every block begins with {len(tokenizer.begins)} tokens; raise corpus.block")
    return tokenizer


def _cut(loaded: Any, vocabulary: int) -> Any:
    """``loaded`` without ids from ``vocabulary`` on: its conversion adds special tokens of GPT-2's that it may lack."""
    from transformers import AutoTokenizer

    state = json.loads(loaded.backend_tokenizer.to_str())
    own = [token for token in state["added_tokens"] if token["id"] < vocabulary]
    if own == state["added_tokens"]:
        return loaded
    with TemporaryDirectory() as name:
        loaded.save_pretrained(name)
        Path(name, TOKENIZER.name).write_text(json.dumps(state | {"added_tokens": own}), encoding="utf-8")
        return AutoTokenizer.from_pretrained(name, local_files_only=True)


def _begins(loaded: Any) -> tuple[int, ...]:
    """The ids that the tokenizer itself puts before every text: the model has hardly seen a text without them."""
    plain, whole = (loaded(SAMPLE, add_special_tokens=add)["input_ids"] for add in (False, True))
    starts = [i for i in range(len(whole) - len(plain) + 1) if whole[i : i + len(plain)] == plain]
    return tuple(whole[: starts[0]]) if starts else ()


def _saved(loaded: Any, trust: bool, where: str) -> dict[str, bytes]:
    """The files of ``loaded`` by name, from which ``AutoTokenizer`` makes the same tokenizer again."""
    from transformers import AutoTokenizer

    with TemporaryDirectory() as name:
        folder = Path(name)
        loaded.save_pretrained(folder)
        again = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust, local_files_only=True)
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    before, after = _facts(loaded), _facts(again)
    if differ := [key for key in before if before[key] != after[key]]:
        raise PrefactorError(
            f"{where}: its tokenizer cannot be kept as it is ({differ[0]} changes when it is saved); save it once with "
            "`AutoTokenizer.from_pretrained(...).save_pretrained(folder)`, see what differs, and name that folder"
        )
    return files


def _facts(tokenizer: Any) -> dict[str, Any]:
    """All that a tokenizer is asked for by those who use the model."""
    ids = tokenizer(SAMPLE)["input_ids"]
    return {
        "special tokens": tokenizer.special_tokens_map,
        "their ids": tokenizer.all_special_ids,
        "the chat template": tokenizer.chat_template,
        "the vocabulary": tokenizer.get_vocab(),
        "the added tokens": {i: str(token) for i, token in tokenizer.added_tokens_decoder.items()},
        "how it reads text": (ids, tokenizer(SAMPLE, add_special_tokens=False)["input_ids"]),
        "how it writes text": tokenizer.decode(ids),
        "its longest text": tokenizer.model_max_length,
        "its padding": (tokenizer.padding_side, tokenizer.truncation_side),
    }

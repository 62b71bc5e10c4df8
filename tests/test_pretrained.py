"""Models as people have them: read whole and kept as they are, or refused in one line with offender and remedy."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from prefactor.config.target import LoadTarget
from prefactor.errors import PrefactorError
from prefactor.model.load import load_target
from prefactor.model.pretrained import read_pretrained
from prefactor.model.target import logits_of
from prefactor.model.verified import check_saved
from tests.foreign import CONFIGS, VOCABULARY, foreign_model, leave

ROOT = Path(__file__).resolve().parent.parent
NAME = "params.yaml: target.model.name = "


def _load(folder: Path, **changes: Any) -> Any:
    return load_target(LoadTarget(source="load", name=str(folder), **changes), VOCABULARY, 32)


def _weights(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        save_file(change(tensors) or tensors, folder / "model.safetensors", {"format": "pt"})

    return spoil


def _config(**changes: Any) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / "config.json"
        value = json.loads(path.read_text()) | changes
        path.write_text(json.dumps({key: entry for key, entry in value.items() if entry != "gone"}))

    return spoil


def _bytes(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda folder: _put(folder / name, change((folder / name).read_bytes()))


def _put(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _saved(model: Callable[[], Any], **how: Any) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        shutil.rmtree(folder)
        model().save_pretrained(folder, **how)

    return spoil


def _adapter(beside_config: bool, base: str = "org/base") -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        wrapped = peft.get_peft_model(foreign_model(), peft.LoraConfig(r=2, target_modules=["q_proj"]))
        wrapped.peft_config["default"].base_model_name_or_path = base
        if not beside_config:
            shutil.rmtree(folder)
        wrapped.save_pretrained(str(folder))

    return spoil


def _wrapped(folder: Path) -> None:
    """As saved by mistake from a wrapped model: the base's keys under other names."""
    wrapped: Any = peft.get_peft_model(foreign_model(), peft.LoraConfig(r=2, target_modules=["q_proj"]))
    save_file({k: v.clone() for k, v in wrapped.base_model.model.state_dict().items()}, folder / "model.safetensors")


def _shards(folder: Path) -> None:
    _saved(foreign_model, max_shard_size="20KB")(folder)
    sorted(folder.glob("*.safetensors"))[1].unlink()


def _pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _nested(folder: Path) -> None:
    (folder / "checkpoint-500").mkdir()
    for path in [path for path in folder.iterdir() if path.is_file()]:
        path.rename(folder / "checkpoint-500" / path.name)


def _nan(tensors: dict[str, torch.Tensor]) -> None:
    tensors["model.layers.1.mlp.up_proj.weight"][3, 4] = float("nan")


SMALL: dict[str, Any] = {"vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4}
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
Q = "model.layers.0.self_attn.q_proj.weight"

SPOILT: dict[str, tuple[Callable[[Path], Any], str]] = {
    "an adapter": (_adapter(False), r"it holds an adapter of 'org/base' .*merge it into its base first"),
    "an adapter beside a model": (_adapter(True), r"it holds an adapter of 'org/base'"),
    "an adapter that names no base": (
        lambda f: _put(f / "adapter_config.json", b"{"), r"it holds an adapter \(adapter_config.json\)",
    ),
    "a wrapped model": (_wrapped, r"lacks 2 of the model's weights \(model.layers.0.self_attn.q_proj.weight\)"),
    "a matrix is missing": (_weights(lambda t: {k: v for k, v in t.items() if k != Q}), rf"lacks 1 .*\({Q}\)"),
    "the head is missing": (_weights(lambda t: {k: v for k, v in t.items() if k != "lm_head.weight"}), r"lacks 1"),
    "keys of another naming": (_weights(lambda t: {f"x.{k}": v for k, v in t.items()}), r"lacks 21 of the model's"),
    "no head was ever there": (_saved(lambda: foreign_model().model), r"lacks 1 .*, saved as LlamaModel"),
    "fewer layers by its config": (_config(num_hidden_layers=1, layer_types="gone"), r"no place for 9 .*layers.1."),
    "more layers by its config": (_config(num_hidden_layers=3, layer_types="gone"), r"lacks 9 .*model.layers.2."),
    "a bias nobody reads": (
        _weights(lambda t: t | {Q.replace("weight", "bias"): torch.ones(16)}), r"no place for 1 .*q_proj.bias",
    ),
    "another shape": (_config(intermediate_size=32), r"down_proj.weight is 16×24 in the checkpoint and 16×32 by its"),
    "another vocabulary": (_config(vocab_size=310), r"is 300×16 in the checkpoint and 310×16 by its config.json"),
    "quantised, without its library": (
        _config(quantization_config={"quant_method": "gptq", "bits": 4, "group_size": 128, "dataset": None}),
        r"it cannot be loaded \(.*\); .*not quantised",
    ),
    "quantised in four bits": (
        _config(quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True}), r"it cannot be loaded",
    ),
    "quantised, and nothing says so": (
        _weights(lambda t: {k.replace("q_proj.weight", "q_proj.qweight"): v for k, v in t.items()}), r"lacks 2 .*q_",
    ),
    "integers for weights": (
        _weights(lambda t: t | {Q: torch.ones(16, 16, dtype=torch.int8)}), r"q_proj.weight is stored as I8, and no",
    ),
    "eight bits a float": (
        lambda f: _weights(lambda t: t | {Q: t[Q].to(torch.float8_e4m3fn)})(f) or _config(quantization_config={
            "quant_method": "some-day"})(f), r"q_proj.weight is stored as F8_E4M3, and no known quantiser reads it",
    ),
    "a git-lfs pointer for weights": (
        _bytes("model.safetensors", lambda _: POINTER), r"model.safetensors is a git-lfs pointer.*`git lfs pull`",
    ),
    "a git-lfs pointer for the tokenizer": (
        _bytes("tokenizer.json", lambda _: POINTER), r"tokenizer.json is a git-lfs pointer",
    ),
    "a link to nothing": (
        lambda f: (f / "model.safetensors").unlink() or (f / "model.safetensors").symlink_to("../blobs/gone"),
        r"model.safetensors is a link to a file that is gone",
    ),
    "cut short": (_bytes("model.safetensors", lambda b: b[: len(b) // 2]), r"model.safetensors cannot be read \(.+\);"),
    "cut in its header": (_bytes("model.safetensors", lambda b: b[:50]), r"model.safetensors cannot be read"),
    "empty": (_bytes("model.safetensors", lambda _: b""), r"model.safetensors cannot be read \(it is empty\)"),
    "a page of HTML": (_bytes("model.safetensors", lambda _: b"<!DOCTYPE html>" * 99), r"safetensors cannot be read"),
    "no tensor in it": (_weights(lambda t: {"x": torch.zeros(1)}), r"lacks 21"),
    "a shard is missing": (_shards, r"1 of \d+ shards are missing \(model-00002-of-"),
    "an index of nothing": (
        lambda f: (f / "model.safetensors").unlink() or _put(f / "model.safetensors.index.json", b"{}"),
        r"model.safetensors.index.json lists no weights",
    ),
    "pickles only": (_pickled, r"its weights are pickles \(pytorch_model.bin\), which run code.*save_pretrained"),
    "another format": (lambda f: (f / "model.safetensors").rename(f / "model.h5"), r"no model.safetensors in it, only"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), r"there are no weights in it \(model.safetensors\)"),
    "no config": (lambda f: (f / "config.json").unlink(), r"there is no config.json in it; name the"),
    "one folder too high": (_nested, r"there is no config.json in it; did you mean .*/checkpoint-500\?"),
    "no model_type": (_config(model_type="gone"), r"its config.json has no model_type"),
    "an unknown model_type": (_config(model_type="llama9"), r"it cannot be loaded \(.*llama9.*\)"),
    "a config that is no JSON": (_bytes("config.json", lambda b: b[:-40]), r"config.json is no JSON"),
    "a config that is a list": (_bytes("config.json", lambda _: b"[]"), r"its config.json has no model_type"),
    "a config of nonsense": (_config(num_hidden_layers="two"), r"it cannot be loaded"),
    "T5": (_saved(lambda: transformers.T5ForConditionalGeneration(transformers.T5Config(
        vocab_size=VOCABULARY, d_model=16, d_kv=4, d_ff=24, num_layers=1, num_heads=4,
    ))), r"T5Config is of no causal language model"),
    "BART": (_saved(lambda: transformers.BartForConditionalGeneration(transformers.BartConfig(
        vocab_size=VOCABULARY, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=24, decoder_ffn_dim=24, max_position_embeddings=64,
    ))), r"BartForCausalLM, saved as BartForConditionalGeneration"),
    "BERT": (_saved(lambda: transformers.BertLMHeadModel(transformers.BertConfig(
        **SMALL, intermediate_size=24, max_position_embeddings=64, initializer_range=0.3,
    ))), r"BertLMHeadModel reads tokens that come later"),
    "RoBERTa": (_saved(lambda: transformers.RobertaForMaskedLM(transformers.RobertaConfig(
        **SMALL, intermediate_size=24, max_position_embeddings=64, initializer_range=0.3,
    ))), r"RobertaForCausalLM reads tokens that come later"),
    "CLIP": (_saved(lambda: transformers.CLIPTextModel(transformers.CLIPTextConfig(
        **SMALL, intermediate_size=24, max_position_embeddings=64,
    ))), r"CLIPTextConfig is of no causal language model"),
    "a classifier": (_saved(lambda: transformers.LlamaForSequenceClassification(CONFIGS["llama"]())),
                     r"lacks 1 .*saved as LlamaForSequenceClassification"),
    "one NaN": (_weights(_nan), r"model.layers.1.mlp.up_proj.weight has weights that are not finite"),
    "all NaN": (_weights(lambda t: {k: v * float("nan") for k, v in t.items()}), r"has weights that are not finite"),
    "infinities": (_weights(lambda t: {k: v / 0 for k, v in t.items()}), r"has weights that are not finite"),
    "code of its own": (
        _config(auto_map={"AutoConfig": "mine.Config", "AutoModelForCausalLM": "mine.Model"}, model_type="mine"),
        r"it brings code of its own\); read that code, and set trust_remote_code",
    ),
    "too few embeddings": (_saved(lambda: foreign_model(vocab_size=290)), r"up to 299, the model only 290 embeddings"),
    "too few positions": (_saved(lambda: foreign_model("gpt2", n_positions=16)), r"at most 16 .*corpus.block = 32"),
}  # fmt: skip


@pytest.mark.parametrize("what", list(SPOILT))
def test_what_is_no_whole_causal_language_model_is_refused_in_one_line(what: str, tmp_path: Path) -> None:
    spoil, said = SPOILT[what]
    folder = leave(tmp_path / "model")
    spoil(folder)
    with pytest.raises(PrefactorError, match=said) as raised:
        _load(folder)
    assert str(raised.value).startswith(NAME) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("/no/such/folder", "there is no such folder"),
        ("./models/mine", "there is no such folder"),
        ("~/models/mine", "there is no such folder"),
        ("a/b/c", "there is no such folder"),
        (str(ROOT / "README.md"), "it is a file; name the folder"),
        ("no-such-org/no-such-model", "it cannot be loaded"),
    ],
)
def test_a_name_of_nothing_is_one_line(name: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("transformers.utils.hub.is_offline_mode", lambda: True, raising=False)
    with pytest.raises(PrefactorError, match=re.escape(said)) as raised:
        load_target(LoadTarget(source="load", name=name), VOCABULARY, 32)
    assert str(raised.value).startswith(NAME) and "\n" not in str(raised.value)


def test_an_adapter_on_the_hub_is_refused_with_its_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}')
    found = "transformers.utils.peft_utils.find_adapter_config_file"
    monkeypatch.setattr(found, lambda name, revision: str(tmp_path / "adapter_config.json"))
    with pytest.raises(PrefactorError, match=r"'someone/adapter': it holds an adapter of 'org/base' .*merge it"):
        load_target(LoadTarget(source="load", name="someone/adapter"), VOCABULARY, 32)


@pytest.mark.parametrize("family", list(CONFIGS))
@pytest.mark.parametrize(
    "how", [{}, {"max_shard_size": "20KB"}, {"dtype": torch.bfloat16}], ids=["f32", "shards", "bf16"]
)
def test_whole_models_are_read_as_stock_transformers_reads_them(
    family: str, how: dict[str, Any], tmp_path: Path
) -> None:
    model, how = foreign_model(family), dict(how)
    folder = leave(tmp_path / "model", model.to(how.pop("dtype", torch.float32)), **how)
    assert len(list(folder.glob("*.safetensors"))) > 1 or "max_shard_size" not in how
    stock = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokens = torch.from_numpy(np.random.default_rng(0).integers(0, VOCABULARY, (2, 20)))
    assert torch.equal(logits_of(_load(folder), tokens), logits_of(stock, tokens))


def test_a_save_that_reads_back_as_another_model_is_an_error(tmp_path: Path) -> None:
    model = foreign_model()
    model.save_pretrained(tmp_path)
    check_saved(model, tmp_path)
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[0, 0] += 1e-3
    with pytest.raises(
        PrefactorError, match=r"does not read back as the same model \(model.layers.1.mlp.up_proj.weight di"
    ):
        check_saved(model, tmp_path)


def test_nothing_else_reads_models() -> None:
    """One reader: no other module of the library and the stages calls ``transformers`` for one."""
    sources = [path for room in ("prefactor", "stages", "flows") for path in (ROOT / room).rglob("*.py")]
    reading = [path for path in sources if re.search(r"AutoModel\w*\.from_pretrained\(", path.read_text("utf-8"))]
    assert [path.name for path in reading if "model_folder" not in path.name] == ["pretrained.py"]
    with pytest.raises(PrefactorError, match="there is no such folder"):
        read_pretrained(Path("/nowhere/at/all"), "x")

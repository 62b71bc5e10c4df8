"""What is written for others and for later stages reads back as what was meant, code that a model brings included."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from prefactor.config.corpus import TargetTokenizer
from prefactor.config.target import LoadTarget
from prefactor.corpus.target_tokenizer import of_target
from prefactor.corpus.tokenizer_file import write_tokenizer
from prefactor.errors import PrefactorError
from prefactor.export import adapter, written
from prefactor.export.adapter import write_adapter, write_merged
from prefactor.export.checkpoint_stack import pop, push
from prefactor.files.artifacts import read_json
from prefactor.model.change import Change, applied
from prefactor.model.load import load_target, save_target
from prefactor.model.matrices import matrices, shape_of
from prefactor.model.pretrained import read_pretrained
from prefactor.model.target import logits_of, read_target
from prefactor.model.verified import sample_tokens
from tests.foreign import CONFIGS, VOCABULARY, foreign_model, foreign_tokenizer, leave

CODE = """
from transformers import LlamaConfig, LlamaForCausalLM

class MyConfig(LlamaConfig):
    model_type = "mine"

class MyModel(LlamaForCausalLM):
    config_class = MyConfig

    def forward(self, *args, **kwargs):
        output = super().forward(*args, **kwargs)
        output.logits = 2 * output.logits
        return output
"""


def _change(target: Any, rank: int = 2) -> Change:
    torch.manual_seed(1)
    shapes = {name: shape_of(matrix) for name, matrix in matrices(target).items()}
    return {name: (torch.randn(rank, d_in), torch.randn(d_out, rank)) for name, (d_out, d_in) in shapes.items()}


@pytest.fixture(params=list(CONFIGS))
def target(request: pytest.FixtureRequest) -> Any:
    return foreign_model(request.param).requires_grad_(False)


def test_an_adapter_is_tried_on_the_target_and_leaves_no_trace_on_it(target: Any, tmp_path: Path) -> None:
    next(target.parameters()).requires_grad_(True)
    modules, tokens = dict(target.named_modules()), sample_tokens(target)
    before, known = logits_of(target, tokens).detach(), set(vars(target))
    for name in ("a", "b"):
        write_adapter(tmp_path / name, target, _change(target), "base", "card")
    assert dict(target.named_modules()) == modules and set(vars(target)) == known
    assert [parameter.requires_grad for parameter in target.parameters()] == [True] + [False] * (
        len(list(target.parameters())) - 1
    )
    assert torch.equal(logits_of(target, tokens), before)


def _scaled(folder: Path) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"alpha_pattern": {}, "lora_alpha": 1, "r": 1}))


def _halved(folder: Path) -> None:
    tensors = load_file(folder / "adapter_model.safetensors")
    save_file({k: v / 2 if "lora_A" in k else v for k, v in tensors.items()}, folder / "adapter_model.safetensors")


def _renamed(folder: Path) -> None:
    tensors = load_file(folder / "adapter_model.safetensors")
    save_file({k.replace("layers.1", "layers.9"): v for k, v in tensors.items()}, folder / "adapter_model.safetensors")


@pytest.mark.parametrize("spoil", [_scaled, _halved, _renamed])
def test_an_adapter_that_is_another_model_to_peft_is_an_error(
    spoil: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(folder: Path, target: Any, change: Change) -> None:
        spoil(folder)
        written.check_adapter(folder, target, change)

    monkeypatch.setattr(adapter, "check_adapter", check)
    target = foreign_model()
    with pytest.raises(PrefactorError, match=r"read by peft, the adapter makes another model than the edit"):
        write_adapter(tmp_path, target, _change(target), "base", "card")


def test_a_merged_checkpoint_is_the_edited_model_bit_for_bit(target: Any, tmp_path: Path) -> None:
    leave(tmp_path / "base", target)
    change, tokens = _change(target), sample_tokens(target)
    write_merged(tmp_path / "merged", target, change, tmp_path / "base", "card")
    with applied(target, change):
        assert torch.equal(logits_of(read_target(tmp_path / "merged"), tokens), logits_of(target, tokens))


def test_a_merged_checkpoint_that_lost_its_edit_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = foreign_model().requires_grad_(False)
    leave(tmp_path / "base", target)
    kept = target.state_dict()
    monkeypatch.setattr(adapter, "copy_beside_weights", lambda a, b: target.save_pretrained(b, state_dict=first))
    first = {key: value.clone() for key, value in kept.items()}
    with pytest.raises(PrefactorError, match=r"does not read back as the same model \(model.layers.0.self_attn.q_proj"):
        write_merged(tmp_path / "merged", target, _change(target), tmp_path / "base", "card")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_edits_on_a_checkpoint_read_back_and_come_off(target: Any, dtype: torch.dtype, tmp_path: Path) -> None:
    leave(tmp_path / "copy", target.to(dtype))
    before = {path.name: load_file(path) for path in (tmp_path / "copy").glob("*.safetensors")}
    push(tmp_path / "copy", "one", _change(target))
    assert pop(tmp_path / "copy") == "one"
    for name, tensors in before.items():
        after = load_file(tmp_path / "copy" / name)
        assert after.keys() == tensors.keys() and all(torch.equal(after[key], tensors[key]) for key in tensors)
    with pytest.raises(PrefactorError, match="it holds an adapter"):
        (tmp_path / "copy" / "adapter_config.json").write_text("{}")
        push(tmp_path / "copy", "one", _change(target))


@pytest.fixture
def brings_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model and a tokenizer whose classes lie beside the weights; a question on the terminal fails the test."""
    monkeypatch.setattr("builtins.input", lambda *words: pytest.fail(f"asked: {words}"))
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = leave(tmp_path / "model")
    (folder / "modeling_mine.py").write_text(CODE)
    (folder / "tokenization_mine.py").write_text(
        "from transformers import PreTrainedTokenizerFast\n\nclass MyTokenizer(PreTrainedTokenizerFast):\n    pass\n"
    )
    for name, more in {
        "config.json": {"model_type": "mine", "auto_map": {
            "AutoConfig": "modeling_mine.MyConfig", "AutoModelForCausalLM": "modeling_mine.MyModel"}},
        "tokenizer_config.json": {"tokenizer_class": "MyTokenizer", "auto_map": {
            "AutoTokenizer": [None, "tokenization_mine.MyTokenizer"]}},
    }.items():  # fmt: skip
        (folder / name).write_text(json.dumps(json.loads((folder / name).read_text()) | more))
    return folder


def test_code_that_params_trust_is_kept_and_reaches_every_reader(brings_code: Path, tmp_path: Path) -> None:
    words: dict[str, Any] = {"name": str(brings_code), "trust_remote_code": True}
    tokenizer = of_target(TargetTokenizer(source="target", **words), 32)
    write_tokenizer(tmp_path / "corpus", tokenizer.backend, tokenizer.files)
    model = load_target(LoadTarget(source="load", **words), VOCABULARY, 32)
    assert type(model).__name__ == "MyModel"
    checkpoint = tmp_path / "checkpoint"
    save_target(model, tmp_path / "corpus", checkpoint, trust_remote_code=True)
    assert read_json(checkpoint / "manifest.json")["about"] == {"trust_remote_code": True}
    shutil.rmtree(brings_code)
    shutil.rmtree(tmp_path / "modules")
    target, tokens = read_target(checkpoint), sample_tokens(model)
    assert torch.equal(logits_of(target, tokens), logits_of(model, tokens))
    write_adapter(tmp_path / "adapter", target, _change(target), "base", "card")
    write_merged(tmp_path / "merged", target, _change(target), checkpoint, "card")
    assert type(read_pretrained(tmp_path / "merged", "x", trust_remote_code=True)).__name__ == "MyModel"
    assert type(AutoTokenizer.from_pretrained(tmp_path / "merged", trust_remote_code=True)).__name__ == "MyTokenizer"
    shutil.copytree(checkpoint, tmp_path / "copy")
    with pytest.raises(PrefactorError, match="it brings code of its own"):
        push(tmp_path / "copy", "one", _change(target))
    push(tmp_path / "copy", "one", _change(target), trust_remote_code=True)
    assert pop(tmp_path / "copy", trust_remote_code=True) == "one"
    with (checkpoint / "modeling_mine.py").open("a") as file:
        file.write("\n")
    with pytest.raises(PrefactorError, match=r"modeling_mine.py is damaged"):
        read_target(checkpoint)


@pytest.mark.parametrize("part", ["corpus", "target", "manifest"])
def test_code_that_nobody_trusts_never_runs_and_nobody_is_asked(brings_code: Path, part: str, tmp_path: Path) -> None:
    (brings_code / "modeling_mine.py").write_text("raise SystemExit('it ran')")
    (brings_code / "tokenization_mine.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(PrefactorError, match="it brings code of its own") as raised:
        if part == "corpus":
            of_target(TargetTokenizer(source="target", name=str(brings_code)), 32)
        elif part == "target":
            load_target(LoadTarget(source="load", name=str(brings_code)), VOCABULARY, 32)
        else:
            (brings_code / "manifest.json").write_text(json.dumps({"files": {}, "about": {"trust_remote_code": "no"}}))
            read_target(brings_code)
    assert "\n" not in str(raised.value)


def test_a_trained_tokenizers_checkpoint_has_its_separator_as_bos_and_eos(tmp_path: Path) -> None:
    backend = foreign_tokenizer().backend_tokenizer
    write_tokenizer(tmp_path / "corpus", backend)
    save_target(foreign_model(), tmp_path / "corpus", tmp_path / "checkpoint")
    loaded = AutoTokenizer.from_pretrained(tmp_path / "checkpoint")
    assert (loaded.bos_token_id, loaded.eos_token_id) == (0, 0)

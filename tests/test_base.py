"""What an adapter says of the model that it belongs to."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from prefactor.errors import PrefactorError
from prefactor.export.base import base_of
from prefactor.files.artifacts import write_json, write_manifest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("model", "name", "revision"),
    [
        ({"source": "load", "name": "some/model", "revision": "abc"}, "some/model", "abc"),
        ({"source": "load", "name": "some/model"}, "some/model", None),
        ({"source": "load", "name": "{here}/mine"}, None, None),  # a folder is known on this machine only
        ({"source": "load", "name": "mine"}, None, None),  # so written in params, it is the project's
        ({"source": "load", "name": "some/model", "file": "q4.gguf"}, None, None),  # dequantised on this machine
        ("trained", None, None),
        ("no params", None, None),
        ("broken params", None, None),
    ],
)
def test_a_name_that_holds_elsewhere_or_the_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Any, name: str | None, revision: str | None
) -> None:
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    (tmp_path / "mine").mkdir()
    if isinstance(model, dict):
        params["target"]["model"] = model | {"name": model["name"].format(here=tmp_path)}
    if model != "no params":
        text = (tmp_path / "params.yaml").open("w")
        YAML().dump(params, text) if model != "broken params" else text.write("a: [")
        text.close()
    checkpoint = tmp_path / "data" / "target" / "checkpoint"
    with pytest.raises(PrefactorError, match=r"manifest\.json is missing"):
        base_of(checkpoint)
    write_json(checkpoint / "model.safetensors", {})
    write_json(checkpoint / "config.json", {})
    write_manifest(checkpoint, ["model.safetensors", "config.json"])
    monkeypatch.chdir(tmp_path)
    base = base_of(Path("data/target/checkpoint"))
    assert (base.name, base.revision) == (name or checkpoint.resolve().as_posix(), revision)
    monkeypatch.chdir(tmp_path / "mine")  # and from wherever it is asked
    assert base_of(checkpoint) == base
    assert list(base.weights) == ["model.safetensors"] and base.weights["model.safetensors"] in base.said

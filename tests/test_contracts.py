"""The check of ``docs/contracts.md`` can fail: on small made-up trees, each wrong in one place."""

import json
import re
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from safetensors.numpy import save_file

from tests.contracts import EVERYWHERE, check, read_page

ROOT = Path(__file__).resolve().parent.parent
PAGE = """# Contracts

What is said here is no table: | `nothing` | `string` | at all |

## `data/corpus/metrics.json`

Written by corpus, read by nobody. `quoted` in a sentence is no key.

| key | type | unit and meaning |
|---|---|---|
| `domains[]` | string | |
| `loss.<domain>.<bound>` | number | nats |
| `guard` | object or null | |
| `guard.kind` | string | |
| `guard.spare[]` (optional) | string | |
| `rows[].name`, `rows[].word` | string | |
| `rows[].score` | number or null | |
| `bad` | object | |
| `bad.<reason>` (optional) | integer | |

`<bound>` is one of `low`, `high`.

## `data/corpus/<split>/blocks.parquet`

| column | type | unit and meaning |
|---|---|---|
| `tokens` | `fixed_size_list<element: int32>[<block>]` | |
| `share_<domain>` | `double` | |
| `together` (optional) | `list<element: string>` | |

## `data/fit/a.safetensors` and `data/fit/b.safetensors`

| tensor | type | unit and meaning |
|---|---|---|
| `U.<module>` | float32 (C, d_out) | |

## `data/report/frontier.csv`

| column | type | unit and meaning |
|---|---|---|
| `edit` | string | |
| `budget` | integer | |
| `damage` | number or null | |

## `data/fit/live/` (optional)

## `data/check/<stage>.txt`
"""
METRICS: dict[str, Any] = {
    "domains": ["de", "en"],
    "loss": {"de": {"low": 1, "high": 2.5}, "en": {"low": 0.5, "high": 2.5}},
    "guard": None,
    "rows": [],
    "bad": {},
}
ROW = {"name": "a", "word": "b", "score": None}
CSV = "edit,budget,damage\nscalar,1,0.5\nscalar,2,\n"


def blocks(**other: pa.Array) -> pa.Table:
    tokens = pa.FixedSizeListArray.from_arrays(pa.array([1, 2, 3], pa.int32()), 3)
    columns = {"tokens": tokens, "share_de": pa.array([0.5]), "share_en": pa.array([0.5])}
    return pa.table({name: column for name, column in {**columns, **other}.items() if len(column)})


def metrics(data: Path, **other: Any) -> None:
    (data / "corpus/metrics.json").write_text(
        json.dumps({k: v for k, v in {**METRICS, **other}.items() if v is not ...})
    )


def tensors(path: Path, **named: np.ndarray) -> None:
    save_file(named or {"U.layers.0.up": np.zeros((2, 3), np.float32)}, path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    for folder in ("corpus/train", "corpus/eval", "fit", "report", "check"):
        (data / folder).mkdir(parents=True)
    metrics(data)
    for split in ("train", "eval"):
        pq.write_table(blocks(), data / "corpus" / split / "blocks.parquet")
        (data / "corpus" / split / "manifest.json").write_text("{}")
    for name in ("a", "b"):
        tensors(data / "fit" / f"{name}.safetensors")
    (data / "report/frontier.csv").write_text(CSV)
    (data / "check/corpus.txt").write_text("abc\n")
    (data / ".gitignore").write_text("/corpus\n")
    return data


def complaints(data: Path, page: str = PAGE) -> list[str]:
    path = data.parent / "page.md"
    path.write_text(page)
    return check(data.parent, path)


def test_what_agrees_is_let_be(data: Path) -> None:
    assert complaints(data) == []
    metrics(data, guard={"kind": "domain", "spare": ["en"]}, rows=[ROW, {**ROW, "score": 1}], bad={"null": 3})
    (data / "fit/live/plots").mkdir(parents=True)
    (data / "fit/live/plots/loss.tsv").write_text("1")
    pq.write_table(blocks(together=pa.array([["a"]])), data / "corpus/eval/blocks.parquet")
    assert complaints(data) == []


EVAL = "data/corpus/eval/blocks.parquet"
SAID = "fixed_size_list<element: int32>[<block>]"
FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a missing column": (
        lambda data: pq.write_table(blocks(share_en=pa.array([])), data.parent / EVAL),
        f"{EVAL}: it lacks share_en, which the page has",
    ),
    "a column too many": (
        lambda data: pq.write_table(blocks(share_fr=pa.array([0.5])), data.parent / EVAL),
        f"{EVAL}: it has share_fr, which the page lacks",
    ),
    "a column of another type": (
        lambda data: pq.write_table(blocks(tokens=pa.array([[1]], pa.list_(pa.int64()))), data.parent / EVAL),
        f"{EVAL}: tokens is list<element: int64>, the page says {SAID}",
    ),
    "an optional column of another type": (
        lambda data: pq.write_table(blocks(together=pa.array(["a"])), data.parent / EVAL),
        f"{EVAL}: together is string, the page says list<element: string>",
    ),
    "a missing key": (
        lambda data: metrics(data, loss={"de": {"low": 1, "high": 1}, "en": {"low": 1}}),
        "data/corpus/metrics.json: it lacks loss.en.high, which the page has",
    ),
    "a missing object": (
        lambda data: metrics(data, bad=...),
        "data/corpus/metrics.json: it lacks bad, which the page has",
    ),
    "a key too many": (
        lambda data: metrics(data, rows=[{**ROW, "more": 1}]),
        "data/corpus/metrics.json: it has rows[].more, which the page lacks",
    ),
    "an empty list too many": (
        lambda data: metrics(data, more=[]),
        "data/corpus/metrics.json: it has more, which the page lacks",
    ),
    "a key missing where its object is filled": (
        lambda data: metrics(data, guard={"spare": ["en"]}),
        "data/corpus/metrics.json: it lacks guard.kind, which the page has",
    ),
    "a value of another type": (
        lambda data: metrics(data, rows=[ROW, {**ROW, "word": None}]),
        "data/corpus/metrics.json: rows[].word is null, the page says string",
    ),
    "a tensor of another shape": (
        lambda data: tensors(data / "fit/b.safetensors", **{"U.x": np.zeros(3, np.float32)}),
        "data/fit/b.safetensors: U.x is float32 (3,), the page says float32 (C, d_out)",
    ),
    "a tensor too many": (
        lambda data: tensors(data / "fit/b.safetensors", **dict.fromkeys(("U.x", "V.x"), np.zeros((2, 3), np.float32))),
        "data/fit/b.safetensors: it has V.x, which the page lacks",
    ),
    "a column of a CSV file that is renamed": (
        lambda data: (data / "report/frontier.csv").write_text(CSV.replace("damage", "harm")),
        "data/report/frontier.csv: it lacks damage, which the page has",
    ),
    "a cell of another type": (
        lambda data: (data / "report/frontier.csv").write_text(CSV.replace(",2,", ",,")),
        "data/report/frontier.csv: budget is null, the page says integer",
    ),
    "a file that the page lacks": (
        lambda data: (data / "fit/more.json").write_text("{}"),
        "data/fit/more.json: the page has nothing for it",
    ),
    "a file that nothing wrote": (
        lambda data: (data / "check/corpus.txt").unlink(),
        "data/check/<stage>.txt: the page has it, and nothing wrote it",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_differs_is_told(data: Path, fault: str) -> None:
    spoil, told = FAULTS[fault]
    spoil(data)
    assert told in complaints(data)


def test_a_file_has_one_heading(data: Path) -> None:
    assert complaints(data, f"{PAGE}\n## `data/check/corpus.txt`\n") == [
        "data/check/corpus.txt: the page has data/check/<stage>.txt and data/check/corpus.txt for it",
    ]


def test_a_key_may_be_left_out_where_another_file_has_it(data: Path) -> None:
    page = f"{PAGE}\n## `data/edit/<edit>/edit.json`\n\n| key | type | |\n|---|---|---|\n| `a`, `b` | integer | |\n"
    for name, text in {"x": '{"a": 1}', "y": '{"b": 1}'}.items():
        (data / "edit" / name).mkdir(parents=True)
        (data / "edit" / name / "edit.json").write_text(text)
    assert complaints(data, page) == []
    (data / "edit/x/edit.json").write_text("{}")
    assert complaints(data, page) == ["data/edit/<edit>/edit.json: it lacks a, which the page has"]


def test_the_page_has_every_output_of_dvc_and_no_other() -> None:
    page = read_page((ROOT / "docs/contracts.md").read_text(encoding="utf-8"))
    stages = [
        one.get("do", one) for one in yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"].values()
    ]
    outputs = {
        out.replace("${key}", "x")
        for one in stages
        for kind in ("outs", "metrics", "plots")
        for out in one.get(kind, [])
    }
    outputs = {out for out in outputs if not out.endswith(EVERYWHERE)} | {
        "data/corpus/lexicon",
        "data/label/overrides.yaml",
    }
    lie_in = {pattern: [out for out in outputs if _lies_in(pattern, out)] for pattern in page}
    assert [pattern for pattern, outs in lie_in.items() if not outs] == []
    assert outputs - {out for outs in lie_in.values() for out in outs} == set()


def _lies_in(pattern: str, out: str) -> bool:
    """Whether what is written at ``pattern`` is ``out``, or in it."""
    parts = accumulate(pattern.strip("/").split("/"), "{}/{}".format)
    return any(re.fullmatch(re.sub(r"<\w+>", "[^/]+", part), out) for part in parts)

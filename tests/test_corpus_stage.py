"""The stage as a whole, on files and on a data set folder."""

import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from prefactor.config.corpus import SPLITS
from prefactor.corpus.blocks import read_blocks
from prefactor.corpus.tokenizer_file import read_tokenizer
from prefactor.errors import PrefactorError
from stages import corpus
from tests.foreign import foreign_tokenizer, leave

WORDS = {"en": "the house is old and green", "de": "das Haus ist alt und grün"}


def params(text: dict) -> dict:
    return {
        "corpus": {
            "text": text,
            "seed": 0,
            "characters": 40_000,
            "shares": {"en": 0.6, "de": 0.4},
            "tokenizer": {"source": "train", "vocabulary": 270},
            "block": 16,
            "splits": {"train": 0.6, "harvest": 0.1, "select": 0.1, "fit": 0.1, "eval": 0.1},
            "max_bad_rows": 0.01,
        }
    }


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A working directory with text of both domains; what it yields sets the params and runs the stage."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.SLEEP_TIME_ON_THREADS_SHUTDOWN", 0)
    rng = random.Random(0)
    for domain, words in WORDS.items():
        texts = [" ".join(rng.choices(words.split(), k=20)) for _ in range(400)]
        (tmp_path / domain).mkdir()
        pq.write_table(pa.table({"text": [*texts, "", texts[0]]}), tmp_path / domain / "train.parquet")

    def run(text: dict, **changes) -> dict[str, bytes]:
        values = params(text)
        values["corpus"].update(changes)
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
        corpus.main()
        folder = tmp_path / "data" / "corpus"
        files = (path for path in folder.rglob("*") if path.is_file() and path.name != "cost.json")
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    return run


FILES = {"source": "files", "files": [{"path": domain, "domain": domain} for domain in WORDS]}
HUB = {"source": "hub", "sets": [{"name": f"./{domain}", "domain": domain} for domain in WORDS]}


@pytest.mark.parametrize("text", [FILES, HUB], ids=["files", "hub"])
def test_equal_params_give_equal_bytes_and_metrics_count_what_is_there(work, text, tmp_path, capsys):
    first = work(text)
    assert work(text) == first
    metrics = json.loads(first["metrics.json"])
    folder = tmp_path / "data" / "corpus"

    tokenizer = read_tokenizer(folder)
    assert tokenizer.get_vocab_size() == metrics["vocabulary"] == 270
    assert (metrics["separator"], metrics["separator_token"], metrics["domains"]) == (0, "<s>", ["en", "de"])
    seen: set[str] = set()
    for split in SPLITS:
        blocks = read_blocks(folder, split)
        assert {d: blocks.of(d).tokens.size for d in WORDS} == metrics["tokens"][split]
        ids = {i for documents in blocks.documents for i in documents}
        assert not ids & seen
        seen |= ids
        for domain, words in WORDS.items():
            decoded = tokenizer.decode(blocks.of(domain).tokens[0].tolist(), skip_special_tokens=False)
            pieces = decoded.replace("<s>", " ").split()[1:-1]  # the first and last word may be cut
            assert set(pieces) <= set(words.split()), "blocks hold text of their own domain"
    if text is FILES:
        assert (metrics["rows"], metrics["bad_rows"]) == (804, {"duplicate": 2, "empty": 2})
        assert "left out 4 of 804 rows: duplicate 2, empty 2" in capsys.readouterr().err


def test_another_seed_gives_other_blocks(work):
    assert work(FILES)["fit/blocks.parquet"] != work(FILES, seed=1)["fit/blocks.parquet"]


def test_an_error_leaves_what_was_there(work):
    before = work(FILES)
    with pytest.raises(PrefactorError, match=r"corpus\.characters = 4000000: domain en"):
        work(FILES, characters=4_000_000)
    with pytest.raises(PrefactorError, match=r"max_bad_rows = 0\.0: 2 of 804 rows"):
        work(FILES, max_bad_rows=0.0)
    assert {name: (corpus.FOLDER / name).read_bytes() for name in before} == before


def test_a_loaded_targets_tokens_begin_every_block_and_its_files_are_kept(work, tmp_path):
    leave(tmp_path / "model", tokenizer=foreign_tokenizer(begins=True))
    first = work(FILES, tokenizer={"source": "target", "name": "model"}, block=32)
    metrics = json.loads(first["metrics.json"])
    assert (metrics["separator_token"], metrics["vocabulary"], metrics["positions"]) == ("<bos>", 297, 64)
    assert {"tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json", "tokenizer/chat_template.jinja"} <= set(
        first
    )
    for split in SPLITS:
        tokens = read_blocks(tmp_path / "data" / "corpus", split).tokens
        assert (tokens[:, 0] == metrics["separator"]).all() and (tokens[:, 1] != metrics["separator"]).any()
    with pytest.raises(PrefactorError, match=r"at most 64 tokens, and corpus.block = 128"):
        work(FILES, tokenizer={"source": "target", "name": "model"}, block=128)

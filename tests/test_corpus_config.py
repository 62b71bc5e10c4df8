import copy

import pytest
from pydantic import TypeAdapter

from prefactor.config.base import parse
from prefactor.config.corpus import CorpusConfig
from prefactor.errors import ParamsError

GOOD = {
    "text": {"source": "generated", "zipf": 1.0, "quote_rate": 0.03, "chat_rate": 0.15},
    "seed": 0,
    "characters": 1000,
    "shares": {"en": 0.5, "de": 0.5},
    "tokenizer": {"source": "train", "vocabulary": 300},
    "block": 16,
    "splits": {"train": 0.6, "harvest": 0.1, "select": 0.1, "fit": 0.1, "eval": 0.1},
    "max_bad_rows": 0.01,
}
FILES = {"source": "files", "files": [{"path": "a", "domain": "en"}, {"path": "b", "domain": "de", "split": "eval"}]}


def load(**changes) -> CorpusConfig:
    return parse(TypeAdapter(CorpusConfig), {**copy.deepcopy(GOOD), **changes}, "corpus")


def files(*sets: dict) -> dict:
    return {"source": "files", "files": list(sets)}


def hub(*domains: str) -> dict:
    return {"source": "hub", "sets": [{"name": "wiki", "domain": domain} for domain in domains]}


def splits(**changes: float) -> dict:
    return {**GOOD["splits"], **changes}


def test_good_params_load():
    assert load().domains == ("en", "de")
    assert load(text=FILES).pinned == {"eval"}
    assert load(text=FILES, splits=splits(eval=0, train=0.7)).splits["eval"] == 0
    assert load(text=hub("de", "en")).text.source == "hub"
    assert load(tokenizer={"source": "target", "name": "models/base"}).tokenizer.source == "target"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shares": {"en": 0.5, "de": 0.4}}, r"corpus\.shares.* sum to 0\.9; make them sum to 1"),
        ({"shares": {"en": 1.5, "de": -0.5}}, "share of de is -0.5; make it positive"),
        ({"shares": {"en": 0.5, "nl": 0.5}}, "generated text has no 'nl', only en, de, fr, es, it"),
        ({"splits": {"train": 1.0}}, r"corpus\.splits.* name each of train, harvest, select, fit, eval"),
        ({"splits": splits(eval=0, train=0.7)}, "share of eval is 0.0; make it positive"),
        ({"splits": splits(eval=0.2)}, "sum to 1.1"),
        ({"text": files({"path": "a"})}, "a: give exactly one of domain and domain_column"),
        ({"text": files({"path": "a", "domain": "en", "domain_column": "x"})}, "exactly one of domain"),
        ({"text": files({"path": "a", "domain": "nl"})}, "the domain 'nl', which has no share"),
        ({"text": files({"path": "a", "domain": "en", "split": "test"})}, "no split 'test'; name one of train"),
        ({"text": files({"path": "a", "domain": "en", "split": "fit"})}, "none is for train, harvest, select, eval"),
        ({"text": files()}, "at least 1 item"),
        ({"text": hub("en")}, "is for en; give each domain of the shares one entry"),
        ({"text": hub("en", "de", "de")}, "is for en, de, de; give each domain"),
        ({"tokenizer": {"source": "target"}}, r"corpus\.tokenizer\.name"),
        ({"tokenizer": {"source": "train", "vocabulary": 257}}, "greater than or equal to 258"),
        ({"blocks": 16}, r"corpus\.blocks"),
    ],
)
def test_a_mistake_is_one_line_with_key_and_remedy(changes, message):
    with pytest.raises(ParamsError, match=message) as raised:
        load(**changes)
    assert "\n" not in str(raised.value)


def test_text_without_a_split_of_its_own_is_hashed():
    pinned = [{"path": s, "domain": "en", "split": s} for s in GOOD["splits"]]
    assert load(text=files(*pinned)).pinned == set(GOOD["splits"])
    assert not load(text=files(*pinned)).hashed
    assert load(text=files(*pinned, {"path": "rest", "domain": "en"})).hashed


def test_an_unseen_domain_may_have_a_file_that_is_called_so():
    own = {"path": "a", "domain": "nl", "split": "eval"}
    rest = {"path": "b", "domain_column": "x"}
    assert load(text=files(own, rest), unseen=["nl"]).domains_of("eval")[-1] == "nl"
    with pytest.raises(ParamsError, match="the domain 'nl', which has no share"):
        load(text=files(own | {"split": "fit"}, rest | {"split": "eval"}, rest), unseen=["nl"])

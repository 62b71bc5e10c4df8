"""Hundreds of queries, right and wrong: each parses or is refused in one line, and means what it says."""

import math
import operator
from typing import Any

import pandas as pd
from hypothesis import assume, given
from hypothesis import strategies as st

from prefactor.config.names import domain_name, told_apart
from prefactor.config_check.domains import check_domains_in_labels
from prefactor.corpus.languages import one_word
from prefactor.errors import PrefactorError
from prefactor.label.about import text_of
from prefactor.query.parse import parse_query
from prefactor.query.words import query_for
from tests.malformed import SAME, accepted_or_refused

DOMAINS = ["de", "it", "code review", "d'ivoire", "a/b", "x=1", "(odd)", "C++", "français", "or"]
PIECES = st.sampled_from(
    ["label", "module", "density", "domain.de", 'domain."code review"', "domain.", 'causal."', "lable", "firings", "~",
     "!~", "=", "!=", "<", ">=", "!", "(", ")", "and", "or", "not", "AND", '"a b"', "'x'", '"', "'", "\\", "german",
     "-english", "0.5", "nan", "1e999", "٣", "(?P<", "a{99999999999}", "\n", "\0", "\ud800", "💥", "<s>", " "]
)  # fmt: skip


@SAME
@given(st.one_of(*(st.lists(PIECES, max_size=12).map(between.join) for between in ("", " ")), st.text(max_size=40)))
def test_any_text_parses_or_is_refused_in_one_line(text: str) -> None:
    with accepted_or_refused():
        query = parse_query(text)
        row = dict.fromkeys(query.columns, 0.5) | {"label": "x", "labeller": "x", "module": "x"}
        assert isinstance(query.holds(row), bool) and query.explain(row)


@SAME
@given(st.sampled_from(["(", "not ", "not (", "(("]), st.integers(1, 5000))
def test_nesting_parses_or_is_refused_in_one_line(opening: str, times: int) -> None:
    with accepted_or_refused():
        parse_query(opening * times + "norm > 1" + ")" * times)


SIGNS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "!=": operator.ne}
FIGURES = st.sampled_from([0.0, 0.25, 0.5, 1.0, -1.0])
CLAUSES = st.one_of(
    st.tuples(st.sampled_from(["density", "norm", "score"]), st.sampled_from(list(SIGNS)), FIGURES),
    st.tuples(st.sampled_from([f'domain."{domain}"' for domain in DOMAINS]), st.sampled_from(list(SIGNS)), FIGURES),
    st.tuples(st.just("label"), st.sampled_from(["~", "!~"]), st.sampled_from(["german", "french", "german text"])),
)
TREES = st.recursive(
    CLAUSES,
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
    ),
    max_leaves=8,
)
ROWS = st.fixed_dictionaries(
    {column: st.one_of(FIGURES, st.just(math.nan)) for column in ("density", "norm", "score")}
    | {f"share_{domain}": st.one_of(FIGURES, st.just(math.nan)) for domain in DOMAINS}
    | {"label": st.sampled_from(["German text", "French text", "text: (German)", "", None])}
)


def written(tree: Any) -> str:
    if tree[0] == "not":
        return f"not ({written(tree[1])})"
    if tree[0] in ("and", "or"):
        return f" {tree[0]} ".join(f"({written(part)})" for part in tree[1])
    return f'{tree[0]} {tree[1]} "{tree[2]}"' if tree[0] == "label" else f"{tree[0]} {tree[1]} {tree[2]}"


def true(tree: Any, row: dict[str, Any], turned: bool = False) -> bool:
    """By the rule, worked out another way: what is not known passes neither a comparison nor its negation."""
    if tree[0] == "not":
        return true(tree[1], row, not turned)
    if tree[0] in ("and", "or"):
        return (all if (tree[0] == "and") != turned else any)([true(part, row, turned) for part in tree[1]])
    field, sign, value = tree
    if field == "label":
        has = row["label"] and set(value.split()) <= {word.strip(":()") for word in row["label"].lower().split()}
        return bool(row["label"]) and bool(has) == ((sign == "~") != turned)
    figure = row[f"share_{field[8:-1]}" if field.startswith("domain") else field]
    return not math.isnan(figure) and SIGNS[sign](figure, value) != turned


@SAME
@given(TREES, st.lists(ROWS, min_size=1, max_size=5))
def test_a_query_matches_the_rows_for_which_it_is_true(tree: Any, rows: list[dict[str, Any]]) -> None:
    found = parse_query(written(tree)).matches(pd.DataFrame(rows))
    assert found.tolist() == [true(tree, row) for row in rows]


TAGS = st.sampled_from([*DOMAINS, "en", "text", "not", "<10k", "-x", "a:b", "~", "label", "score>3", "Code Review"])
SOME = st.lists(st.one_of(TAGS, st.text(max_size=6)), min_size=2, max_size=5)


@SAME
@given(SOME)
def test_domains_that_are_accepted_can_be_asked_for(tags: list[str]) -> None:
    try:
        domains = list(dict.fromkeys(domain_name(tag) for tag in tags))
        told_apart(domains)
        check_domains_in_labels(domains)
    except (ValueError, PrefactorError) as error:
        assert len(str(error).splitlines()) == 1
        assume(False)
    for domain in domains:
        words = {other: one_word(other).lower() for other in domains}
        query = parse_query(query_for(words.pop(domain), words.values()))
        assert query.plain
        for other in domains:
            label = text_of([other], domains)
            assert query.holds({"label": label}) == (other == domain), (query.text, label)
        asked = parse_query(f'domain."{domain}" > 0.5')
        asked.check_domains(domains)
        table = pd.DataFrame([{f"share_{d}": float(d == other) for d in domains} for other in domains])
        assert asked.matches(table).tolist() == [other == domain for other in domains]
        assert str(parse_query(str(asked.root)).root) == str(asked.root)

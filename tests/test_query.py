"""The query language: what it means, what it needs, what it says of a row, and where it is wrong."""

import math
import subprocess
import sys
from typing import Any

import pandas as pd
import pytest

from prefactor.errors import PrefactorError
from prefactor.query.parse import parse_query
from prefactor.query.words import matches_query

ROW: dict[str, Any] = {
    "label": 'German text: "der" (de)', "labeller": "person/Ada", "module": "layers.0.self_attn.v_proj",
    "density": 0.1, "mean_importance": 0.2, "mean_activation": 1.5, "norm": 0.6, "score": math.nan,
    "detection": None, "share_de": 0.83, "share_it": 0.0625, "importance_de": 0.6, "density_de": 0.3,
    "ablate_de": 0.2, "invert_de": 0.5, "ablate_it": 0.012, "invert_it": -0.1, "ablate_en": math.nan, "invert_en": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ('label ~ "german text"', True),
        ('label ~ "TEXT German"', True),
        ('label ~ "germ"', False),
        ("label ~ '\"der\"'", True),
        ("label ~ german", True),
        ("label !~ french", True),
        ('label !~ "german french"', True),  # it has not both
        ("labeller = 'PERSON/ada'", True),
        ('labeller != "person/Ada"', False),
        (r'module ~ "layers\.\d+\..*v_proj$"', True),
        ("module ~ V_PROJ", False),
        ("module !~ mlp", True),
        ("density >= 0.1 and density <= .1 and density = 1e-1", True),
        ("density != 0.1", False),
        ("mean_activation>1.4", True),
        ("norm < -1", False),
        ("domain.de > 0.5 and importance.de > 0.5 and density.de > 0.25", True),
        # what costs more of ablating and inverting
        ("causal.de >= 0.5", True),
        ("causal.it < 0.0121 and causal.it > 0.0119", True),
        # not binds closest, then and, then or
        ("density > 1 and density > 1 or norm > 0", True),
        ("norm > 0 or density > 1 and density > 1", True),
        ("(norm > 0 or density > 1) and density > 1", False),
        ("not density > 1 and norm > 0", True),
        ("not (density > 1 or norm > 0)", False),
        ("not (density > 1 and norm > 0)", True),
        ("not not norm > 0", True),
        ("NOT label ~ french AND norm > 0", True),
        # what is not known satisfies no comparison, nor the negation of one
        ("score > 0", False),
        ("not score > 0", False),
        ("score = 0 or score != 0", False),
        ("detection < 1", False),
        ("causal.en < 100", False),
        ("not (causal.en > 0.05 or label ~ french)", False),
    ],
)
def test_what_a_query_means(query: str, holds: bool) -> None:
    assert parse_query(query).holds(ROW) is holds


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("density < abc", 'at character 11: "<" needs a number, found "abc"'),
        ("density <", 'at character 10: "<" needs a number, found the end'),
        ('density < "0.5"', 'at character 11: "<" needs a number, found "0.5"'),
        ("density < nan", '"<" needs a number, found "nan"'),
        ("density == 1", 'at character 10: "=" needs a number, found "="'),
        ("density ~ 1", 'at character 9: "~" does not go with density, a number; use one of < <='),
        ("label < 1", 'at character 7: "<" does not go with label, a text; use one of ~ !~ = !='),
        ("lable ~ x", 'at character 1: no field is called "lable"; did you mean `label`?'),
        ("label ~ x and domian.de > 1", 'at character 15: no field is called "domian.de"; did you mean `domain.de`?'),
        ("domain > 1", 'no field is called "domain"; did you mean `domain.D`?'),
        ("zzz > 1", "use one of label, labeller, module, density"),
        ("label ~ german text", 'at character 16: found "text" after a comparison; join two with `and` or `or`, put'),
        ('label ~ "german', "at character 9: this quote is not closed"),
        ('label ~ ""', 'at character 9: "~" needs a text with a word in it'),
        ("label ~ and", '"~" needs a text, found "and"'),
        ('module ~ "("', 'at character 10: "(" is no regular expression'),
        ("(density > 1", 'at character 13: found the end where the "(" at character 1 should be closed'),
        ("density > 1)", 'at character 12: this ")" closes nothing'),
        ("density > 1 (norm > 1)", 'at character 13: found "(" after a comparison'),
        ("density ! > 1", 'at character 9: "!" stands alone; write not, !~ or !='),
        ("and density > 1", 'at character 1: needs a comparison such as domain.de > 0.5, found "and"'),
        ("density > 1 and", "at character 16: needs a comparison such as domain.de > 0.5, found the end"),
        ("density 1 > 2", 'at character 9: density needs one of < <= > >= = != after it, found "1"'),
        ("-german", "it has no word to look for"),
        (" ", "it has no word to look for"),
    ],
)
def test_what_is_wrong_is_said_with_its_place_in_one_line(query: str, said: str) -> None:
    with pytest.raises(PrefactorError) as error:
        parse_query(query, "here")
    message = str(error.value)
    assert message.startswith("here: ") and "\n" not in message
    assert said in message


WORDS = [
    "german -english", "German", 'token "<s>"', "text and not", "don't", "german <s>", "<s>", "german -<s>", "a => b",
    "token = the", "start > end", "text: score <s>", 'token "score > 3"', "x~y", "</s> german", "german -> french",
]  # fmt: skip


@pytest.mark.parametrize("query", WORDS)
def test_without_a_comparison_it_is_words(query: str) -> None:
    assert parse_query(query).plain


def test_words_may_have_the_characters_of_operators_in_them() -> None:
    query = parse_query("german <s> -=>")
    assert [query.holds({"label": label}) for label in ('German "<s>"', "German", 'German "<s>" =>')] == [
        True, False, False,
    ]  # fmt: skip


MEANT = [
    ("label <s>", '"<" does not go with label'),
    ("german and score <s>", 'at character 1: no field is called "german"'),
    ("german label ~ french", 'at character 1: no field is called "german"'),
    ("Label ~ german", "did you mean `label`?"),
    ("german domain.de > 0.5", 'no field is called "german"'),
    ("german and importanc.de > x", 'no field is called "german"'),
    ("foo.de < bar", 'no field is called "foo.de"'),
    ("(densty > 1)", "did you mean `density`?"),
    ("firings > 3", 'no field is called "firings"; use one of label, labeller'),
    ("domain.de => 0.5", '"=" needs a number, found ">"'),
    ("not(lable = x)", "did you mean `label`?"),
]


@pytest.mark.parametrize(("query", "said"), MEANT)
def test_what_is_meant_to_compare_is_no_words(query: str, said: str) -> None:
    with pytest.raises(PrefactorError) as error:
        parse_query(query)
    assert said in str(error.value)


def test_a_label_that_is_not_known_passes_no_comparison() -> None:
    known, unknown = {"label": "German text"}, {"label": ""}
    for query in ("not label ~ french", "label !~ french", "label != x", "not (label ~ a or label ~ b)"):
        assert parse_query(query).holds(known) and not parse_query(query).holds(unknown)
    (miss,) = parse_query("label !~ french").misses(unknown)
    assert miss.shown(unknown) == 'label not known !~ "french"' and miss.distance(unknown) == math.inf
    assert not matches_query("-french", "") and matches_query("-french", "German") and matches_query("", "")


def test_the_words_of_old_mean_what_they_did() -> None:
    query = parse_query("german text -french")
    labels = pd.DataFrame({"label": ["text: German", "German text (French)", "German", "", None]})
    assert query.matches(labels).tolist() == [True, False, False, False, False]
    assert [field.name for field in query.fields] == ["label"]


def test_only_what_is_compared_is_needed() -> None:
    query = parse_query("label ~ x and (causal.it < 1 or not causal.it > 2) and domain.de > 0")
    assert [field.name for field in query.fields] == ["label", "causal.it", "domain.de"]
    assert query.columns == ("label", "ablate_it", "invert_it", "share_de")
    assert query.stages == {"label", "effects", "harvest"}
    assert parse_query("detection > 0.5").stages == {"score"}


def test_a_table_is_checked_before_it_is_searched() -> None:
    table = pd.DataFrame([ROW], index=[7])
    assert parse_query("domain.de > 0.5").matches(table).to_dict() == {7: True}
    for query, said in (
        ("norm > 0 and domain.dee > 1", 'at character 14: no domain is called "dee"; did you mean `de`?'),
        ("causal.pt > 1", 'at character 1: no domain is called "pt"; use one of de, en, it'),
        ("causal.dee > 1", 'at character 1: no domain is called "dee"; did you mean `de`?'),
        ("agreement > 1", "at character 1: agreement is made by the score stage, which has not run here"),
    ):
        with pytest.raises(PrefactorError, match=r"^query: ") as error:
            parse_query(query).matches(table)
        assert said in str(error.value)
    with pytest.raises(PrefactorError, match=r'here: at character 9: no domain is called "pt"'):
        parse_query("not not causal.pt > 1", "here").check_domains(["de", "en"])


def test_every_clause_is_explained_with_what_there_is() -> None:
    query = parse_query('label ~ "german" and not label ~ foreign and domain.de > 0.5 and (score > 0 or norm < 1)')
    assert query.explain(ROW) == (
        'label \'German text: "der" (de)\' ~ "german"; label \'German text: "der" (de)\' !~ "foreign"; '
        "domain.de 0.83 > 0.5; (score not measured > 0 or norm 0.6 < 1)"
    )
    assert parse_query("norm > 0 or norm < 0").explain(ROW) == "(norm 0.6 > 0 or norm 0.6 < 0)"


def test_what_fails_is_named_and_how_far_it_is() -> None:
    query = parse_query("label ~ german and domain.de > 0.9 and not (causal.it > 0.01 or norm > 1)")
    assert [str(miss) for miss in query.misses(ROW)] == ["domain.de > 0.9", "causal.it <= 0.01"]
    near, far = query.misses(ROW)
    assert near.distance(ROW) == pytest.approx(0.07 / 0.9)
    assert far.distance(ROW) == pytest.approx(0.2)
    assert parse_query("norm > 0.5").misses(ROW) == []
    (either,) = parse_query("norm > 1.2 or density > 0.2").misses(ROW)
    assert either.distance(ROW) == pytest.approx(0.5)
    (unknown,) = parse_query("score > 0").misses(ROW)
    assert unknown.distance(ROW) == math.inf


def test_a_text_is_near_by_its_words() -> None:
    def distance(query: str, label: str) -> float:
        (miss,) = parse_query(query).misses({"label": label})
        return miss.distance({"label": label})

    assert distance("label ~ german", "Germanic text") < distance("label ~ german", "Norman text")
    assert distance("label !~ french", "German and French text") == 0.25
    assert distance("label !~ french", "French") == 0.25 < distance("label ~ german", "French")


def test_parsing_needs_no_tables() -> None:
    code = "import sys, prefactor.config_check.pipeline; sys.exit('pandas' in sys.modules or 'pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""The query language in the browser against the library's: the same rows, the same errors at the same places."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page

from prefactor.errors import PrefactorError
from prefactor.query.parse import parse_query
from prefactor.report.page import SCRIPTS
from prefactor.web.assets import bundle
from tests.browser import watched

APP = Path("prefactor/report/app").resolve()
LANGUAGE = ("packs", "query_words", "query_fields", "query")
ASK = """
window.ask = (text, rows) => {
  try {
    const query = parseQuery(text);
    checkQuery(query, Object.keys(rows[0]));
    const holds = predicate(query.root);
    return rows.map((row) => holds((name) => row[name]));
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    return error.message;
  }
};
window.folded = (texts) => texts.map(casefold);
"""

_FIRST: dict[str, Any] = {
    "label": 'German text: "der" (de)', "labeller": "person/Ada", "module": "layers.0.self_attn.v_proj",
    "density": 0.1, "mean_importance": 0.2, "mean_activation": 1.5, "norm": 0.6, "score": None, "detection": None,
    "fuzzing": 0.5, "intruder": 0.25, "agreement": 1.0, "share_de": 0.83, "share_it": 0.0625,
    "share_code review": 0.1,
    "importance_de": 0.6, "importance_it": 0.0, "density_de": 0.3, "ablate_de": 0.2, "invert_de": 0.5,
    "ablate_it": 0.012,
    "invert_it": -0.1, "ablate_en": None, "invert_en": None,
}  # fmt: skip
ROWS = [
    _FIRST,
    _FIRST | {
        "label": "", "labeller": "deterministic-v1", "score": 0.4, "detection": 0.75,
        "module": "layers.1.mlp.up_proj",
    },
    _FIRST | {
        "label": "STRASSE, straße; and the Σίσυφος", "score": 1.0, "density": 0.5, "share_de": 0.5, "norm": -1e-7,
    },
    _FIRST | {
        "label": "score > 3 token => x <s>", "score": 0.0, "mean_activation": None, "ablate_de": None,
        "invert_de": 0.1,
    },
    _FIRST | {
        "label": "Italian articles\u2003(il, la)\x85 foreign", "module": "layers.10.mlp.down_proj", "share_it": 0.9,
    },
]  # fmt: skip
QUERIES = [
    "german", "german -italian", "-german", "- german", "GERMAN text", "straße", "STRASSE", "σίσυφοσ",
    "foreign il", '"der"',
    "german <s>", "token => x", 'token "score > 3"', "<s>", "", "   ", "-x -y",
    'label ~ "german text"', "label !~ german", "label = 'german text: \"der\" (de)'", "labeller != 'PERSON/ada'",
    "labeller = deterministic-v1", r'module ~ "layers\.\d+\..*v_proj$"', "module ~ V_PROJ", 'module ~ "(?i)V_PROJ"',
    "module !~ mlp", r'module ~ "^layers\.1\."', 'module ~ "(?P<n>mlp)"', 'module ~ "["', 'module ~ "*a"',
    "module = LAYERS.1.MLP.UP_PROJ",
    "density >= 0.1 and density <= .1", "density = 1e-1", "density != 0.1", "density>1_0", "norm < 0",
    "norm >= -1E-7",
    "score > 0", "not score > 0", "not not score > 0", "score = 0 or score != 0", "detection < 1",
    "not (score > 0.5 and norm > 0)",
    "not (density > 0.2 or label ~ german)", "domain.de > 0.5 and importance.de > 0.5", "causal.it < 0.0121",
    "causal.de >= 0.5",
    "causal.en < 100", 'domain."code review" > 0.05', "domain.'code review' > 0.5",
    "density.de = 0.3 AND NOT label ~ straße",
    "density > 0.2 or norm > 0 and label ~ german", "(density > 0.2 or norm > 0) and label ~ german",
    # wrong
    "causal.dee > 1", "domain.french > 0.1", "lable ~ german", "firings > 3", "density ~ 3", "label > 3",
    "density >", "density > x",
    "density > inf", "density > nan", "density > 1__0", "label ~", "label ~ and", "label ~ '", 'label ~ "" ',
    "label ~ german french", "density > 0.1 density",
    "(density > 0.1", "density > 0.1)", "not", "and density > 1", "density > 0.1 and", "density > 0.1 or or norm > 1",
    "density ! 1", "density == 0.1", "density => 0.1", "density.fr > 0.1", "ablate.de > 1", "constructor > 1",
    "domain.__proto__ > 1",
    "label ~ 'ü' and densitie > 2", "module ~ x and score > 'x'", "𝒳 ~ y and 𝒳 > 1 and density ~ 2",
    "(" * 51 + "density > 1" + ")" * 51, "not " * 51 + "density > 1", "(" * 50 + "density > 0.2" + ")" * 50,
]  # fmt: skip


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[Page]:
    """A page with the language alone, its functions to be called from here."""
    assert tuple(SCRIPTS[: len(LANGUAGE)]) == LANGUAGE
    folder = tmp_path_factory.mktemp("asked")
    (folder / "ask.js").write_text(ASK)
    script = bundle([*(APP / f"{name}.js" for name in LANGUAGE), folder / "ask.js"])
    with watched(chromium) as seen:
        seen.page.set_content(f"<script>{script}</script>")
        yield seen.page


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.DataFrame([{k: math.nan if v is None else v for k, v in row.items()} for row in ROWS])


@pytest.mark.parametrize("query", QUERIES)
def test_both_find_the_same_rows_or_the_same_fault(asked: Page, table: pd.DataFrame, query: str) -> None:
    expected: list[bool] | str
    try:
        expected = parse_query(query).matches(table).tolist()
    except PrefactorError as error:
        expected = str(error)
    found = asked.evaluate("([text, rows]) => ask(text, rows)", [query, json.loads(json.dumps(ROWS))])
    if isinstance(expected, str) and isinstance(
        found, str
    ):  # each engine says in its words what is wrong with a pattern
        expected, found = (re.sub(r"(is no regular expression) \(.*\)$", r"\1", text) for text in (expected, found))
    assert found == expected


def test_letters_are_folded_alike(asked: Page) -> None:
    """Of the alphabets of Europe; a combining dot stays apart."""
    letters = [chr(code) for code in range(0x250) if chr(code) not in "ŉǰİ"] + [
        chr(code) for code in range(0x370, 0x590)
    ]
    folded = asked.evaluate("letters => folded(letters)", letters)
    assert [(a, b) for a, b in zip(letters, folded, strict=True) if a.casefold() != b] == []

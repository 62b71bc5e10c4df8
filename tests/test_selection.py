"""Selection by label, contrast, chance and name: what is ranked first, what is left out, what is said."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from prefactor.config.domains import Domains
from prefactor.config.shortlists import ByContrast, ByLabel, ByName, ByRandom, Choose, Rank, ShortlistConfig
from prefactor.errors import PrefactorError
from prefactor.query.words import matches_query
from prefactor.selection.choice import FILE, Selection, read_chosen, read_selection, write_selection
from prefactor.selection.choose import select, select_singular
from prefactor.selection.collateral import inverted_of, warning_of
from prefactor.selection.effect import Candidates, Effect, read_candidates, write_candidates
from prefactor.selection.shortlist import shortlist
from prefactor.selection.table import join, join_some

# subcomponent: label, alive, mean importance on en, de, fr, it
ROWS = {
    "layers.0.v_proj:2": ("German text", True, 0.00, 0.60, 0.30, 0.20),
    "layers.0.v_proj:10": ("German text", True, 0.00, 0.60, 0.00, 0.00),
    "layers.1.up_proj:0": ("German text", True, 0.40, 0.90, 0.00, 0.00),
    "layers.1.up_proj:1": ('German text: "der"', True, 0.00, 0.05, 0.00, 0.00),
    "layers.1.up_proj:2": ("foreign text (de fr it)", True, 0.00, 0.80, 0.80, 0.80),
    "layers.1.up_proj:3": ("English text", True, 0.70, 0.00, 0.00, 0.00),
    "layers.1.up_proj:4": ("French and Italian text", True, 0.00, 0.00, 0.40, 0.50),
    "layers.1.up_proj:5": ("dead", False, 0.00, 0.00, 0.00, 0.00),
}
DOMAINS = Domains(target="de", retain=("en",), protect=("fr", "it"))
TRIED, RUNNERS_UP = 3, 2


def harvest(rows: dict[str, tuple] = ROWS) -> pd.DataFrame:
    table = [
        {
            "subcomponent": name, "module": name.split(":")[0], "index": int(name.split(":")[1]), "alive": alive,
            "importance_en": en, "importance_de": de, "importance_fr": fr, "importance_it": it,
            "share_de": de / max(en + de + fr + it, 1e-9),
        }
        for name, (_, alive, en, de, fr, it) in rows.items()
    ]  # fmt: skip
    return pd.DataFrame(table)


def labels(rows: dict[str, tuple] = ROWS) -> pd.DataFrame:
    return pd.DataFrame([{"subcomponent": name, "label": row[0]} for name, row in rows.items()])


def effects() -> pd.DataFrame:
    """Inverting costs each domain its importance in nats, ablating half of it."""
    alive = harvest()[lambda table: table["alive"]]
    damage = {f"invert_{domain}": alive[f"importance_{domain}"] for domain in ("en", "de", "fr", "it")}
    halves = {column.replace("invert", "ablate"): values / 2 for column, values in damage.items()}
    errors = {column.replace("_", "_error_"): values / 10 for column, values in (damage | halves).items()}
    return pd.DataFrame({"subcomponent": alive["subcomponent"], **damage, **halves, **errors})


def table() -> pd.DataFrame:
    return join(harvest(), labels())


def measured(named: dict[str, list[str]] | None = None) -> pd.DataFrame:
    """... with effects, and the domains that some labels name."""
    everything = join_some(table(), effects(), "effects")
    return everything.assign(domains=pd.Series([(named or {}).get(name) for name in everything["subcomponent"]]))


def chosen(
    choose: Choose, domains: Domains = DOMAINS, among: pd.DataFrame | None = None, top: int = 1,
    effects: Sequence[Effect] = (), most: int = 0,
) -> Selection:  # fmt: skip
    listed = shortlist("german", ShortlistConfig(domains=domains, choose=choose), table() if among is None else among)
    names = listed.names(TRIED)
    known = Candidates(dict(zip(names, effects, strict=True)) if effects else dict.fromkeys(names), {})
    return select("scalar", listed, known, TRIED, RUNNERS_UP, top, most)


def by_label(query: str, rank: Rank = "importance") -> ByLabel:
    return ByLabel(by="label", query=query, rank=rank)


@pytest.mark.parametrize(
    ("query", "label", "matches"),
    [
        ("german text", "German text", True),
        ("TEXT German", "German text", True),
        ("german", "foreign text (de fr es it)", False),
        ("german -und", 'German text: "der"', True),
        ("german -der", 'German text: "der"', False),
        ("text -and", "French and Italian text", False),
        ('"der"', 'German text: "der"', True),
        ("de", "foreign text (de fr es it)", True),
        ("germ", "German text", False),
        ("-", 'the token "-"', True),
    ],
)
def test_a_query_is_words_in_any_order(query: str, label: str, matches: bool) -> None:
    assert matches_query(query, label) is matches


def test_by_label_takes_the_widest_margin_and_not_the_highest_importance() -> None:
    found = chosen(by_label("german text"))
    assert found.subcomponents == ("layers.0.v_proj:2",)  # 0.60 - 0.00 beats 0.90 - 0.40
    assert found.chosen[0].score == pytest.approx(0.6)
    assert [one.subcomponent for one in found.candidates] == ["layers.0.v_proj:10", "layers.1.up_proj:0"]
    reason = "label matches 'german text', 1 of 4: mean importance 0.600 on de against 0.000 on en."
    assert found.chosen[0].reason == reason


def test_protected_domains_change_nothing() -> None:
    blind = measured()
    blind[["importance_fr", "importance_it", "invert_fr", "ablate_it"]] = 0.123
    query = by_label('label ~ "german" and importance.de > 0.1')
    for choose in (by_label("german"), query, ByContrast(by="contrast"), ByRandom(by="random")):
        blindly, seeing = chosen(choose, among=blind, top=2), chosen(choose, top=2)
        for part in ("chosen", "candidates"):
            assert [row.reason for row in getattr(blindly, part)] == [row.reason for row in getattr(seeing, part)]


def test_every_retained_domain_counts() -> None:
    assert chosen(by_label("german"), Domains(target="de", retain=("en", "fr"))).subcomponents == (
        "layers.0.v_proj:10",
    )
    contrast = chosen(ByContrast(by="contrast"), Domains(target="de", retain=("en", "fr")))
    assert contrast.subcomponents == ("layers.1.up_proj:0",)
    assert contrast.chosen[0].score == pytest.approx(0.9 - 0.4 / 2)


def test_by_contrast_looks_at_no_label() -> None:
    found = chosen(ByContrast(by="contrast"), top=2)
    assert found.subcomponents == ("layers.1.up_proj:2", "layers.0.v_proj:2")
    assert [one.score for one in found.chosen] == pytest.approx([0.8, 0.6])


def test_by_effect_the_widest_margins_are_tried_and_the_least_damage_at_chance_wins() -> None:
    effects = [Effect(-24.0, 0.5, None), Effect(-4.0, 0.0, 0.3, 0.1), Effect(-6.125, 0.0, 0.0825, 0.2)]
    tried = ["layers.0.v_proj:2", "layers.0.v_proj:10", "layers.1.up_proj:0"]
    spared = chosen(by_label("german", "spill"), effects=effects)
    assert [row.score for row in (*spared.chosen, *spared.candidates)] == [-0.1, -0.2, None]

    found = chosen(by_label("german", "effect"), effects=effects)
    assert [row.subcomponent for row in (*found.chosen, *found.candidates)] == tried[::-1]
    assert [row.score for row in (*found.chosen, *found.candidates)] == [-0.0825, -0.3, None]
    assert found.chosen[0].reason == (
        "label matches 'german' (4), 1 of 3 tried: de at chance for +0.083 nats on en "
        "(worst of other text 0.200) at prefactor -6.12: "
        "mean importance 0.900 on de against 0.400 on en."
    )
    assert "at best 0.50 nats short of chance" in found.candidates[-1].reason
    with pytest.raises(PrefactorError, match=r"data/candidates/german: layers\.0\.v_proj:2 was not measured: run it"):
        chosen(by_label("german", "effect"))


def test_an_edit_that_keeps_the_best_of_many_is_given_as_many_as_there_are() -> None:
    effects = [Effect(-24.0, 0.5, None), Effect(-4.0, 0.0, 0.3, 0.1), Effect(-6.125, 0.0, 0.0825, 0.2)]
    found = chosen(by_label("german", "spill"), effects=effects, top=2, most=24)
    assert [row.score for row in found.chosen] == [-0.1, -0.2, None] and not found.candidates
    with pytest.raises(PrefactorError, match="top = 99"):
        chosen(by_label("german"), top=99, most=200)


def test_the_control_is_ranked_by_effect_whatever_the_shortlist_is_ranked_by() -> None:
    listed = shortlist("german", ShortlistConfig(domains=DOMAINS, choose=by_label("german", "spill")), table())
    measured = {"m:sv0": Effect(-24.0, 0.5, None), "m:sv1": Effect(-4.0, 0.0, 0.3), "m:sv2": Effect(-5.0, 0.0, 0.2)}
    control = select_singular("control", listed, Candidates({}, measured), RUNNERS_UP, 1)
    assert control.subcomponents == ("m:sv2",)
    assert [row.subcomponent for row in control.candidates] == ["m:sv1", "m:sv0"]  # the last never reaches chance
    assert control.chosen[0].reason.startswith("singular direction, 1 of 3 tried: de at chance for +0.200 nats on en")
    with pytest.raises(PrefactorError, match=r"edits\.control\.top = 4: only 3 singular directions were measured"):
        select_singular("control", listed, Candidates({}, measured), RUNNERS_UP, 4)


def test_candidates_survive_the_file(tmp_path: Path) -> None:
    written = Candidates({"m:1": Effect(-2.0, 0.0, 0.1, 0.2), "m:0": None}, {"m:sv0": Effect(4.0, 1.5, None)})
    write_candidates(tmp_path, written)
    assert read_candidates(tmp_path) == written
    assert list(read_candidates(tmp_path).subcomponents) == ["m:1", "m:0"]


def test_causal_takes_what_hurts_the_target_most_beyond_what_it_retains() -> None:
    choose = by_label("german", "causal")
    found = chosen(choose, among=measured())
    damages = {
        row["subcomponent"]: row["invert_de"] - row["invert_en"]
        for row in measured().to_dict("records")
        if "German" in row["label"]
    }
    assert found.chosen[0].subcomponent == max(damages, key=lambda name: damages[name])
    assert found.chosen[0].score == pytest.approx(max(damages.values()))
    with pytest.raises(PrefactorError, match=r"rank: causal: effects were not measured: run it \(`dvc repro effects`"):
        chosen(choose)


def test_the_order_of_rows_changes_nothing() -> None:
    choose = ByContrast(by="contrast")
    assert chosen(choose, among=join(harvest()[::-1], labels()), top=5) == chosen(choose, top=5)
    drawn = ByRandom(by="random", seed=4)
    assert chosen(drawn, among=table()[::-1], top=3) == chosen(drawn, top=3)
    query = by_label('label ~ "text" and importance.de > 0.5')
    assert chosen(query, among=table()[::-1]) == chosen(query)


def test_at_random_only_alive_ones_by_seed() -> None:
    draws = {chosen(ByRandom(by="random", seed=seed), top=7).subcomponents for seed in range(5)}
    assert len(draws) > 1
    assert {name for draw in draws for name in draw} == set(ROWS) - {"layers.1.up_proj:5"}
    assert chosen(ByRandom(by="random")).chosen[0].score is None


def test_by_name_keeps_the_order_given() -> None:
    names = ("layers.1.up_proj:5", "layers.0.v_proj:2")
    found = chosen(ByName(by="name", subcomponents=names), top=2)
    assert found.subcomponents == names
    assert found.candidates == ()
    assert found.chosen[0].reason.startswith("named though dead")


@pytest.mark.parametrize(
    ("choose", "words"),
    [
        (by_label("Germn text"), ["choose.query", "'Germn text'", "layers.0.v_proj:2 'German text' (margin 0.60)"]),
        (by_label("german -text"), ["choose.query", "layers.0.v_proj:2"]),
        (by_label("dead"), ["no label matches"]),
        (by_label("-german"), ["no word to look for"]),
        (by_label("german and not french"), ["no label matches", "without a comparison all of it is words"]),
        (by_label("german =>"), ["no label matches"]),
        (by_label("token = x"), ["no label matches", "without a comparison all of it is words"]),
        (by_label('label ~ "german" and density'), ["at character 29: density needs one of < <= >", "found the end"]),
        (
            by_label("causal.it < 1"),
            ["causal.it is made by the effects stage", "dvc repro effects"],
        ),
        (by_label("detection > 0.5"), ["detection is made by the score stage", "dvc repro score"]),
        (by_label("importance.dee > 0.5"), ['at character 1: no domain is called "dee"; did you mean `de`?']),
        (
            by_label('label ~ "german" and importance.it > 0.9'),
            [
                "no subcomponent that is alive satisfies it",
                "v_proj:2 'German text' (fails importance.it 0.2 > 0.9)",
            ],
        ),
        (ByName(by="name", subcomponents=("layers.1.up_proj:6",)), ["'layers.1.up_proj:6'", "layers.1.up_proj:5"]),
        (ByName(by="name", subcomponents=("layers.1.up_proj:3",) * 2), ["named twice"]),
    ],
)
def test_what_cannot_be_chosen_is_one_line_with_a_remedy(choose: Choose, words: list[str]) -> None:
    with pytest.raises(PrefactorError) as error:
        chosen(choose)
    message = str(error.value)
    assert message.startswith("shortlists.german.choose.") and "\n" not in message
    assert all(word in message for word in words), message


def test_more_than_there_are_is_one_line_with_a_remedy() -> None:
    with pytest.raises(PrefactorError, match=r"edits\.scalar\.top = 9: only 4 qualify: lower it or widen the query"):
        chosen(by_label("german"), top=9)
    with pytest.raises(PrefactorError, match=r"edits\.scalar\.top = 9: only 7 qualify: lower it"):
        chosen(ByContrast(by="contrast"), top=9)


def test_the_nearest_are_five_by_likeness_then_margin() -> None:
    with pytest.raises(PrefactorError) as error:
        chosen(by_label("germann"))
    message = str(error.value)
    order = ["v_proj:2 ", "v_proj:10 ", "up_proj:0 ", "up_proj:1 "]
    assert [message.index(name) for name in order] == sorted(message.index(name) for name in order)
    assert message.count("margin") == 5


def test_unknown_domains_and_mixed_up_tables_are_refused() -> None:
    with pytest.raises(PrefactorError, match=r"shortlists\.german\.domains\.retain: 'pt' .* en, de, fr, it"):
        chosen(by_label("german"), Domains(target="de", retain=("pt",)))
    with pytest.raises(PrefactorError, match="labels"):
        join(harvest(), labels()[1:])
    with pytest.raises(PrefactorError, match=r"data/effects: its rows are not of the harvest's subcomponents"):
        join_some(table()[1:], effects(), "effects")


def test_a_selection_survives_the_file_and_a_damaged_file_is_refused(tmp_path: Path) -> None:
    written = replace(chosen(by_label("german"), top=2), edit="é")
    write_selection(tmp_path, written)
    assert read_selection(tmp_path) == written
    assert read_chosen(tmp_path) == list(written.subcomponents)
    (tmp_path / FILE).write_text("{}")
    with pytest.raises(PrefactorError, match="damaged"):
        read_selection(tmp_path)


def test_a_query_compares_and_says_what_it_found() -> None:
    query = 'label ~ "german" and causal.it < 0.05 and domain.de > 0.3'
    found = chosen(by_label(query), among=measured())
    assert found.subcomponents == ("layers.0.v_proj:10",)
    assert found.chosen[0].reason == (
        "query matches, 1 of 3: mean importance 0.600 on de against 0.000 on en; "
        'label "German text" ~ "german"; causal.it 0 < 0.05; domain.de 1 > 0.3.'
    )
    assert found.chosen[0].collateral == {"en": 0.0, "de": 0.6, "fr": 0.0, "it": 0.0}


def test_near_misses_fail_one_clause_and_the_closest_is_first() -> None:
    query = 'label ~ "german" and causal.it < 0.15 and importance.de > 0.5'
    found = chosen(by_label(query), among=measured())
    assert found.subcomponents == ("layers.0.v_proj:10",)
    near = {one.subcomponent: one.reason for one in found.near_misses}
    assert list(near) == ["layers.0.v_proj:2", "layers.1.up_proj:1"]  # a third past its bound, and nine tenths short
    assert near["layers.0.v_proj:2"].startswith("near miss, fails only causal.it 0.2 < 0.15: mean importance 0.600 on")
    assert chosen(ByContrast(by="contrast"), among=measured()).near_misses == ()
    words = chosen(by_label("german -der"))
    assert words.near_misses[0].reason.startswith('near miss, fails only label \'German text: "der"\' !~ "der"')


def test_what_is_measured_to_reach_further_than_the_label_says_is_warned_of() -> None:
    named = {"layers.0.v_proj:2": ["de"], "layers.0.v_proj:10": ["de"], "layers.1.up_proj:2": ["de", "fr", "it"]}
    found = chosen(ByName(by="name", subcomponents=tuple(ROWS)), among=measured(named), top=len(ROWS))
    warnings = {one.subcomponent: one.warning for one in found.chosen if one.warning}
    assert warnings == {
        "layers.0.v_proj:2": "its label names de, but inverting it also costs fr +0.3, it +0.2 (de +0.6)",
    }
    dead = found.chosen[-1]
    assert dead.collateral is None


@pytest.mark.parametrize(
    ("named", "damage", "warned"),
    [
        (["de"], {"de": 0.52, "it": 0.31, "fr": 0.1}, "also costs it +0.31 (de +0.52)"),
        (["de"], {"de": 0.52, "it": 0.129}, None),
        (
            ["de", "fr"],
            {"de": 0.6, "fr": 0.2, "it": 0.21, "en": 0.3},
            "costs en +0.3, it +0.21 (de +0.6, fr +0.2)",
        ),
        (["de"], {"de": 0.001, "it": 0.0049}, None),  # nothing to speak of
        (["de"], {"de": -0.01, "it": 0.006}, "also costs it +0.006"),
        (["de"], {"de": 0.52, "pt": 0.31}, None),  # 3 standard errors and less may be noise
        (None, {"de": 0.0, "it": 1.0}, None),  # no claim
        ([], {"de": 0.0, "it": 1.0}, None),
        (["pt"], {"de": 0.6, "pt": 0.0}, "also costs de +0.6 (pt +0)"),
        (["de", "it"], {"de": 0.6, "it": 0.6}, None),
        (["de"], {}, None),
    ],
)
def test_what_would_be_a_surprise_outside_is_too_much(
    named: list[str] | None, damage: dict[str, float], warned: str | None
) -> None:
    columns = {f"invert_{domain}": nats for domain, nats in damage.items()}
    errors = {f"invert_error_{domain}": 0.11 if domain == "pt" else 0.001 for domain in damage}
    warning = warning_of(named, inverted_of(columns | errors))
    assert warning is None if warned is None else warning is not None and warned in warning
    assert inverted_of(columns | errors | {"exact": False}) is None  # a slope is no measurement


def test_effects_change_what_is_said_and_not_what_is_chosen() -> None:
    named = {name: ["de"] for name in ROWS}
    for choose in (by_label("german"), ByContrast(by="contrast"), ByRandom(by="random")):
        plain, told = chosen(choose, top=2), chosen(choose, among=measured(named), top=2)
        assert [replace(one, collateral=None, warning=None) for one in told.chosen] == list(plain.chosen)
        assert [replace(one, collateral=None, warning=None) for one in told.candidates] == list(plain.candidates)


def test_a_candidate_that_cannot_be_measured_is_passed_over_and_named() -> None:
    listed = shortlist("german", ShortlistConfig(domains=DOMAINS, choose=by_label("german", "effect")), table())
    first, *others = listed.names(TRIED)
    effects = {name: Effect(-1.0, 0.0, 0.1) for name in others}
    known = Candidates({first: None, **effects}, {}, {first: f"{first} cannot be guarded: so"})
    selection = select("scalar", listed, known, TRIED, RUNNERS_UP, 1)
    assert first not in selection.subcomponents
    (left_out,) = [choice for choice in selection.candidates if choice.subcomponent == first]
    assert left_out.reason.startswith(f"left out: {first} cannot be guarded: so") and left_out.score is None
    with pytest.raises(PrefactorError, match=r"top = .*: only .* can be measured"):
        select("scalar", listed, known, TRIED, RUNNERS_UP, len(others) + 1)

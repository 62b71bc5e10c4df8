"""The deterministic labeller on a harvest whose every subcomponent has a known rule."""

import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefactor.config.label import DeterministicLabeller
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import part, write_part
from prefactor.label.about import concentration, most_concerned, text_of
from prefactor.label.deterministic import Deterministic
from prefactor.label.evidence import Evidence, read_evidence
from prefactor.label.labeller import LABELS, Label, label_all, summary
from prefactor.label.tokens import quoted
from prefactor.llm.prompt import Failure

Harvested = tuple[pa.Table, pa.Table, int, float]  # the two tables, tokens, and above what it fires
LANGUAGES = ("en", "de", "fr", "es", "it")
SHARED = [".", ",", " 3", " 17", " 1", " 28", " Anna", " Paris", " Rom", " Max", " a", "er", "\n"]
OWN = {
    "en": [" the", " of", " house", " is", " red", " we", " see", "ing", " The", " and", " dog", " not"],
    "de": [" der", " die", " und", " Haus", " ist", " rot", " wir", "ung", " Der", " Hund", " nicht", " für"],
    "fr": [" le", " la", " et", " maison", " est", " rouge", " nous", "ment", " Le", " chien", " pas", " été"],
    "es": [" el", " los", " y", " casa", " es", " rojo", " vemos", "ción", " El", " perro", " no", " más"],
    "it": [" il", " gli", " e", " casa", " è", " rosso", " noi", "zione", " Il", " cane", " non", " più"],
}
Rule = Callable[[str, str, int], float]  # (domain, token, position in its block) -> g


def harvest(rules: dict[str, Rule], domains: tuple[str, ...] = LANGUAGES) -> Harvested:
    """The two tables of docs/contracts.md for made-up text (the first domain is half of it), and its tokens."""
    draw = random.Random(0)
    blocks: list[tuple[str, list[str]]] = []
    for domain in domains:
        for _ in range(40 * (len(domains) - 1) if domain == domains[0] else 40):
            own = OWN.get(domain, [f" {domain}{n}" for n in range(12)])
            blocks.append((domain, ["<s>"] + [draw.choice(own + SHARED) for _ in range(31)]))
    total = Counter(domain for domain, tokens in blocks for _ in tokens)
    tokens_total = Counter(token for _, tokens in blocks for token in tokens)
    next_total = Counter(token for _, tokens in blocks for token in tokens[1:] + tokens[:1])
    rows, examples = [], []
    for index, (name, rule) in enumerate(rules.items()):
        module, importance = f"layers.0.{name}", dict.fromkeys(domains, 0.0)
        fires: list[tuple[int, int]] = []
        for b, (domain, tokens) in enumerate(blocks):
            for t, token in enumerate(tokens):
                importance[domain] += rule(domain, token, t)
                if rule(domain, token, t) > 0.1:
                    fires.append((b, t))
        n, everything = len(fires), sum(total.values())
        fired = Counter(blocks[b][0] for b, _ in fires)
        density = {d: fired[d] / total[d] for d in domains}
        inputs = Counter(blocks[b][1][t] for b, t in fires)
        outputs = Counter((blocks[b][1] + ["<s>"])[t + 1] for b, t in fires)
        row: dict[str, Any] = {
            "subcomponent": f"{module}:{index}", "module": module, "index": index,
            "alive": sum(importance.values()) / everything > 1e-6, "density": n / everything,
            "mean_importance": sum(importance.values()) / everything, "mean_activation": 1.0, "norm": 1.0,
        }  # fmt: skip
        for d in domains:
            row[f"importance_{d}"] = importance[d] / total[d]
            row[f"density_{d}"] = density[d]
            row[f"share_{d}"] = density[d] / max(sum(density.values()), 1e-30)
        for side, count, frequency in (("input", inputs, tokens_total), ("output", outputs, next_total)):
            recall = {token: c / frequency[token] for token, c in count.items()}
            best = sorted(recall, key=lambda token: (-recall[token], token))[:10]
            row[f"{side}_recall"] = [{"token": t, "value": recall[t], "count": count[t]} for t in best]
            pmi = [(t, math.log(recall[t] / (n / everything)), count[t]) for t in best]
            row[f"{side}_pmi"] = [{"token": t, "value": v, "count": c} for t, v, c in pmi]
        rows.append(row)
        for rank, (b, t) in enumerate(draw.sample(fires, min(30, n))):
            domain, tokens = blocks[b]
            begin = max(0, t - 20)
            window = tokens[begin : t + 21]
            g = [rule(domain, token, begin + i) for i, token in enumerate(window)]
            examples.append(
                {"subcomponent": f"{module}:{index}", "rank": rank, "domain": domain, "position": t - begin,
                 "tokens": window, "importance": g, "activation": g}
            )  # fmt: skip
    return pa.Table.from_pylist(rows), pa.Table.from_pylist(examples), sum(total.values()), 0.1


def by_domain(**g: float) -> Rule:
    return lambda domain, token, position: g.get(domain, 0.0)


def on(holds: Callable[[str, str, int], bool]) -> Rule:
    return lambda domain, token, position: 0.9 * holds(domain, token, position)


def mostly_german(domain: str, token: str, position: int) -> float:
    """The figures of the subcomponent of design.md section 5, on tokens picked by a hash that does not vary."""
    level = {"de": 0.63, "en": 0.0, "fr": 0.08, "es": 0.09, "it": 0.08}[domain]
    return float(sum(map(ord, token)) * 7919 % 101 + position * 37 % 101 < 202 * level) if level else 0.0


KNOWN: dict[str, tuple[str, Rule]] = {
    "german": ("German text", by_domain(de=0.63, fr=0.08, es=0.09, it=0.08)),
    "noisy_german": ("German text", mostly_german),
    "foreign": ("foreign text (de fr es it)", by_domain(de=0.2, fr=0.2, es=0.2, it=0.2)),
    "uneven_foreign": ("foreign text (de fr es it)", by_domain(de=0.4, fr=0.2, es=0.3, it=0.2)),
    "two": ("French and Italian text", by_domain(fr=0.5, it=0.4, es=0.05)),
    "english": ("English text", by_domain(en=0.7)),
    "der": ('German text: "der"', on(lambda d, t, p: d == "de" and t == " der")),
    "articles": ('German text: "die" "der"', on(lambda d, t, p: d == "de" and t in (" der", " die"))),
    "comma": ('the token ","', on(lambda d, t, p: t == ",")),
    "digits": ("digits", on(lambda d, t, p: t.strip().isdigit())),
    "punctuation": ('the tokens "," "."', on(lambda d, t, p: t in ".,")),
    "capitals": ("capitalised words", on(lambda d, t, p: t.strip()[:1].isupper())),
    "nouns": ("German text: capitalised words", on(lambda d, t, p: d == "de" and t.strip()[:1].isupper())),
    "start": ("document start", on(lambda d, t, p: t == "<s>")),
    "dense": ("dense: fires everywhere", by_domain(en=0.9, de=0.8, fr=0.9, es=0.9, it=0.9)),
    "weak": ("unclear: fires on many tokens", on(lambda d, t, p: p % 3 == 1)),
    "rare": ("unclear: too few firings", on(lambda d, t, p: d == "de" and t == " Hund" and p == 7)),
    "dead": ("dead", by_domain()),
}


@pytest.fixture(scope="module")
def known() -> Harvested:
    return harvest({name: rule for name, (_, rule) in KNOWN.items()})


@pytest.fixture(scope="module")
def labels(known: Harvested) -> dict[str, dict]:
    table = label_all(read_evidence(*known), LABELLER)
    assert table.schema == LABELS
    return {row["subcomponent"].split(".")[-1].split(":")[0]: row for row in table.to_pylist()}


LABELLER = Deterministic(DeterministicLabeller(kind="deterministic", clear=0.4))


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_rule_gets_its_label(labels: dict[str, dict], name: str) -> None:
    assert sorted(labels[name]["label"].split()) == sorted(KNOWN[name][0].split())  # tokens come by frequency


def test_score_is_how_clear_the_evidence_is(labels: dict[str, dict]) -> None:
    score = {name: row["score"] for name, row in labels.items()}
    assert score["dead"] is None and score["rare"] == 0.0
    assert score["weak"] < 0.4
    assert score["foreign"] == pytest.approx(1.0) and score["comma"] == pytest.approx(1.0)
    # parts of importance 0.63 / 0.88 and 0.09 / 0.88; only German fires above 0.1
    assert score["german"] == pytest.approx((0.54 / 0.88 + 1) / 2, abs=1e-3)
    assert score["uneven_foreign"] < score["foreign"]


def test_reasoning_and_evidence_carry_the_figures(labels: dict[str, dict]) -> None:
    assert "German 0.63" in labels["german"]["reasoning"] and "French 0.08" in labels["german"]["reasoning"]
    assert labels["rare"]["reasoning"] == "It fires on 4 tokens of the harvest; below 10 none is judged."
    evidence = json.loads(labels["der"]["evidence"])
    assert evidence["domains"]["most"] == ["de"]
    assert evidence["tokens"] == {'"der"': 30}
    assert evidence["importance"]["en"] == 0.0
    assert {row["labeller"] for row in labels.values()} == {"deterministic-v1"}


def test_domains_are_those_that_the_label_names(labels: dict[str, dict]) -> None:
    named = {"german": ["de"], "foreign": ["de", "fr", "es", "it"], "two": ["fr", "it"], "der": ["de"]}
    assert {name: labels[name]["domains"] for name in named} == named
    assert all(labels[name]["domains"] is None for name in ("comma", "start", "dense", "weak", "rare", "dead"))


def test_labels_do_not_depend_on_the_order_of_rows(known: Harvested) -> None:
    subcomponents, examples, tokens, fires = known
    shuffled = examples.take(random.Random(1).sample(range(len(examples)), len(examples)))
    assert label_all(read_evidence(subcomponents, shuffled, tokens, fires), LABELLER).equals(
        label_all(read_evidence(*known), LABELLER)
    )


def test_what_comes_next_is_said_where_it_is_nearly_always_the_same() -> None:
    subcomponents, examples, tokens, fires = harvest({"before": on(lambda d, t, p: d == "de" and p % 2 == 0)})
    row = subcomponents.to_pylist()[0]
    firings = round(row["density"] * tokens)
    row["output_recall"] = [{"token": " Haus", "value": 0.8, "count": round(0.9 * firings)}]
    row["output_pmi"] = [{"token": " Haus", "value": math.log(0.8 / row["density"]), "count": round(0.9 * firings)}]
    (label,) = label_all(read_evidence(pa.Table.from_pylist([row]), examples, tokens, fires), LABELLER).to_pylist()
    assert label["label"] == 'German text, before "Haus"'
    assert "90% of the firings" in label["reasoning"]


def test_domains_that_are_no_languages_stand_for_themselves() -> None:
    domains = ("chat", "code", "law")
    rules = {"code": by_domain(code=0.5), "both": by_domain(code=0.5, law=0.5)}
    table = label_all(read_evidence(*harvest(rules, domains)), LABELLER)
    assert table["label"].to_pylist() == ["code text", "code and law text"]


@pytest.mark.parametrize(
    ("parts", "domains", "clarity"),
    [
        ({"en": 0.2, "de": 0.2, "fr": 0.2, "es": 0.2, "it": 0.2}, (), 0.0),
        ({"en": 0.0, "de": 1.0}, ("de",), 1.0),
        ({"en": 0.0, "de": 0.25, "fr": 0.25, "es": 0.25, "it": 0.25}, ("de", "fr", "es", "it"), 1.0),
        ({"en": 0.1, "de": 0.6, "fr": 0.1, "es": 0.1, "it": 0.1}, ("de",), 0.5),
        ({"en": 0.0, "de": 0.6, "fr": 0.1, "es": 0.2, "it": 0.1}, ("de", "fr", "es", "it"), 0.4),  # a tie: claim less
        ({"de": 1.0}, (), 0.0),
    ],
)
def test_the_domains_that_stand_out(parts: dict[str, float], domains: tuple[str, ...], clarity: float) -> None:
    found, how_clearly = most_concerned(parts)
    assert found == domains
    assert how_clearly == pytest.approx(clarity)


def test_concentration_sums_to_one_and_survives_a_subcomponent_that_never_fires() -> None:
    assert sum(concentration({"en": 0.3, "de": 0.1}, {"en": 0.5, "de": 0.5}).values()) == pytest.approx(1)
    assert concentration({"en": 0.03, "de": 0.01}, {"en": 0.0, "de": 0.0}) == pytest.approx({"en": 0.75, "de": 0.25})
    assert concentration({"en": 0.0}, {"en": 0.0}) == {"en": 0.0}


@pytest.mark.parametrize("size", range(1, 12))
def test_a_subject_leaves_room_for_a_token(size: int) -> None:
    known = ("en", "de", "fr", "es", "it", "nl", "pt", "sv", "da", "source code", "chat", "pl")
    for domains in (known[:size], known[1 : size + 1]):
        assert len(text_of(domains, known).split()) <= 6
    assert len(text_of(("de", "fr", "es", "it", "nl"), ("en", "de", "fr", "es", "it", "nl")).split()) <= 6


def test_a_token_is_one_word() -> None:
    assert [quoted(t) for t in (" der", "a b", "\n\n", " ", "\ufffd")] == [
        '"der"', '"a_b"', "line-break", "space", "half-character",
    ]  # fmt: skip


class Same:
    """Says the same of everything, except that it fails at as many as told, with some reasons in turn."""

    name, most_failures = "same", 0.2

    def __init__(self, text: str, failures: int = 0) -> None:
        self.text, self.failures = text, failures

    def label_many(self, evidence: Iterable[Evidence]) -> list[Label | Failure]:
        good = Label(self.text, "because", {}, 0.5, ("de",))
        reasons = ["slow", "slow", "slow", "gone", "gone", "mad", "bad"]
        return [Failure(reasons[i]) if i < self.failures else good for i, _ in enumerate(evidence)]


def test_a_label_of_nine_words_is_refused(known: Harvested) -> None:
    with pytest.raises(PrefactorError, match=r"same: layers\.0\.german:0: .* has 9 words"):
        label_all(read_evidence(*known), Same("one two three four five six seven eight nine"))


def test_a_failure_is_a_row_without_a_label(known: Harvested) -> None:
    table = label_all(read_evidence(*known), Same("a label", failures=3))
    row = table.to_pylist()[0]
    assert (row["subcomponent"], row["labeller"]) == ("layers.0.german:0", "same")
    assert [row[name] for name in ("label", "reasoning", "score", "domains")] == [None] * 4
    assert json.loads(row["evidence"]) == {"failure": "slow"}
    assert table.to_pylist()[3]["domains"] == ["de"]
    assert summary(table) == {"labelled": len(KNOWN) - 4, "clear": len(KNOWN) - 4, "failed": 3, "dead": 1}


def test_too_many_failures_are_refused_with_their_commonest_reasons(
    known: Harvested,
) -> None:
    with pytest.raises(PrefactorError) as caught:
        label_all(read_evidence(*known), Same("a label", failures=7))
    assert f"same: 7 of {len(KNOWN) - 1} subcomponents got no label" in str(caught.value)
    assert "most_failures = 0.2 of them: 3 × slow; 2 × gone; 1 × mad; and 1 more reasons." in str(caught.value)


def test_a_harvest_that_contradicts_itself_is_refused(known: Harvested) -> None:
    subcomponents, examples, tokens, fires = known
    with pytest.raises(PrefactorError, match=r"layers\.0\.german:0 has examples but no row"):
        list(read_evidence(subcomponents.slice(1), examples, tokens, fires))
    with pytest.raises(PrefactorError, match="'output_pmi'"):
        list(read_evidence(subcomponents.drop_columns(["output_pmi"]), examples, tokens, fires))


def test_the_stage(known: Harvested, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stages.label import main

    monkeypatch.chdir(tmp_path)
    folder = Path("data/harvest")
    write_part(folder, "subcomponents", known[0], {"tokens": {"all": known[2]}, "threshold": known[3]})
    write_part(folder, "examples", known[1])
    Path("params.yaml").write_text("label:\n  labeller: {kind: deterministic, clear: 0.4}\n")
    main()
    first = Path("data/label/labels/labels.parquet").read_bytes()
    main()
    assert Path("data/label/labels/labels.parquet").read_bytes() == first
    table = pq.read_table(part(Path("data/label"), "labels"))
    assert table["subcomponent"].equals(known[0]["subcomponent"])
    assert summary(table) == {"labelled": len(KNOWN) - 1, "clear": len(KNOWN) - 3, "failed": 0, "dead": 1}

"""The prompt for small models, and labelling only some subcomponents with a model."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefactor.config.label import DeterministicLabeller, LabelConfig, LlmLabelling
from prefactor.config.llm import Llm
from prefactor.config_check.pipeline import PipelineConfig, check
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import write_part
from prefactor.label.deterministic import Deterministic
from prefactor.label.evidence import Window, read_evidence
from prefactor.label.labeller import Label, Part, is_clear, label_all, repeated, summary
from prefactor.label.llm_labeller.labeller import LlmLabeller, estimate
from prefactor.label.only import part_of
from prefactor.llm.endpoint import Endpoint
from prefactor.llm.prompt import Failure
from tests.endpoint import KEY, MODEL, Server, serving, wrote
from tests.test_label import Harvested, harvest
from tests.test_label_llm import DOMAINS, EVIL, RULES, evidence

ROOT = Path(__file__).resolve().parent.parent
GERMAN = json.dumps({"domain": "German", "words": "any"})


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def known() -> Harvested:
    return harvest(RULES, DOMAINS)


def labeller(server: Server, folder: Path, **changes: Any) -> LlmLabeller:
    endpoint = Llm(concurrency=2, timeout=60.0, retries=1, attempts=2, most_failures=changes.pop("most_failures", 0.05))
    config = LlmLabelling(kind="llm", prompt="short", endpoint=endpoint, **changes)
    return LlmLabeller(config, Endpoint(server.url, MODEL, KEY), folder)


# The prompt


def test_the_question_is_of_the_form_of_the_examples(tmp_path: Path) -> None:
    windows = [
        Window("de", 1, ("Ein", " Hund", "!"), (0.0, 0.9, 0.0), (0.0, 1.0, 0.0)),
        Window("de", 1, ("x" * 99, " Hund", "\n" * 99), (0.0, 0.9, 0.0), (0.0, 1.0, 0.0)),
        Window("fr", 0, (" le", " chat"), (0.5, 0.0), (1.0, 0.0)),
        *[Window("fr", 0, ("\n",), (0.5,), (1.0,))] * 9,
    ]
    shares = {"en": 0.25, "de": 0.5, "fr": 0.25}
    with serving(lambda prompt, nth: wrote(GERMAN)) as server:
        (label,) = labeller(server, tmp_path, windows=4).label_many([evidence(*windows, share=shares)])
        (body,) = server.bodies
    assert isinstance(label, Label) and (label.text, label.domains, label.score) == ("German text", ("de",), None)
    assert (
        label.reasoning == 'Shown: German 50%, English 25%, French 25% of the firings; "Hund" 2, "le" 1 of 12 examples.'
    )
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["system", *["user", "assistant"] * 3, "user"]
    assert body["messages"][-1]["content"].splitlines() == [
        "Domains: German 50%, English 25%, French 25%",
        'Words: "Hund" 2, "le" 1',
        "Lines:",
        '"Ein «Hund»!"',
        '"' + "x" * 32 + " «Hund»" + "\\n" * 32 + '"',
        '" «le» chat"',
        '"«\\n»"',
    ]
    schema = body["response_format"]["json_schema"]["schema"]
    assert list(schema["properties"]) == schema["required"] == ["domain", "words"]
    assert schema["properties"]["domain"]["enum"] == ["English", "German", "French", "no domain"]
    for message in body["messages"][2:-1:2]:  # the worked examples keep to it, but for their own domains
        assert list(json.loads(message["content"])) == ["domain", "words"]


def test_it_is_short_whatever_the_texts_are(tmp_path: Path) -> None:
    windows = [Window("en", 1, (EVIL * 9, EVIL, EVIL * 9), (0.0, 0.9, 0.0), (0.0, 1.0, 0.0))] * 30
    with serving(lambda prompt, nth: wrote(GERMAN)) as server:
        prompt = labeller(server, tmp_path).prompt(evidence(*windows))
    sent = "".join(text for _, text in prompt.messages(prompt.user))
    assert len(sent.encode()) < 3 * 700  # of plain text three bytes a token is few
    shown = prompt.user.partition("Lines:\n")[2].splitlines()
    assert len(shown) == 4 and all("«" in json.loads(line) for line in shown)
    assert "<" not in prompt.user


def test_no_domain_is_no_claim(known: Harvested, tmp_path: Path) -> None:
    with serving(lambda prompt, nth: wrote('{"domain": "no domain", "words": "Digits"}')) as server:
        labels = labeller(server, tmp_path).label_many([evidence()])
    assert [(label.text, label.domains) for label in labels if isinstance(label, Label)] == [("Digits", None)]


@pytest.mark.parametrize(
    ("domain", "words", "text", "domains"),
    [
        ("German", "articles before nouns", "German text: articles before nouns", ("de",)),
        ("German", "any", "German text", ("de",)),
        ("German", "Any words", "German text", ("de",)),
        ("no domain", "digits", "digits", None),
        ("no domain", "any", "unclear: any", None),
        ("German", "unclear", "German text: unclear", ("de",)),
        ("no domain", "Unclear: names", "unclear: names", None),
    ],
)
def test_domain_and_words_make_a_label(
    tmp_path: Path, domain: str, words: str, text: str, domains: tuple[str, ...] | None
) -> None:
    with serving(lambda prompt, nth: wrote(json.dumps({"domain": domain, "words": words}))) as server:
        (label,) = labeller(server, tmp_path).label_many([evidence()])
    assert isinstance(label, Label) and (label.text, label.domains) == (text, domains)
    assert is_clear(label.text) == (not text.startswith("unclear"))


@pytest.mark.parametrize(
    ("domain", "words", "text"),
    [("English", "the", 'English text: "the"'), ("no domain", "h, the, h", 'the tokens "h" "the"')],
)
def test_a_token_that_was_shown_is_a_word(tmp_path: Path, domain: str, words: str, text: str) -> None:
    windows = [Window("en", 0, (token,), (0.9,), (1.0,)) for token in (" the", "h")]
    with serving(lambda prompt, nth: wrote(json.dumps({"domain": domain, "words": words}))) as server:
        made = labeller(server, tmp_path)
        (label,) = made.label_many([evidence(*windows)])
        (failure,) = made.label_many([evidence()])  # to whom nothing was shown
    assert isinstance(label, Label) and label.text == text
    assert isinstance(failure, Failure) or words == "h, the, h"


def test_an_echo_is_asked_again_and_then_a_failure(known: Harvested, tmp_path: Path) -> None:
    echo = json.dumps({"domain": "German", "words": "nothing else in common"})
    form = json.dumps({"domain": "French", "words": "words"})

    def script(prompt: str, nth: int) -> Any:
        if "could not be used: label: it repeats the instructions" in prompt:
            return wrote(GERMAN)
        return wrote(form if "French 100%" in prompt else echo)

    with serving(script) as server:
        table = label_all(read_evidence(*known), labeller(server, tmp_path, most_failures=0.5))
    rows = {row["subcomponent"].split(".")[-1].split(":")[0]: row for row in table.to_pylist()}
    assert rows["german"]["label"] == "German text" and rows["french"]["label"] is None
    assert "2 times: label: it is a placeholder" in json.loads(rows["french"]["evidence"])["failure"]
    assert summary(table)["failed"] == 1


@pytest.mark.parametrize(("domain", "words"), [("German", "French articles"), ("no domain", "English digits")])
def test_words_that_name_another_domain_make_none(tmp_path: Path, domain: str, words: str) -> None:
    with serving(lambda prompt, nth: wrote(json.dumps({"domain": domain, "words": words}))) as server:
        (failure,) = labeller(server, tmp_path).label_many([evidence()])
    assert isinstance(failure, Failure) and failure.reason.endswith("words: they name another domain than `domain`")


# Labels that are all the same


def test_repeated_labels_are_counted_and_kept(known: Harvested, tmp_path: Path) -> None:
    shouted, said = GERMAN.replace("any", "NAMES"), GERMAN.replace("any", "names")
    with serving(lambda prompt, nth: wrote(shouted if "French 100%" in prompt else said)) as server:
        made = labeller(server, tmp_path)
        table = label_all(read_evidence(*known), made)
    assert summary(table)["clear"] == 4
    assert repeated(table, made.name) == 4  # whatever the case
    assert repeated(table, "another") == 0


# Only some


def test_the_rest_keep_the_deterministic_label(known: Harvested, tmp_path: Path) -> None:
    rest = Deterministic(DeterministicLabeller(kind="deterministic", clear=0.4))
    plain = {row["subcomponent"]: row for row in label_all(read_evidence(*known), rest).to_pylist()}
    names = frozenset(name for name in plain if ".german:" in name or ".dead:" in name)
    with serving(lambda prompt, nth: wrote('{"domain": "German", "words": "names"}')) as server:
        made = labeller(server, tmp_path)
        part = Part(names, rest)
        assert estimate(read_evidence(*known), made, part).requests == 1
        table = label_all(read_evidence(*known), made, part)
        assert server.asked.total() == 1
    for row in table.to_pylist():
        if ".german:" in row["subcomponent"]:
            assert (row["label"], row["labeller"]) == ("German text: names", made.name)
        elif ".dead:" not in row["subcomponent"]:
            assert row == plain[row["subcomponent"]]


def test_a_failure_is_not_covered_by_the_rest(known: Harvested, tmp_path: Path) -> None:
    rest = Deterministic(DeterministicLabeller(kind="deterministic", clear=0.4))
    names = frozenset(record.subcomponent for record in read_evidence(*known) if ".german:" in record.subcomponent)
    with serving(lambda prompt, nth: wrote("no JSON")) as server:
        with pytest.raises(PrefactorError, match="1 of 1 subcomponents got no label"):
            label_all(read_evidence(*known), labeller(server, tmp_path), Part(names, rest))
        made = labeller(server, tmp_path, most_failures=0.99)
        failed = made.label_many([record for record in read_evidence(*known) if record.subcomponent in names])
    assert isinstance(failed[0], Failure)


def only(query: str) -> LabelConfig:
    return LabelConfig(labeller=LlmLabelling(kind="llm"), only=query)


def test_the_query_is_on_the_harvest(known: Harvested, tmp_path: Path) -> None:
    write_part(tmp_path / "harvest", "subcomponents", known[0], {"tokens": {"all": known[2]}, "threshold": known[3]})
    assert part_of(LabelConfig(labeller=LlmLabelling(kind="llm")), tmp_path) is None
    for query, found in [
        ("domain.de > 0.9", {"german"}),
        ("domain.de > 0.9 or importance.fr > 0.4 and density < 1", {"german", "french"}),
        ("module ~ fr", {"french"}),
    ]:
        part = part_of(only(query), tmp_path)
        assert part is not None and {name.split(".")[-1].split(":")[0] for name in part.names} == found
    for query, said in [
        ("density > 2", r"label.only = 'density > 2': no subcomponent that is alive satisfies it"),
        ("domain.it > 0.5", 'at character 1: no domain is called "it"'),
        ("density >", "needs a number"),
    ]:
        with pytest.raises(PrefactorError, match=said):
            part_of(only(query), tmp_path)


def params(label: dict[str, Any]) -> PipelineConfig:
    whole = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    return PipelineConfig.model_validate(whole | {"label": label})


LLM = {"labeller": {"kind": "llm"}}


def test_the_query_is_checked_before_anything_runs() -> None:
    check(params(LLM | {"only": "domain.de > 0.3 and density < 0.2"}))
    for query, said in [
        ("domain.dee > 0.3", 'at character 1: no domain is called "dee"; did you mean `de`'),
        ("density > much", '">" needs a number, found "much"'),
        ("label ~ german", "label is not known before the label stage; compare the harvest's figures"),
        ("german", "label is not known before the label stage"),
        ("domain.de > 0.3 and causal.it < 0.1", "causal.it is not known before the effects stage"),
        ("detection > 0.6", "detection is not known before the score stage"),
    ]:
        with pytest.raises(PrefactorError) as caught:
            check(params(LLM | {"only": query}))
        assert str(caught.value).startswith(f"params.yaml: label.only = {query!r}: ") and said in str(caught.value)


def test_only_is_for_a_labeller_that_costs() -> None:
    free = {"kind": "deterministic", "clear": 0.4}
    with pytest.raises(ValueError, match="the deterministic one is free; leave only out"):
        params({"labeller": free, "only": "density < 0.2"})
    with pytest.raises(ValueError, match="rest labels what only leaves out"):
        params(LLM | {"rest": free})
    assert params(LLM | {"only": "density < 0.2", "rest": free | {"clear": 0.7}}).label.rest.clear == 0.7

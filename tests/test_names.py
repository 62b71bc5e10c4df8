"""Names of edits, shortlists, baselines and domains: what is accepted is usable everywhere, the rest is refused."""

import ast
import inspect
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from typer.testing import CliRunner

from prefactor.cli.main import app
from prefactor.config.domains import Domains
from prefactor.config.names import domain_name, entry_name
from prefactor.config_check.domains import LABEL_WORDS, check_domains_in_labels
from prefactor.corpus.languages import one_word
from prefactor.errors import ParamsError, PrefactorError
from prefactor.export import to_params
from prefactor.export.to_params import check_name
from prefactor.label import deterministic, tokens
from prefactor.label.about import text_of
from prefactor.label.labeller import DEAD, UNCLEAR
from prefactor.label.tokens import CLASSES
from prefactor.model import kept
from prefactor.query.words import words_of
from prefactor.workspace import Workspace
from stages.check import read_pipeline
from tests.malformed import SAME
from tests.tiny import tiny_blocks, tiny_decomposed

TEXT = (Path(__file__).resolve().parent.parent / "params.yaml").read_text(encoding="utf-8")
FILES = "text: {source: files, files: [{path: a, domain_column: d}]}"


def complaint(folder: Path, text: str) -> str | None:
    """What is said of params with this text; None if they are accepted."""
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    try:
        read_pipeline()
    except ParamsError as error:
        assert "\n" not in str(error)
        return str(error)
    return None


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


NO_TEXTS = ["2024", "1e3", "true", "null", "~", "0x10", "0o7", "2024-01-01", ".inf", "1_000.5", "? [a, b]\n  "]
NO_NAMES = [
    '"2024"', '"1e3"', '"true"', "no", "yes", "'null'", "on", "con", "com1", "-x", "a/b", "..", '"a b"', "A", "é",
    "a.b", "a@b", "my_edit", '""', '"a\\nb"', "x" * 61, "${x}", "$x", "a:b", "'*'",
]  # fmt: skip


@pytest.mark.parametrize(
    ("section", "written"),
    [("edits", written) for written in NO_TEXTS + NO_NAMES]
    + [
        (section, written) for section in ("shortlists", "baselines") for written in ("2024", '"2024"', "my_edit", "no")
    ],
)
def test_the_gate_refuses_a_name_that_is_no_text_folder_or_stage(here: Path, section: str, written: str) -> None:
    first = {"edits": "scalar: {meth", "shortlists": "german-random: {dom", "baselines": "lora-1: {meth"}[section]
    text = TEXT.replace(f"\n  {first}", f"\n  {written}: {first.partition(': ')[2]}", 1)
    assert text != TEXT
    said = complaint(here, text)
    assert said is not None and said.startswith(f"params.yaml: {section}")
    assert ("YAML reads as" in said) == (written in NO_TEXTS)


@pytest.mark.parametrize(
    "written", ["my_edit", "2024", "con", "", "Ä", "a b", "-x", "x" * 61, "scalar", "lora-1", "german"]
)
def test_saving_refuses_the_same_and_what_is_taken_before_anything_is_made(here: Path, written: str) -> None:
    (here / "params.yaml").write_text(TEXT, encoding="utf-8")
    with pytest.raises(PrefactorError):
        check_name(here / "params.yaml", written)
    done = CliRunner().invoke(app, ["edit", "--remove", "de", f"--save={written}"])  # there is no data to make one of
    assert done.exit_code == 2 and done.stderr.count("\n") == 1
    assert "--save" in done.stderr or "already" in done.stderr


@pytest.mark.parametrize("step", ["measure", "export"])
def test_params_are_written_after_all_else_succeeded(here: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    (here / "params.yaml").write_text(TEXT, encoding="utf-8")

    class Made:
        def measure(self) -> list[Any]:
            self.fail("measure")
            return []

        def export(self, folder: Path) -> Path:
            self.fail("export")
            return folder

        def fail(self, now: str) -> None:
            if now == step:
                raise PrefactorError("the disk is full")

    monkeypatch.setattr(Workspace, "remove", lambda *args, **kwargs: Made())
    monkeypatch.setattr(to_params, "save_edit", lambda *args: pytest.fail("saved"))
    done = CliRunner().invoke(app, ["edit", "--remove", "de", "--save", "by-hand", "--export", "adapter"])
    assert done.exit_code == 2 and done.stderr == "prefactor: error: the disk is full\n"


NAMES = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=20)


def is_name(text: str) -> bool:
    try:
        return entry_name(text) == text
    except ValueError:
        return False


@SAME
@given(NAMES.filter(is_name))
def test_an_accepted_name_is_a_text_in_every_yaml_and_one_part_of_a_path(accepted: str) -> None:
    written = f"{accepted}: {accepted}"
    for read in (yaml.safe_load(written), YAML(typ="safe").load(written)):  # YAML 1.1, and 1.2 as DVC reads it
        assert read == {accepted: accepted}
    assert Path(accepted).name == accepted and not accepted.startswith("-")


@settings(SAME, max_examples=1)
@given(st.lists(NAMES.filter(is_name), min_size=40, max_size=40, unique=True))
def test_dvc_makes_a_stage_of_every_accepted_name(
    tmp_path_factory: pytest.TempPathFactory, accepted: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("dvc")
    stage = {"foreach": "${edits}", "do": {"cmd": "echo ${key}", "params": ["edits.${key}"], "outs": ["data/${key}"]}}
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"edit": stage}}), encoding="utf-8")
    lines = "".join(f"  {one}: {{method: scalar}}\n" for one in accepted)
    (folder / "params.yaml").write_text(f"edits:\n{lines}", encoding="utf-8")
    code = (
        "from dvc.repo import Repo\n"
        "for stage in Repo.init('.', no_scm=True).index.stages:\n"
        "    print(stage.addressing, stage.cmd, *(dep.read_params() for dep in stage.deps))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wanted = [f"edit@{one} echo {one} {{'edits.{one}': {{'method': 'scalar'}}}}" for one in accepted]
    assert sorted(line for line in done.stdout.splitlines() if line.startswith("edit@")) == sorted(wanted)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("2024", "has the key 2024, which YAML reads as a number; write it in quotes"),
        ("true", "has the key True"),
        ("null", "has the key None"),
        ("text", 'the domain "text": labels use the word "text" for something else'),
        ("not", 'the domain "not"'),
        ("Token", 'labels use the word "token"'),
        ("space", 'labels use the word "space"'),
        ("german", 'labels call both "de" and "german" german'),
        ("DE", "'de' and 'DE' differ by case alone"),
        ("error_de", "shares a column with the errors of 'de'"),
        ("-x", "without a leading -"),
        ("'x\"y'", 'without " and'),
        ('"a\\nb"', "without control characters"),
        ("' a'", "single blanks"),
        ("''", "write a tag"),
        ("'...'", "labels drop such marks"),
        ("x" * 61, "it has 61 characters"),
        ("'\u202eab'", "without control characters"),
    ],
)
def test_a_domain_that_cannot_be_told_is_refused(here: Path, written: str, said: str) -> None:
    text = TEXT.replace("text: {source: generated, zipf: 1.0, quote_rate: 0.03, chat_rate: 0.15}", FILES)
    message = complaint(here, text.replace("it: 0.125}", f"{written}: 0.125}}").replace("es, it]", "es]"))
    assert message is not None and said in message and message.startswith("params.yaml: corpus.shares")


ODD_DOMAINS = [
    "code review", "C++", "news/politics", "d'ivoire", "français", "中文", "(odd)", "x=1", "<10k", "2024", "or", "con",
    "a.b",
]  # fmt: skip


@pytest.mark.parametrize("domain", ODD_DOMAINS)
def test_an_odd_domain_passes_the_gate_and_can_be_removed_by_hand(here: Path, domain: str) -> None:
    text = TEXT.replace("text: {source: generated, zipf: 1.0, quote_rate: 0.03, chat_rate: 0.15}", FILES)
    quoted = "'" + domain.replace("'", "''") + "'"
    query = "'domain.\"DOMAIN\" > 0.5'".replace("DOMAIN", domain.replace("'", "''"))
    text = text.replace("it: 0.125}", f"{quoted}: 0.125}}").replace("es, it]", f"es, {quoted}]")
    assert complaint(here, text.replace("query: german -english -french -spanish -italian", f"query: {query}")) is None
    work = Workspace(here)
    work.__dict__["domains"] = ["en", "de", domain]
    labels = {one: text_of([one], work.domains) for one in work.domains}
    work.__dict__["table"] = pd.DataFrame(
        [{"subcomponent": one, "label": said, "alive": True, "mean_importance": 1.0} for one, said in labels.items()]
    )
    for one in work.domains:  # its own query finds it, and no other's
        assert list(work.components(query=work.query(one))["subcomponent"]) == [one]
    assert Domains(target=domain, retain=("en",)).target == domain
    assert work.domain(domain) == domain


def test_a_domain_is_the_same_however_its_letters_are_encoded() -> None:
    assert domain_name("franc\u0327ais") == domain_name("fran\u00e7ais") == "fran\u00e7ais"
    assert Domains(target="franc\u0327ais", retain=("en",)).target == "fran\u00e7ais"


@pytest.mark.parametrize("domain", ["news/politics", "../x", "a" * 60, "中" * 60, "[x]*", "de"])
def test_what_is_kept_of_a_domains_text_needs_no_file_of_its_name(tmp_path: Path, domain: str) -> None:
    model = tiny_decomposed(2).target
    folder = tmp_path / "in" / "kept"
    first = kept.hold_out_once(model, tiny_blocks(2, 0), {}, folder, domain)
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert file.parent == folder
    again = kept.hold_out_once(model, tiny_blocks(2, 0), {}, folder, domain)
    assert again.ce == pytest.approx(first.ce)
    kept.hold_out_once(model, tiny_blocks(2, 1), {}, folder, domain)
    assert sum(path.is_file() for path in folder.iterdir()) == 1  # of another text; the first one gave way


def test_the_words_of_labels_are_no_domains() -> None:
    """Every word that a label has besides domains, tokens and counts is one that no domain can have."""
    domains = ["en", "de", "fr", "es", "it", "code", "nl"]
    labels = {text_of(domains[:count], domains) for count in range(1, len(domains))}
    labels |= {text_of(domains[1:count], domains[:4]) for count in range(2, 5)} | {*CLASSES, DEAD, UNCLEAR}
    for module in (deterministic, tokens):  # what they write is in their literals: 'document start', f"the token {x}"
        tree = ast.parse(inspect.getsource(module))
        texts = [
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        labels |= {
            text
            for text in texts
            if text.startswith((": ", "the token", "tokens before", "dense:", "document s", "block s"))
        }
    own = {word for domain in domains for word in (domain, *words_of(one_word(domain)))} | set("234567")
    words = {word for label in labels for word in words_of(label)} - own - {""}
    assert (
        {"text", "foreign", "too", "firings", "digits", "the", "before", "dense", "document"}
        <= words
        <= LABEL_WORDS | {":"}
    )
    for word in words - {":"}:
        with pytest.raises(ParamsError, match="rename it"):
            check_domains_in_labels(["en", word])

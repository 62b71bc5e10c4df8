"""Edits by hand from a folder's caches, in Python and on the command line."""

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from peft import AutoPeftModelForCausalLM, PeftModel
from pydantic import TypeAdapter
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

from prefactor.cli.main import app
from prefactor.config.base import parse
from prefactor.config.edits import EditConfig, Reached
from prefactor.config.params import section
from prefactor.config.shortlists import ByName, ShortlistConfig
from prefactor.errors import PrefactorError
from prefactor.export.checkpoint_stack import applied_to, pop, push
from prefactor.export.edited_model import Edited
from prefactor.files.artifacts import sha256, write_json, write_manifest
from prefactor.model.target import logits_of
from prefactor.selection.effect import Candidates, Effect, read_candidates, write_candidates
from prefactor.selection.shortlist import shortlist
from prefactor.workspace import Workspace
from tests.tiny import VOCABULARY, tiny_blocks
from tests.work import GERMAN, build_work


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("work")
    build_work(root)
    return root


@pytest.fixture
def work(folder: Path) -> Workspace:
    return Workspace(folder)


def test_components_are_found_by_label_domain_and_module(work: Workspace) -> None:
    assert list(work.components("german -french")["subcomponent"]) == [GERMAN]
    by_german = work.components(domain="german")
    assert by_german["alive"].all()
    assert by_german["importance_de"].is_monotonic_decreasing
    assert set(work.components(module=r"1\.mlp")["module"].str.split(".").str[1]) == {"1"}
    asked = work.components(query='label ~ "german" and not label ~ "french" and density >= 0')
    assert list(asked["subcomponent"]) == [GERMAN]
    assert list(work.components(query="german -french")["subcomponent"]) == [GERMAN]
    assert list(work.components("german", query="label ~ french")["subcomponent"]) == ["layers.0.self_attn.q_proj:1"]
    with pytest.raises(PrefactorError, match=r"query: at character 1: causal\.de is made by the effects stage"):
        work.components(query="causal.de > 0.1")
    with pytest.raises(PrefactorError, match="no domain is called 'germn': did you mean german"):
        work.components(domain="germn")
    with pytest.raises(PrefactorError, match=r"module '\(' is no regular expression"):
        work.components(module="(")


def test_show_gives_the_row_and_the_windows(work: Workspace) -> None:
    known = work.show(GERMAN)
    assert known["label"] == "German text"
    assert 1 <= len(known["examples"]) <= 3
    assert {example["subcomponent"] for example in known["examples"]} == {GERMAN}
    with pytest.raises(PrefactorError, match=r"'v_proj:2' is no subcomponent; the nearest: .*v_proj:2"):
        work.show("v_proj:2")


def test_a_prefactor_of_one_changes_nothing_and_the_bits_come_back(work: Workspace) -> None:
    rows = work.set({GERMAN: 1.0}, target="de").measure()
    assert [(row["domain"], row["role"]) for row in rows] == [("de", "target"), ("en", "retained"), ("fr", "protected")]
    assert all(row["damage"] == 0 for row in rows)
    before = {name: p.clone() for name, p in work.model.target.state_dict().items()}
    inverted = work.set({GERMAN: -1.0}, target="de")
    with inverted.applied():
        assert not torch.equal(
            work.model.target.state_dict()[f"model.{GERMAN[:-2]}.weight"], before[f"model.{GERMAN[:-2]}.weight"]
        )
    assert all(torch.equal(p, before[name]) for name, p in work.model.target.state_dict().items())


def test_the_adapter_and_the_merged_checkpoint_are_the_edit(
    work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = work.set({GERMAN: -2.0, "layers.0.mlp.up_proj:0": 3.0}, target="de", retain=["fr"])
    tokens = torch.from_numpy(tiny_blocks(3, 5)).long()
    with made.applied():
        wanted = logits_of(work.model.target, tokens)
    merged = AutoModelForCausalLM.from_pretrained(made.merge(tmp_path / "merged")).eval()
    assert torch.equal(logits_of(merged, tokens), wanted)
    base = AutoModelForCausalLM.from_pretrained(work.data / "target" / "checkpoint")
    stock = PeftModel.from_pretrained(base, str(made.export(tmp_path / "adapter"))).eval()
    monkeypatch.chdir(tmp_path)  # what the adapter says of its base holds in any folder
    AutoPeftModelForCausalLM.from_pretrained("adapter")
    weights = work.data / "target" / "checkpoint" / "model.safetensors"
    assert sha256(weights) in (tmp_path / "adapter" / "README.md").read_text()
    torch.testing.assert_close(logits_of(stock, tokens), wanted, atol=1e-5, rtol=0)


def test_remove_chooses_by_label_and_effect_and_can_be_saved(work: Workspace, tmp_path: Path) -> None:
    made = work.remove("German", tokens=3)
    assert list(made.prefactors) == [GERMAN]  # the only label of German alone
    assert (made.edit.domains.target, made.edit.domains.retain, made.edit.domains.protect) == ("de", ("en",), ("fr",))
    again = work.remove("de", tokens=3, subcomponents=[GERMAN])
    assert again.prefactors == made.prefactors
    guarded = work.remove("de", tokens=3, subcomponents=[GERMAN], guarded=True)
    assert guarded.edit.method == "guarded"
    with pytest.raises(PrefactorError, match="at least 1 token"):
        work.remove("de", tokens=0)
    with pytest.raises(PrefactorError, match="de cannot be both removed and retained"):
        work.remove("de", tokens=3, retain=["de"])


def test_a_removal_may_stop_at_the_unigram_bar_of_its_own_domain(work: Workspace) -> None:
    assert (work.bars.unigram["de"], work.chance) == (3.0, pytest.approx(math.log(VOCABULARY)))
    far, near = (work.remove("de", 3, subcomponents=[GERMAN], goal=goal) for goal in ("chance", "unigram"))
    assert far.prefactors != near.prefactors


def test_the_learning_rate_is_what_a_stage_chose_or_would_choose(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    root.mkdir()
    (root / "data").mkdir()
    for path in (folder / "data").iterdir():
        (root / "data" / path.name).symlink_to(path)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["optimisers"]["scalar"] |= {"learning_rates": [1e-9, 0.3], "stops": [2, 4], "retain_weight": 0.0}
    # The first rate gets nowhere, and nothing is held.
    params["edit"] |= {"probe_budgets": [1, 6], "probe_seeds": 1, "probe_tokens": 60}
    domains = {"target": "de", "retain": ["en"], "protect": ["fr"]}
    params["edits"] = {"mine": {"method": "scalar", "domains": domains, "shortlist": "german", "goal": "uniform"}}
    (root / "params.yaml").write_text(yaml.safe_dump(params))

    def removed(**other: Any) -> Edited:
        options: dict[str, Any] = {"goal": "uniform"} | other
        return Workspace(root).remove("de", tokens=3, subcomponents=[GERMAN], **options)

    by_hand = removed()
    tried = by_hand.facts["recipes"]
    assert [len([row for row in tried if row["budget"] == budget]) for budget in (1, 6)] == [4, 4]
    for budget in (1, 6):
        own = [row for row in tried if row["budget"] == budget]
        assert next(row for row in own if row["chosen"])["loss"] == min(row["loss"] for row in own)
    assert by_hand.facts["tuned_with"] == 60

    # A stage has made another choice, and 6 tokens are nearer to 3 than 1 is: each budget has its own.
    taken = {row["budget"]: row["learning_rate"] for row in tried if row["chosen"]}
    other = {rate: next(one for one in (1e-9, 0.3) if one != rate) for rate in (1e-9, 0.3)}
    wanted = {1: taken[6], 6: other[taken[6]]}
    odd = [dict(row, chosen=(row["learning_rate"], row["steps"]) == (wanted[row["budget"]], 4)) for row in tried]
    _made(root, odd)
    known = removed()
    assert known.facts["recipes"] == odd and known.prefactors != by_hand.prefactors
    # ... of another goal, of other domains, or among other rates: it is none for this one.
    chance = removed(goal="chance")
    french = removed(retain=["fr"])
    assert chance.facts["recipes"] != odd != french.facts["recipes"]
    _made(root, [row for row in odd if row["steps"] == 2])
    assert removed().facts["recipes"] == tried


def _made(root: Path, recipes: list[dict[str, Any]]) -> None:
    fits = root / "data" / "edit" / "mine" / "fits"
    write_json(fits / "edit.json", {"recipes": recipes})
    write_manifest(fits, ["edit.json"])


def test_what_a_stage_measured_is_taken_until_its_query_matches_others(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    (root / "data" / "label").mkdir(parents=True)
    for path in (folder / "data").iterdir():
        if path.name != "label":
            (root / "data" / path.name).symlink_to(path)
    for path in (folder / "data" / "label").iterdir():
        (root / "data" / "label" / path.name).symlink_to(path)
    choose = {"by": "label", "query": 'label ~ "german"', "rank": "effect"}
    value = {"domains": {"target": "de", "retain": ["en"], "protect": ["fr"]}, "choose": choose}
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["shortlists"] = {"mine": value}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    asked = parse(TypeAdapter(ShortlistConfig), value, "mine")
    both = (GERMAN, "layers.0.self_attn.q_proj:1")
    assert Workspace(root).choose(asked) in both
    for best in both:  # whichever the stage says is the best
        effects: dict[str, Effect | None] = {name: Effect(-2.0, 0.0, float(name != best)) for name in both}
        names = [row.subcomponent for row in shortlist("mine", asked, Workspace(root).table).ranked]
        write_candidates(root / "data" / "candidates" / "mine", Candidates({n: effects[n] for n in names}, {}))
        assert Workspace(root).choose(asked) == best
    assert list(read_candidates(root / "data" / "candidates" / "mine").subcomponents) == names

    other = "layers.0.self_attn.v_proj:1"
    said = ("--author", "Ada", "--reason", "it fires on German", "-C", str(root))
    for name, label in ((GERMAN, "unclear"), (both[1], "unclear"), (other, "German prose")):
        code, _, err = _prefactor("label", "override", name, label, *said)
        assert code == 0, err
    assert Workspace(root).choose(asked) == other
    assert not (folder / "data" / "label" / "overrides.yaml").exists()


def _prefactor(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, list(words))
    return done.exit_code, done.stdout, done.stderr


def test_the_command_line_saves_what_the_dag_can_make_again(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    root.mkdir()
    params = (folder / "params.yaml").read_text()
    (root / "params.yaml").write_text(params.replace("probe_tokens: 2048", "probe_tokens: 60"))
    (root / "data").symlink_to(folder / "data")
    words = ("edit", "-C", str(root), "--remove", "de", "--json")
    code, out, err = _prefactor(*words, "--tokens", "2", "--save", "by-hand")
    assert code == 0, err
    said = json.loads(out)
    assert [part["subcomponent"] for part in said["subcomponents"]] == [GERMAN]
    assert {row["domain"] for row in said["table"]} == {"en", "de", "fr"}
    assert (root / "params.yaml").read_text().startswith("# mine\n")
    assert section("edits.by-hand", EditConfig, root / "params.yaml").shortlist == "by-hand"
    saved = section("shortlists.by-hand", ShortlistConfig, root / "params.yaml")
    assert saved.choose == ByName(by="name", subcomponents=(GERMAN,))
    code, out, err = _prefactor(*words, "--set", f"{GERMAN}=-1.5", "--save", "set")
    assert code == 0, err
    assert section("edits.set", EditConfig, root / "params.yaml").alpha.values == (-1.5,)
    code, out, err = _prefactor(*words, "--reach", "0.5", "--goal", "unigram", "--save", "far")
    assert code == 0, err
    saved = section("edits.far", EditConfig, root / "params.yaml")
    assert (saved.alpha, saved.goal) == (Reached(by="reach", kl=0.5), "unigram")
    for more, complaint in (
        (("--save", "by-hand"), "has an edit 'by-hand' already"),
        (("--save", "By Hand"), "it names a folder and a DVC stage; write it with a-z"),
        (("--rewrite", GERMAN), "it names no token: write module:index=TOKEN"),
        (("--rewrite", f"{GERMAN}=t1 t2"), "write text that is one token"),
        (("--rewrite", f"{GERMAN}=a", "--set", f"{GERMAN}=-1"), "the other of --set and --rewrite"),
        (("--set", f"{GERMAN}=much"), "'much' is no number"),
        (("--tolerance", "0"), "tolerance = 0.0: give a number above 0 and at most 1e+06"),
        (("--tolerance", "nan"), "tolerance = nan: give a number above 0"),
        (("--tolerance", "inf"), "tolerance = inf: give a number above 0"),
        (("--reach", "0"), "reach = 0.0: give a number above 0 and at most 1e+06"),
        (("--reach", "0.1", "--goal", "uniform"), "reach is for goals that cross-entropy tells: chance or unigram"),
        (("--reach", "0.1", "--tokens", "8"), "--tokens 8: an edit that is set and not fitted reads none"),
        (("--reach", "0.1", "--tolerance", "0.1"), "fit on at least 1 token, or on 0 with a tolerance or a reach"),
        (("--tolerance=-0.1",), "tolerance = -0.1: give a number above 0"),
        (("--tokens=-3",), "tokens = -3: give a whole number from 0"),
        (("--tokens", "0"), "fit on at least 1 token"),
        (("--tokens", "100000000"), "tokens = 100000000: the fit split of de has only 120 tokens"),
        (
            ("--tokens", "31"),
            "tokens = 31: the fit split of de has only 120 tokens, and 11 blocks of 12 are drawn; use",
        ),
        (("--seed=-1",), "seed = -1: give a whole number from 0"),
        (("--set", f"{GERMAN}=nan"), f"{GERMAN} = nan: give a number from -1e+06 to 1e+06"),
        (("--set", f"{GERMAN}=1e300"), f"{GERMAN} = 1e+300: give a number"),
        (("--rewrite", f"{GERMAN}=t1", "--strength", "nan"), "strength = nan: give a number"),
        (("--rewrite", f"{GERMAN}=t1", "--strength=-inf"), "strength = -inf: give a number"),
        (("--tolerance", "0.1", "--tokens", "8"), "--tokens 8: an edit that is set and not fitted reads none"),
        (("--set", "nothing=-1"), "'nothing' is no subcomponent; the nearest:"),
        (("--set", f"{GERMAN}=-1", "--guarded"), "leave out --component, --query, --guarded"),
        (("--merge", str(root)), "is there already"),
    ):
        code, _, err = _prefactor(*words, *more)
        assert code == 2
        assert err.startswith("prefactor: error: ") and err.count("\n") == 1
        assert complaint in err


def test_edits_go_on_a_checkpoint_one_on_top_of_the_other_and_come_off_bit_for_bit(
    work: Workspace, tmp_path: Path
) -> None:
    checkpoint, names = tmp_path / "copy", (GERMAN, "layers.0.self_attn.q_proj:1", "layers.1.self_attn.v_proj:3")
    shutil.copytree(work.data / "target" / "checkpoint", checkpoint)
    before = load_file(checkpoint / "model.safetensors")
    with pytest.raises(PrefactorError, match="no edit to take off"):
        pop(checkpoint)
    for i in range(2):  # both change v_proj
        push(checkpoint, f"e.{i}", work.set(dict.fromkeys(names[i:], 2.5), target="de").change)
    assert applied_to(checkpoint) == ["e.0", "e.1"]
    tokens = torch.from_numpy(tiny_blocks(3, 5)).long()
    both = work.set({names[0]: 2.5, names[1]: 4.0, names[2]: 4.0}, target="de")
    with both.applied():
        wanted = logits_of(work.model.target, tokens)
    stock = AutoModelForCausalLM.from_pretrained(checkpoint).eval()
    torch.testing.assert_close(logits_of(stock, tokens), wanted, atol=1e-4, rtol=0)
    assert (pop(checkpoint), pop(checkpoint)) == ("e.1", "e.0")
    after = load_file(checkpoint / "model.safetensors")
    assert before.keys() == after.keys() and all(torch.equal(before[key], after[key]) for key in before)
    with pytest.raises(PrefactorError, match="no checkpoint"):
        push(tmp_path, "e", both.change)
    cached = str(work.data / "target" / "checkpoint")
    code, _, err = _prefactor("apply", "any", cached, "-C", str(work.data.parent))
    assert code == 2 and "apply to a copy" in err


def test_the_command_line_shows_tables(folder: Path) -> None:
    code, out, err = _prefactor("components", "german", "-C", str(folder))
    assert code == 0, err
    assert "2 found" in out and GERMAN in out
    code, out, err = _prefactor(
        "components", "--query", 'label ~ "german" and domain.de >= 0', "--json", "-C", str(folder)
    )
    assert code == 0, err
    assert {row["subcomponent"]: row["label"] for row in json.loads(out)}[GERMAN] == "German text"
    assert {"share_de", "importance_de"} <= set(json.loads(out)[0])
    code, _, err = _prefactor("components", "--query", "label < 3", "-C", str(folder))
    assert code == 2 and 'query: at character 7: "<" does not go with label' in err
    query = ("--query", 'label ~ "german" and not label ~ "french"')
    code, out, err = _prefactor("edit", "-C", str(folder), "--remove", "de", "--tokens", "2", "--json", *query)
    assert code == 0, err
    assert [part["subcomponent"] for part in json.loads(out)["subcomponents"]] == [GERMAN]
    code, out, err = _prefactor("show", GERMAN, "-C", str(folder))
    assert code == 0, err
    assert "German text" in out
    code, out, err = _prefactor("edit", "-C", str(folder), "--remove", "de", "--set", f"{GERMAN}=-1")
    assert code == 0, err
    assert "protected" in out


@pytest.mark.parametrize(
    ("method", "words", "said"),
    [
        ("remove", {"tokens": 2.0}, "tokens = 2.0: give a whole number from 0"),
        ("remove", {"tokens": True}, "tokens = True: give a whole number"),
        ("remove", {"tokens": "4"}, "tokens = 4: give a whole number"),
        ("remove", {"tokens": 3, "seed": 2**64}, f"seed = {2**64}: give a whole number"),
        ("remove", {"tokens": 10**8}, "tokens = 100000000: the fit split of de has only 120 tokens"),
        ("remove", {"tokens": 0, "tolerance": float("-inf")}, "tolerance = -inf: give a number above 0"),
        ("set", {"prefactors": {GERMAN: float("inf")}}, f"{GERMAN} = inf: give a number"),
        ("set", {"prefactors": {GERMAN: "2"}}, f"{GERMAN} = 2: give a number"),
        ("rewrite", {"subcomponent": GERMAN, "toward": "t1", "strength": 1e7}, "strength = 10000000.0: give a number"),
    ],
)  # fmt: skip
def test_numbers_are_checked_where_they_enter(work: Workspace, method: str, words: dict[str, Any], said: str) -> None:
    target = {"subcomponents": [GERMAN]} if method == "remove" else {}
    with pytest.raises(PrefactorError, match=re.escape(said)) as error:
        getattr(work, method)(target="de", **target, **words)
    assert "\n" not in str(error.value) and "params.yaml" not in str(error.value)

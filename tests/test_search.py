"""The search for an edit, on a tiny workspace."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from prefactor.config.edits import EditConfig
from prefactor.config.params import section
from prefactor.corpus.blocks import write_blocks
from prefactor.errors import PrefactorError
from prefactor.export.to_params import save_edit
from prefactor.model.unigram import Bars, write_bars
from prefactor.search import fits, search
from prefactor.search.goal import CLOSE, size_for
from prefactor.search.search import Search
from prefactor.search.space import Space
from prefactor.search.trial import MOST, Proposal, Trial, front_of
from prefactor.workspace import Workspace
from tests.work import build_work, some_blocks


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("work")
    build_work(root)
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["edit"] |= {"probe_tokens": 60}
    params["edits"], params["shortlists"] = {}, {}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    write_bars(root / "data" / "target", Bars(5.5, dict.fromkeys(("en", "de", "fr"), 5.0)))  # above the base model
    return root


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fits, "STEPS", 2)
    monkeypatch.setattr(search, "BETWEEN_FITS", 6)


@pytest.fixture
def make(folder: Path, tmp_path: Path) -> Callable[..., Search]:
    work = Workspace(folder)

    def make(store: str = "store", **more: object) -> Search:
        return Search(work, "de", store=tmp_path / store, **more)  # pyright: ignore[reportArgumentType]

    return make


def run(search: Search, trials: int) -> list[Trial]:
    """What is new until there are so many."""
    new: list[Trial] = []
    search.run(1e5, new.append, lambda: len(search.trials()) >= trials)
    return new


def plain(trials: list[Trial]) -> list[Trial]:
    return [replace(trial, seconds=0.0) for trial in trials]


def test_the_same_seed_makes_the_same_trials_also_after_a_stop(make: Callable[..., Search]) -> None:
    whole = make("a")
    assert len(run(whole, 24)) == 24
    assert {trial.source for trial in whole.trials()} == {"alone", "partway", "fitted", "search"}
    run(make("b"), 9)
    assert len(run(make("b"), 24)) == 15  # another command goes on
    assert plain(make("b").trials()) == plain(whole.trials())
    other = make("c", seed=1)
    run(other, 24)
    assert plain(other.trials()) != plain(whole.trials())


def test_nothing_is_tried_twice_and_the_front_is_what_none_dominates(make: Callable[..., Search]) -> None:
    tried = make()
    run(tried, 20)
    found = tried.trials()
    assert [trial.number for trial in found] == list(range(20))
    assert len({(trial.subcomponents, trial.prefactors, trial.guarded, trial.ridge) for trial in found}) == 20
    front = tried.front()
    assert front and all(not other.dominates(trial) for trial in front for other in found)
    for trial in found:
        assert 1 <= len(trial.subcomponents) == len(trial.prefactors) == len(trial.labels) <= MOST
        assert trial.gap >= 0 and set(trial.damage) == {"de", "en", "fr"}
        assert trial.worst == max(trial.damage["en"], trial.damage["fr"]) == trial.damage[trial.worst_domain]


def test_a_repeated_proposal_costs_nothing_and_the_sampler_is_told(
    make: Callable[..., Search], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = make()
    run(tried, 12)
    seen = tried._whole()[0].user_attrs
    repeated = Proposal(tuple(seen["subcomponents"]), tuple(seen["proportions"]), seen["guard"], seen["ridge"])
    asked = [repeated, repeated, Proposal((tried.pool[0],), (-1.0,), None, None)]
    sampler = tried._sampler
    monkeypatch.setattr("prefactor.search.sampler.REPEATS", 5)
    monkeypatch.setattr(sampler.space, "proposal", lambda params: asked.pop(0))
    new = sampler.next(tried._whole(), tried._values(), {})
    assert new is not None and new.proportions == (-1.0,) and not asked
    told = [trial.values for trial in sampler._study.trials[-3:]]
    assert told == [[seen["gap"], seen["worst"]]] * 2 + [None]
    monkeypatch.setattr(sampler.space, "proposal", lambda params: repeated)
    assert sampler.next(tried._whole(), tried._values(), {}) is None  # there is nothing new


def test_two_at_once_share_what_they_try(make: Callable[..., Search]) -> None:
    one, other = make(), make()
    with (
        one.store.claim("ab" * 12) as mine,
        other.store.claim("ab" * 12) as theirs,
        other.store.claim("cd" * 12) as free,
    ):
        assert (mine, theirs, free) == (True, False, True)
    with other.store.claim("ab" * 12) as after:
        assert after
    new = run(one, 6)
    assert [trial.key for trial in other.trials()] == [trial.key for trial in new]
    run(other, 12)
    keys = [trial.key for trial in one.trials()]
    assert len(keys) == len(set(keys)) == 12


def test_a_half_written_line_of_a_killed_command_is_no_harm(make: Callable[..., Search]) -> None:
    tried = make()
    run(tried, 3)
    with tried.store.path.open("a") as file:
        file.write('{"op_code": 4, "wor')
    again = make()
    assert plain(again.trials()) == plain(tried.trials())
    run(again, 5)
    assert len(make().trials()) == 5
    tried.store.path.write_text("nothing\nof ours\n")
    with pytest.raises(PrefactorError, match=r"is damaged .*: remove it"):
        make()


def test_a_kept_edit_is_the_same_through_the_params(make: Callable[..., Search], folder: Path, tmp_path: Path) -> None:
    tried = make()
    run(tried, 16)
    for trial in [*tried.front(), next(trial for trial in tried.trials() if trial.guarded)]:
        made = tried.edited(trial)
        assert tuple(made.prefactors.values()) == trial.prefactors and made.edit.domains == tried.domains
        params = tmp_path / f"params{trial.number}.yaml"
        shutil.copy(folder / "params.yaml", params)
        save_edit(params, "found", made.edit, trial.subcomponents)
        edit = section("edits.found", EditConfig, params)
        again = tried.work._set(edit, list(trial.subcomponents))  # what the stage calls
        assert again.change.keys() == made.change.keys()
        for module, parts in made.change.items():
            assert all(torch.equal(x, y) for x, y in zip(parts, again.change[module], strict=True))
        rows = {row["domain"]: row for row in made.measure()}
        assert rows.keys() == {"de", "en", "fr"}


def test_what_was_measured_is_what_the_edit_does(make: Callable[..., Search]) -> None:
    tried = make()
    run(tried, 10)
    trial = tried.trials()[-1]
    made, text = tried.edited(trial), tried._measuring.text.held
    from prefactor.model.reference import measure

    found = measure(made.target, made.change, text)
    assert {domain: row["damage_own"] for domain, row in found.items()} == pytest.approx(trial.damage, abs=1e-5)


def test_an_interrupt_keeps_what_was_tried(make: Callable[..., Search]) -> None:
    tried = make()

    def interrupt(trial: Trial) -> None:
        if trial.number == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tried.run(1e5, interrupt)
    assert len(make().trials()) == 5


def test_another_text_is_another_problem(make: Callable[..., Search], folder: Path, tmp_path: Path) -> None:
    here = make()
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert Search(Workspace(copy), "de", store=tmp_path / "store").store.path == here.store.path
    write_blocks(copy / "data" / "corpus", "select", some_blocks(30, 17))
    assert Search(Workspace(copy), "de", store=tmp_path / "store").store.path != here.store.path
    assert make(goal="unigram").store.path != here.store.path != make(retain=["fr"]).store.path


def test_errors_say_what_to_do(make: Callable[..., Search], tmp_path: Path) -> None:
    for more, said in (
        ({"goal": "uniform"}, "goal = 'uniform': a search is for what cross-entropy tells"),
        ({"retain": ["fr", "xx"]}, "no domain is called 'xx'"),
        ({"seed": -1}, "seed = -1: give a whole number"),
    ):
        with pytest.raises(PrefactorError, match=said):
            make(**more)
    for seconds in (0, -1, float("nan"), float("inf")):
        with pytest.raises(PrefactorError, match=r"seconds = .*: give a number above 0"):
            make().run(seconds)
    with pytest.raises(PrefactorError, match=r"query = 'klingon' matches no subcomponent .*; the nearest: .*change it"):
        make(query="klingon")
    with pytest.raises(PrefactorError, match="query: at character"):
        make(query="density ~~ 1")
    (tmp_path / "file").write_text("")
    with pytest.raises(PrefactorError, match=r"file.* cannot be written .*: make its folder writable"):
        make("file/below")


PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12)


@given(PAIRS)
def test_a_front_is_all_that_none_dominates(pairs: list[tuple[int, int]]) -> None:
    blank = Trial(0, ("m:0",), ("",), (0.0,), None, None, 0.0, 0.0, "en", {}, 0.0)
    trials = [replace(blank, number=n, gap=gap, worst=worst) for n, (gap, worst) in enumerate(pairs)]
    front = front_of(trials)
    assert all(not other.dominates(trial) for trial in front for other in trials)
    undominated = {(t.gap, t.worst) for t in trials if not any(other.dominates(t) for other in trials)}
    assert [(t.gap, t.worst) for t in front] == sorted(undominated)


@given(st.floats(0.5, 50.0), st.floats(0.5, 3.0))
def test_the_size_is_where_the_goal_is_reached(root: float, power: float) -> None:
    found = size_for(lambda size: 5 * (1 - (size / root) ** power))
    assert found.short <= 0 and (found.short >= -CLOSE or found.size <= root * 1.6)


def test_where_the_goal_is_out_of_reach_the_nearest_is_taken() -> None:
    found = size_for(lambda size: 1 + (size - 5.12) ** 2)
    assert found.size == pytest.approx(5.12) and found.short == pytest.approx(1)


NAMES = [f"layers.{layer}.{kind}:{i}" for layer in (0, 1) for kind in ("q", "v") for i in range(3)]


@given(
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from([-1.0, -0.5, 0.25, 1.0]), min_size=1, max_size=MOST),
    st.sampled_from([(None, None), ("context", 0.01), ("importance", 0.3)]),
)
def test_the_space_says_a_proposal_and_reads_it_again(moved: dict[str, float], guard: tuple) -> None:
    space, proposal = Space(NAMES), Proposal.of(moved.items(), *guard)
    again = space.proposal(space.params(proposal))
    assert again is not None and again.subcomponents == proposal.subcomponents and again.guard == proposal.guard
    assert again.proportions == pytest.approx(proposal.proportions, abs=0.03)

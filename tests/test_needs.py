"""The gate before all stages asks for exactly what the stages then draw."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from ruamel.yaml import YAML
from transformers import LlamaConfig, LlamaForCausalLM

from prefactor.config.base import parse
from prefactor.config.edits import is_fitted
from prefactor.config_check.pipeline import PipelineConfig, check_text, needs
from prefactor.corpus import needs as drawn
from prefactor.corpus.blocks import Blocks, take
from prefactor.edits.objective import draw_known
from prefactor.edits.sweep import fit_text, probe_text
from prefactor.errors import PrefactorError

ROOT = Path(__file__).parents[1]
CHANGES: dict[str, dict[str, Any]] = {
    "default": {},
    "odd numbers": {
        "corpus.block": 24, "target.evaluate_tokens": 1001, "importance.battery.tokens": 97, "harvest.tokens": 515,
        "effects.tokens": 49, "candidates.tokens": 50, "candidates.untagged_tokens": 121, "edit.budgets": [3, 4, 29],
        "locate.tokens": 65, "locate.verify_tokens": 47, "edit.direction_tokens": 55,
        "edit.probe_budgets": [3], "edit.probe_tokens": 77, "edit.retain_tokens": 101, "edit.guard_tokens": 31,
        "edit.untagged_tokens": 1234,
        "evaluate.tokens": {"target": 25, "retained": 301, "protected": 23}, "evaluate.prompts": 2,
        "evaluate.prompt_tokens": 24,
    },
    "probes draw more than budgets": {
        "edit.budgets": [4], "edit.probe_budgets": [4, 3000], "edit.retain_tokens": 1, "edit.guard_tokens": 1,
        "edits.scalar.budgets": None, "baselines.lora-1.budgets": None,
    },
    "several retained share": {
        "edits": {
            "two": {
                "method": "lora", "rank": 1, "shortlist": "any",
                "domains": {"target": "de", "retain": ["en", "fr", "es"], "protect": ["it"]},
            }
        },
        "shortlists": {
            "any": {
                "domains": {"target": "de", "retain": ["en", "fr", "es"], "protect": ["it"]},
                "choose": {"by": "contrast"},
            }
        },
        "baselines": {}, "report.edit": "two", "report.controls": [], "edit.retain_tokens": 4097,
    },
    "more prompts than text": {
        "evaluate.prompts": 300, "evaluate.tokens": {"target": 1, "retained": 1, "protected": 1},
    },
    "a tolerance without a guard": {
        "edits.zero-token": {
            "method": "scalar", "shortlist": "german", "alpha": {"by": "tolerance", "kl": 0.1},
            "domains": {"target": "de", "retain": ["en"], "protect": ["fr", "es", "it"]},
        },
        "edit.guard_tokens": 9000, "edit.untagged_tokens": None, "edit.retain_tokens": 1, "edit.budgets": [4],
    },
}  # fmt: skip


def _config(changes: Mapping[str, Any]) -> PipelineConfig:
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for key, value in changes.items():
        *path, last = key.split(".")
        section = params
        for name in path:
            section = section[name]
        section[last] = value
    return parse(TypeAdapter(PipelineConfig), params, "")


def _least(config: PipelineConfig) -> dict[str, dict[str, int]]:
    """Tokens by split and domain that just meet every need."""
    block, domains = config.corpus.block, config.corpus.domains
    tokens = {split: dict.fromkeys(domains, 0) for split in config.corpus.splits}
    every = list(needs(config))
    for need in (n for n in every if n.domain is not None):
        assert need.domain is not None
        tokens[need.split][need.domain] = max(tokens[need.split][need.domain], need.end(block) * block)
    for need in (n for n in every if n.domain is None):
        short = need.end(block) * block - sum(tokens[need.split].values())
        tokens[need.split][domains[0]] += max(0, short)
    return tokens


def _blocks(tokens: Mapping[str, int], length: int) -> Blocks:
    domain = np.array([d for d, count in tokens.items() for _ in range(count // length)], dtype=str)
    rows = np.random.default_rng(0).integers(0, 8, (len(domain), length)).astype(np.int32)
    return Blocks(rows, domain, [[""]] * len(domain))


def _target() -> Any:
    return LlamaForCausalLM(
        LlamaConfig(vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    ).eval()


def _draw(config: PipelineConfig, tokens: Mapping[str, Mapping[str, int]], target: Any) -> None:
    """What the stages do to the corpus, with their own functions."""
    by_split = {split: _blocks(of, config.corpus.block) for split, of in tokens.items()}
    text: Callable[[Any], Blocks] = lambda need: take(by_split[need.split], need)  # noqa: E731
    for domain in config.corpus.domains:
        text(drawn.measured_target(config.target, domain))
        text(drawn.ablated(config.effects, domain))
    for domain in (config.locate.target, *config.locate.spared(config.corpus.domains)):
        text(drawn.located(config.locate, domain))
        text(drawn.verified(config.locate, domain))
    for need in sum(drawn.battery(config.importance, config.decompose.objective).values(), ()):
        text(need)
    text(drawn.harvested(config.harvest))
    text(drawn.scored_on(config.harvest))
    for shortlist in config.shortlists.values():
        if shortlist.measured:
            text(drawn.untagged_for_candidates(config.candidates))
            for need in drawn.tagged_for_candidates(config.candidates, shortlist).values():
                text(need)
    for edit in config.everything.values():
        fit = config.edit.of(edit.budgets)
        if is_fitted(edit):
            optimiser = getattr(config.optimisers, edit.method)
            fits = fit_text(
                target, by_split["fit"], edit.domains, fit, drawn.fitted(fit, optimiser, edit.domains.target)
            )
            probe_text(target, by_split["select"], edit.domains, fit)
            for budget in (*fit.budgets, *(fit.probe_budgets if optimiser.has_choice else ())):
                _, chosen = draw_known(target, fits.target, budget, torch.Generator().manual_seed(0), bar=9.0)
                assert chosen.sum() == budget
        read = (drawn.guarding(edit, fit), drawn.reaching(edit, fit), drawn.proportioning(edit, fit))
        for need in (need for needed in read for need in needed.values()):
            text(need)
        for domain, role in edit.domains.roles.items():
            assert len(text(drawn.prompts(config.evaluate, domain))) == config.evaluate.prompts
            text(drawn.held_out(config.evaluate, domain, role))


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_what_passes_the_gate_is_enough_and_a_block_less_does_not_pass(changes: Mapping[str, Any]) -> None:
    config, target = _config(changes), _target()
    least = _least(config)
    check_text(config, least)
    _draw(config, least, target)
    for split, of in least.items():
        for domain in (d for d, count in of.items() if count):
            fewer = {**least, split: {**of, domain: of[domain] - config.corpus.block}}
            with pytest.raises(PrefactorError) as gate:
                check_text(config, fewer)
            with pytest.raises(PrefactorError) as stage:
                _draw(config, fewer, target)
            assert str(gate.value).startswith("params.yaml: ") and "\n" not in str(gate.value)
            assert f"the {split} split" in str(gate.value) and f"the {split} split" in str(stage.value)


@pytest.mark.parametrize("unit", ["tokens", "targets", "blocks"])
@pytest.mark.parametrize("shared_by", [1, 3])
@pytest.mark.parametrize("length", [8, 9, 64])
def test_the_most_that_is_offered_is_the_most_that_passes(unit: Any, shared_by: int, length: int) -> None:
    available = 7 * length + 3
    with pytest.raises(PrefactorError) as error:
        drawn.Need("k", 10**6, "fit", "de", unit, shared_by).check(available, length)
    most = int(str(error.value).partition("use at most ")[2].partition(",")[0])
    drawn.Need("k", most, "fit", "de", unit, shared_by).check(available, length)
    with pytest.raises(PrefactorError):
        drawn.Need("k", most + 1, "fit", "de", unit, shared_by).check(available, length)

"""What stages hold at their peak: by hand on one shape, monotone, and refused where it is not there."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from prefactor.config.decompose import DecomposeConfig
from prefactor.config.edit import FitConfig, Optimisers
from prefactor.config.edits import BaselineConfig, FinetuneBaseline
from prefactor.config.harvest import HarvestConfig
from prefactor.config.params import read_params, section
from prefactor.config.target import TargetConfig, TrainTarget
from prefactor.edits.sizes import fit_sizes
from prefactor.errors import PrefactorError
from prefactor.machine import memory as machine
from prefactor.machine.processes import ALONE
from prefactor.model import memory
from prefactor.model.at_once import AT_ONCE
from prefactor.model.matrices import matrices, shape_of
from prefactor.model.memory import GIB, PYTHON, SLACK, STAGES, Sizes, check_memory, peak_bytes, sizes_of
from prefactor.model.train import llama
from prefactor.vpd.sizes import decomposed_sizes
from prefactor.vpd.start import counts_of, planned_sizes, start_decomposition
from tests.tiny import tiny_blocks, tiny_decomposed, tiny_net, tiny_target

ROOT = Path(__file__).resolve().parent.parent
PARAMS = [ROOT / "params.yaml", ROOT / "benchmarks" / "real-text.yaml"]
CPU = torch.device("cpu")
SOME = Sizes(
    parameters=10_000, vocabulary=500, width=16, layers=2, flow=300, widest=48, block=8, batch=4, tokens=160, texts=3,
    subcomponents=60, components=2_000, net=700, trained=2_700, decomposed=3_000, examples=90, sample=80, moments=2,
    fitted=1_200, draws=3, fits=6,
)  # fmt: skip


def test_terms_by_hand() -> None:
    s = SOME
    step = 10_000 + 2_700 + 3 * 2_700 + 3 * 3_000  # weights; components and net; gradients and moments; Δ
    step += 28 * 32 * 60 + 64 * (2 * 3 * 300 + 4 * 16) + 14 * 32 * 500  # masks, activations of both halves, logits
    assert peak_bytes("decompose", s) == int(PYTHON + SLACK * 4 * step)
    trained = 4 * 10_000 + 2_700 + 32 * (2 * 3 * 300 + 64) + 8 * 32 * 500
    assert peak_bytes("target", s) == int(PYTHON + SLACK * 4 * trained)
    measured = 10_000 + 2_700 + 32 * (300 + 64) + 4 * 32 * 500
    assert peak_bytes("target", replace(s, trained=0)) == int(PYTHON + SLACK * 4 * measured)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("size", [field.name for field in fields(Sizes)])
def test_no_peak_falls_as_a_size_rises(stage: str, size: str) -> None:
    """But where the logits of a text become more than are kept of it: then its states are."""
    peaks = [peak_bytes(stage, replace(SOME, **{size: getattr(SOME, size) * factor})) for factor in (1, 2, 16, 400)]
    assert peaks == sorted(peaks)


def test_a_large_vocabulary_costs_no_more_logits_with_more_text() -> None:
    large = replace(SOME, vocabulary=262_144, width=16, block=64, trained=0)
    for stage in ("target", "evaluate", "effects"):
        less, more = (peak_bytes(stage, replace(large, tokens=tokens, batch=64)) for tokens in (2**10, 2**14))
        assert more - less < 4 * AT_ONCE / 2


def test_locate_reads_as_many_blocks_at_a_time_as_their_logits_allow() -> None:
    large = replace(SOME, vocabulary=2**18, block=64)
    peaks = [peak_bytes("locate", replace(large, batch=batch)) for batch in (1, 2, 32)]
    assert peaks[0] < peaks[1] == peaks[2]


@pytest.mark.parametrize("path", PARAMS, ids=lambda path: path.name)
@pytest.mark.parametrize("stage", STAGES)
def test_what_a_refusal_names_is_in_params(path: Path, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "device_memory", lambda device: 2**20)
    params, said = read_params(path), set()
    for size in fields(Sizes):
        sizes = replace(SOME, **{size.name: getattr(SOME, size.name) * 2**20})
        with pytest.raises(PrefactorError, match=f"^{stage} needs up to .* in params.yaml; a plan errs") as caught:
            check_memory(stage, sizes, CPU)
        assert "\n" not in str(caught.value)
        parts = [part for phase in STAGES[stage](sizes) for part in phase]
        said |= {key for part in parts for key in part.keys.split(", ")}
    for key in said:
        value: Any = params
        for name in key.split("."):
            assert name in value or (path.name, key) in LEFT_OUT, key
            value = value.get(name, {})


LEFT_OUT = {("real-text.yaml", "decompose.logits"), ("real-text.yaml", "locate.modules")}  # have defaults


def test_the_remedy_is_that_of_the_largest_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "device_memory", lambda device: 8 * GIB)
    many = replace(SOME, subcomponents=10**8)
    with pytest.raises(PrefactorError, match=r"for masks, and this machine has 8\.0: lower decompose\.training\.batch"):
        check_memory("decompose", many, CPU)
    with pytest.raises(PrefactorError, match=r"for changes that were fitted, .*: lower edit\.seeds, or lower"):
        check_memory("baseline", replace(SOME, fits=40, fitted=10**9), CPU)
    large = replace(SOME, vocabulary=10**8, batch=8)
    with pytest.raises(
        PrefactorError,
        match=r"for logits, .*set decompose\.logits to corpus in params\.yaml; ",
    ):
        check_memory("decompose", large, CPU)
    check_memory("decompose", SOME, CPU)


def test_a_device_holds_all_but_python(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, without = torch.device("cuda", 0), peak_bytes("harvest", SOME) - PYTHON
    monkeypatch.setattr(memory, "device_memory", lambda device: without + 1)
    check_memory("harvest", SOME, gpu)
    monkeypatch.setattr(memory, "device_memory", lambda device: without - 1)
    with pytest.raises(PrefactorError, match="and cuda:0 has"):
        check_memory("harvest", SOME, gpu)


def test_a_container_has_what_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(machine, "LIMITS", (tmp_path / "missing", limit))
    whole = machine.machine_memory()
    limit.write_text("max\n")
    assert machine.machine_memory() == whole
    limit.write_text("1073741824\n")
    assert machine.machine_memory() == GIB
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert machine.device_memory(CPU) == GIB // 4
    monkeypatch.setenv("PREFACTOR_MEMORY_GB", "40")
    assert machine.device_memory(CPU) == machine.device_memory(torch.device("cuda", 0)) == 40 * GIB
    monkeypatch.setenv("PREFACTOR_MEMORY_GB", "much")
    with pytest.raises(PrefactorError, match="PREFACTOR_MEMORY_GB=much: write a whole number of gigabytes, or"):
        machine.machine_memory()


def test_sizes_of_a_target() -> None:
    target = tiny_target()
    sizes = sizes_of(target, 12, batch=3)
    assert (sizes.vocabulary, sizes.width, sizes.layers, sizes.widest) == (40, 16, 2, 24)
    assert sizes.parameters == sum(parameter.numel() for parameter in target.parameters())
    assert sizes.flow == 4 * (16 + 16) + 3 * (16 + 24)
    assert sizes_of(target, 12, ["layers.1.mlp.up_proj"]).layers == 1


def test_a_planned_decomposition_is_as_large_as_the_one_that_is_made() -> None:
    target = tiny_target()
    training = {"steps": 1, "batch": 2, "learning_rate": 0.1, "coefficients": "vpd", "seed": 0}
    training |= {"penalty": {"kind": "lp", "start": 2.0, "end": 1.0}, "adversary": {"ascents": 0, "learning_rate": 0.1}}
    config = DecomposeConfig.model_validate(
        {"net": {"width": 8, "blocks": 1, "heads": 1}, "clip": 0.1, "training": training}
    )
    planned = planned_sizes(target, config, matrices(target), 12, ALONE)
    model, net = start_decomposition(target, config, matrices(target), CPU)
    made = decomposed_sizes(model, net, 12)
    assert (planned.subcomponents, planned.components) == (made.subcomponents, made.components)
    assert made.net < planned.net < 2 * made.net


def test_stages_hold_what_their_models_hold() -> None:
    model = tiny_decomposed()
    sizes = decomposed_sizes(model, tiny_net(model), tiny_blocks().shape[1], tokens=5)
    assert (sizes.subcomponents, sizes.tokens, sizes.layers) == (model.subcomponents, 5, 2)
    assert sizes.components == 30 * sum(sum(shape_of(site.module)) for site in model.sites)


@pytest.mark.parametrize("path", PARAMS, ids=lambda path: path.name)
def test_the_default_fits_a_small_machine(path: Path) -> None:
    def of(name: str, kind: Any) -> Any:
        return section(name, kind, path)

    corpus, target = read_params(path)["corpus"], of("target", TargetConfig).model
    assert isinstance(target, TrainTarget)
    vocabulary, block = corpus["tokenizer"]["vocabulary"], corpus["block"]
    with torch.device("meta"):
        model = llama(target, vocabulary, block)
    shapes = {name: shape_of(matrix) for name, matrix in matrices(model).items()}
    decompose, harvest = of("decompose", DecomposeConfig), of("harvest", HarvestConfig)
    planned = planned_sizes(model, decompose, matrices(model), block, ALONE)
    assert planned.subcomponents == sum(counts_of(decompose, matrices(model)).values())
    fit, optimisers = of("edit", FitConfig), of("optimisers", Optimisers)
    peaks = {
        "target": peak_bytes("target", sizes_of(model, block, batch=target.batch, trained=1)),
        "decompose": peak_bytes("decompose", planned),
        "harvest": peak_bytes(
            "harvest",
            replace(planned, batch=harvest.batch, tokens=harvest.tokens, sample=harvest.sample_tokens,
                    examples=harvest.kept),
        ),
    }  # fmt: skip
    for name, edit in of("baselines", dict[str, BaselineConfig]).items():
        sizes = fit_sizes(sizes_of(model, block), edit, shapes, (), fit, getattr(optimisers, edit.method))
        peaks[f"baseline {name}"] = peak_bytes("baseline", sizes)
        if isinstance(edit, FinetuneBaseline):
            assert sizes.fitted == sum((d_out + d_in) * d_in for d_out, d_in in shapes.values())
    limit = {"params.yaml": 2, "real-text.yaml": 3.5}[path.name] * GIB
    assert max(peaks.values()) < limit, {name: f"{peak / GIB:.2f}" for name, peak in peaks.items()}

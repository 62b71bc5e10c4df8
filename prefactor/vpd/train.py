"""VPD: adversarial parameter decomposition (Bushnaq et al., "Interpreting Language Model Parameters", 2026).

Learn subcomponents ``U``, ``V`` of a frozen target and a net that says which of them each token needs, such that the
masked model stays close to the target whichever unneeded ones are ablated, at random or by an adversary, while as few
as possible are needed. The same loop with the components frozen refits the net alone.

Per step, on a batch of blocks of tokens:

1. the target's logits and inputs; the net's logits; causal importance ``g``;
2. the adversary's sources ascend the masked KL a few times;
3. one forward pass over twice the batch: a stochastic half (masks ``g + (1-g) r``, r uniform, a random subset of the
   matrices routed) and an adversarial half (r the adversary's), then the penalties and ``‖Δ‖²``;
4. for a targeted decomposition the pass over the other stream (``targeted.py``), its gradients added;
5. AdamW on components and net; the adversary ascends once more, along the gradient of step 3.

All randomness of a step comes from generators seeded by (seed, step), so a resumed run ends bit for bit where the
uninterrupted one does. Several processes share a batch by rows and end where one does, up to rounding.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from prefactor.config.training import TrainingConfig
from prefactor.errors import PrefactorError
from prefactor.files.checkpoint import Checkpoint
from prefactor.files.cost import Cost
from prefactor.machine.flops import flops_of
from prefactor.machine.processes import ALONE, Processes
from prefactor.machine.progress import track
from prefactor.machine.runtime import generator
from prefactor.vpd.adversary import Adversary
from prefactor.vpd.batches import given
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet, lower_leaky, upper_leaky
from prefactor.vpd.losses import faithfulness, minimality, penalise
from prefactor.vpd.masks import both_halves
from prefactor.vpd.noise import StepNoise, step_noise
from prefactor.vpd.sharding import gathered, like
from prefactor.vpd.targeted import OtherStream

CHECKPOINT_SECONDS = 60.0
RECORD_EVERY = 10  # steps


def train(
    model: DecomposedModel,
    net: ImportanceNet,
    blocks: np.ndarray,
    config: TrainingConfig,
    cost: Cost,
    checkpoint: Checkpoint | None = None,
    clip: float | None = None,
    what: str = "decompose",
    processes: Processes = ALONE,
    after_record: Callable[[dict[str, float]], None] = lambda row: None,
    after_step: Callable[[int], None] = lambda step: None,
    other: OtherStream | None = None,
) -> list[dict[str, float]]:
    """Train ``net``, and ``model.U`` and ``model.V`` unless ``clip`` is None (components frozen), in place.

    Args:
        blocks: (n, position) tokens to draw batches from; for a toy (n, position, feature) numbers.
        clip: norm at which the gradients of U and V are clipped.
        processes: the processes that train together, if there are several; each has the same ``model`` and ``net``.
        after_record: called with each row of the curve as it comes, first with those of a run that is resumed.
        after_step: called with the number of steps done, once the state is consistent.
        other: of a targeted decomposition the text that is only not to be disturbed; ``blocks`` are then the target's.

    Returns:
        The training curve: every ten steps the mean of each loss term (nats where they are KLs), and L0.

    Raises:
        PrefactorError: a loss is not finite (the message names step and term), or the GPU's memory is too small. The
            last checkpoint stays.
    """
    device = next(net.parameters()).device
    components = [*model.U, *model.V] if clip is not None else []
    for parameter in [*model.U, *model.V]:
        parameter.requires_grad_(clip is not None)
    parameters = [*components, *net.parameters()]
    optimiser = torch.optim.AdamW(
        parameters, lr=config.learning_rate, betas=config.betas, weight_decay=0.0, fused=True
    )  # fmt: skip
    rows, positions, matrices = processes.rows(config.batch), blocks.shape[1], len(model.sites)
    adversary = Adversary(
        config.adversary, rows, positions, model.subcomponents, matrices, config.seed, device, model.U[0].dtype
    )
    whole = config.batch * positions  # tokens a step, of all processes
    if other is not None:
        whole += other.config.batch * positions

    curve: list[dict[str, float]] = []
    window: list[dict[str, Tensor]] = []
    start = 0
    if checkpoint is not None and (saved := checkpoint.load()) is not None:
        start, curve = _restore(saved, parameters, optimiser, adversary, cost)
        print(f"  {what}: resuming at step {start}")
        for row in curve:
            after_record(row)

    def note() -> str:
        return "  ".join(f"{k} {v:.4g}" for k, v in curve[-1].items() if k != "step") if curve else ""

    def draws_of(step: int) -> StepNoise:
        return step_noise(
            config.seed, step, rows, positions, model.subcomponents, matrices, config.adversary.particles, device
        )

    def step_of(tokens: Tensor, step: int) -> dict[str, Tensor]:
        progress, faithful = step / config.steps, other is None
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
            terms = _step(model, net, adversary, tokens, config, progress, draws_of(step), processes, faithful)
            if other is not None:
                terms |= other.step(model, net, config, step, processes)
        return terms

    sample = given(blocks[: len(rows)], device)
    with _memory_errors(what, config):
        step_flops = processes.count * _count_flops(model, net, adversary, sample, step_of)
    saved_at = time.monotonic()
    steps = range(start, config.steps)
    for step in track(steps, config.steps, what, note, done=start) if processes.main else steps:
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * (0.55 + 0.45 * math.cos(math.pi * step / config.steps))
        chosen = torch.randint(len(blocks), (config.batch,), generator=generator(config.seed, step)).numpy()
        tokens = given(blocks[chosen[rows.start : rows.stop]], device)

        with _memory_errors(what, config):
            window.append(step_of(tokens, step))
            processes.sum_gradients(parameters)
            if components:
                torch.nn.utils.clip_grad_norm_(components, clip or 0.0)
            optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        cost.add(whole, step_flops)

        if len(window) == RECORD_EVERY or step + 1 == config.steps:
            terms = _read(window, processes)
            _check_finite(terms, step + 2 - len(window), what, checkpoint)
            curve.append({"step": step + 1, **{name: sum(of) / len(of) for name, of in terms.items()}})
            after_record(curve[-1])
            window = []
            due = time.monotonic() - saved_at > CHECKPOINT_SECONDS
            if checkpoint is not None and processes.agree(due, device):
                state = _state(step + 1, curve, parameters, optimiser, adversary, cost, processes)
                if processes.main:
                    checkpoint.save(state)
                saved_at = time.monotonic()
        after_step(step + 1)
    return curve


def _step(
    model: DecomposedModel, net: ImportanceNet, adversary: Adversary, tokens: Tensor, config: TrainingConfig,
    progress: float, draws: StepNoise, processes: Processes, faithful: bool = True,
) -> dict[str, Tensor]:  # fmt: skip
    """Gradients of one step, left on the parameters; returns the detached loss terms.

    With several processes each has its part of both: they sum to the whole.

    Args:
        faithful: whether Δ is to be small; in a targeted decomposition it carries all that other text needs.
    """
    c, share = config.coefficients, 1 / processes.count
    states = model.states(tokens)
    logits, inputs = model.observe(tokens, states)
    wanted, divergence = model.divergence.prepare(logits), model.divergence.measure
    z = net(inputs).to(model.U[0].dtype)  # whatever the products are in: sums over tokens follow
    g = lower_leaky(z)
    adversary.use(draws.particle)
    if c.adversarial:
        _ascend(model, adversary, tokens, wanted, g.detach(), config.adversary.ascents, share, states)

    batch, positions = tokens.shape[:2]
    whole = batch * positions * processes.count
    leaf, r_bad, rho_bad = adversary.leaves()
    r, rho, route = draws.r.to(g), draws.rho.to(g), draws.route
    if c.adversarial:
        # Both passes as one of twice the batch: half the kernels, the same sums.
        out = model.masked(
            torch.cat([tokens, tokens]), both_halves(g, r, r_bad), torch.cat([rho, rho_bad.expand_as(rho)]),
            torch.cat([route, torch.ones_like(route)]), torch.cat([states, states]),
        )  # fmt: skip
        stochastic, adversarial = divergence(wanted, out[:batch]), divergence(wanted, out[batch:])
    else:
        stochastic = divergence(wanted, model.masked(tokens, g + (1 - g) * r, rho, route, states))
        adversarial = torch.zeros((), device=g.device)
    total = processes.total(penalise(upper_leaky(z), config.penalty, progress).sum(dim=(0, 1)))
    minimal, frequent = minimality(total, whole)
    delta = faithfulness(model.deltas()) * share if faithful else torch.zeros((), device=g.device)
    reconstructed = (c.stochastic * stochastic + c.adversarial * adversarial) * share
    loss = reconstructed + c.minimality * minimal + c.frequency * frequent
    if delta.requires_grad:
        loss = loss + c.faithfulness * delta
    loss.backward()
    if c.adversarial and leaf.grad is not None:
        # Of the KL, as in the inner ascents, not of the weighted loss.
        adversary.ascend(leaf.grad / c.adversarial)
    terms = {
        "stochastic": stochastic * share, "adversarial": adversarial * share, "minimality": minimal * share,
        "frequency": frequent * share, "faithfulness": delta,
        "l0": (g > 0).sum() / whole,
    }  # fmt: skip
    if not faithful:
        del terms["faithfulness"]
    return {name: term.detach() for name, term in terms.items()}


def _ascend(
    model: DecomposedModel, adversary: Adversary, tokens: Tensor, wanted: Tensor, g: Tensor, ascents: int,
    share: float = 1.0, states: Tensor | None = None,
) -> None:  # fmt: skip
    """Let the sources climb the divergence ``ascents`` times, all else fixed; ``tokens`` are ``share`` of the batch."""
    for _ in range(ascents):
        leaf, r, rho = adversary.leaves()
        loss = share * model.divergence.measure(wanted, model.masked(tokens, g + (1 - g) * r, rho, states=states))
        (gradient,) = torch.autograd.grad(loss, leaf)
        adversary.ascend(gradient)


def _count_flops(
    model: DecomposedModel, net: ImportanceNet, adversary: Adversary, tokens: Tensor,
    step_of: Callable[[Tensor, int], object],
) -> float:  # fmt: skip
    """FLOPs of one step, counted on one that is thrown away, as if no state of its text were kept."""
    before = {name: tensor.clone() for name, tensor in adversary.state().items()}
    flops = flops_of(lambda: step_of(tokens, 0))
    for name, tensor in adversary.state().items():
        tensor.copy_(before[name])
    model.zero_grad(set_to_none=True)
    net.zero_grad(set_to_none=True)
    return flops


def _read(window: list[dict[str, Tensor]], processes: Processes) -> dict[str, list[float]]:
    """Each term at each step of the window; the one place where the loop waits for the device."""
    stacked = torch.stack([torch.stack([t.float() for t in terms.values()]) for terms in window])
    return dict(zip(window[0], processes.total(stacked).T.tolist(), strict=True))


def _check_finite(terms: dict[str, list[float]], first: int, what: str, checkpoint: Checkpoint | None) -> None:
    bad = [(i, term) for term, values in terms.items() for i, value in enumerate(values) if not math.isfinite(value)]
    if bad:
        at, term = min(bad, key=lambda pair: pair[0])
        kept = " (the last good checkpoint is kept and will be resumed)" if checkpoint is not None else ""
        raise PrefactorError(
            f"{what}: the {term} loss is {terms[term][at]} at step {first + at}: lower {what}.training.learning_rate "
            f"or the coefficient of {term}{kept}"
        )


@contextmanager
def _memory_errors(what: str, config: TrainingConfig) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise PrefactorError(
            f"{what}: the GPU's memory is too small: lower {what}.training.batch (now {config.batch}; several GPUs "
            "share it, see PREFACTOR_PROCESSES), then corpus.block or decompose.subcomponents"
        ) from error


def _state(
    step: int, curve: list[dict[str, float]], parameters: list[Tensor], optimiser: torch.optim.Optimizer,
    adversary: Adversary, cost: Cost, processes: Processes,
) -> dict[str, Tensor]:  # fmt: skip
    spent = torch.tensor([cost.spent(), cost.tokens, cost.flops], dtype=torch.float64)
    tensors = {"step": torch.tensor(step), "cost": spent}
    tensors |= {f"curve.{k}": torch.tensor([row[k] for row in curve], dtype=torch.float64) for k in curve[0]}
    for i, parameter in enumerate(parameters):
        tensors[f"parameter.{i}"] = parameter.detach()
        tensors |= {f"optimiser.{i}.{k}": v for k, v in optimiser.state[parameter].items()}
    return gathered(tensors) | {f"adversary.{k}": processes.gather(v) for k, v in adversary.state().items()}


@torch.no_grad()
def _restore(
    saved: dict[str, Tensor], parameters: list[Tensor], optimiser: torch.optim.Optimizer, adversary: Adversary,
    cost: Cost,
) -> tuple[int, list[dict[str, float]]]:  # fmt: skip
    moments: dict[int, dict[str, Tensor]] = {}
    for i, parameter in enumerate(parameters):
        parameter.copy_(like(saved[f"parameter.{i}"], parameter))
        prefix = f"optimiser.{i}."
        own = {k.removeprefix(prefix): v for k, v in saved.items() if k.startswith(prefix)}
        moments[i] = {k: like(v, parameter) if v.shape == parameter.shape else v for k, v in own.items()}
    # torch knows where its own counts belong: those of fused Adam on the parameters' device.
    optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
    seconds, tokens, flops = saved["cost"].tolist()
    cost.resume(seconds, int(tokens), flops)
    adversary.load({k.removeprefix("adversary."): v for k, v in saved.items() if k.startswith("adversary.")})
    columns = {k.removeprefix("curve."): v.tolist() for k, v in saved.items() if k.startswith("curve.")}
    names = ["step", *(n for n in columns if n != "step")]
    return int(saved["step"]), [
        dict(zip(names, row, strict=True)) for row in zip(*(columns[n] for n in names), strict=True)
    ]

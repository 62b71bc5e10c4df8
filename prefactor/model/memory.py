"""What each stage holds in memory at its peak, from sizes alone, and a refusal beforehand where that is not there.

A stage is a sequence of *phases*, each a sum of parts in float32; the peak is that of the largest phase. Parts name the
settings that make them smaller. An upper bound: benchmarks/results/memory.md holds it against measured peaks. Reading
the target and its text is over when a stage asks, so that neither counts beyond what is kept; mapped files never do.
"""

import math
import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch

from prefactor.errors import PrefactorError
from prefactor.machine.memory import device_memory
from prefactor.machine.runtime import KEPT_FREE
from prefactor.machine.settings import MEMORY
from prefactor.model.at_once import AT_ONCE, vocabulary_of
from prefactor.model.matrices import all_matrices, shape_of
from prefactor.model.module_names import layer_of

F32, GIB = 4, 2**30
PYTHON = GIB // 2 + KEPT_FREE  # Python with torch, transformers and pandas, 0.43 GiB measured; and what malloc keeps
SLACK = 1.4  # what no size tells: a heap has holes. With 1.1 of all two of five stages on Gemma were 4 and 10 % above
KEPT = 2**27  # states on their way to a disk: a segment (model/kept_states.py) and its copy
MOMENTS = 2**31  # second moments of inputs that locate gathers at a time (locate/direction.py)
COLUMNS = 1024  # subcomponents that the harvest counts against all others at a time (harvest/firings.py)
PENDING = 2**22  # firings that wait to be counted (harvest/pairs.py)

# How many tensors of a size there are at a time; where autograd decides, measured (benchmarks/memory.py).
READ = 4  # of logits: they, a copy without the last position, log-probabilities, and a loss's own
COMPARED = 8  # ... of two models that are compared, or where a loss is differentiated at once
STEP = 14  # ... of a step of training: the target's two, and six for each of the two halves
SAVED = 2  # what autograd saves of a layer, against what goes into its matrices and comes out: norms, gates, sums
MASKS = 28  # of a step's masks (docs/scaling.md); the adversary's three by position are among them
MASKED = 12  # ... of masks that only the sources have a gradient of
FIRES = 0.25  # share of the subcomponents that fire at a token, at most; of the default's 0.06 do


@dataclass(frozen=True)
class Sizes:
    """Counts. The target's, the text's, and where a stage has them those of a decomposition and of an edit."""

    parameters: int  # of the target, with the vocabulary in use
    vocabulary: int
    width: int  # of its states
    layers: int  # that are run each time: from the first on that changes
    flow: int  # numbers that a token puts into the matrices of a layer, and gets out of them
    widest: int  # the largest d_in
    block: int  # tokens
    batch: int = 1  # blocks that go through the model at a time
    tokens: int = 0  # of text, of which something is kept, of each of ...
    texts: int = 1
    subcomponents: int = 0
    components: int = 0  # numbers in U and V
    net: int = 0  # parameters of the importance net
    trained: int = 0  # parameters with a gradient and Adam's two moments
    decomposed: int = 0  # weights whose Δ is in the loss
    examples: int = 0  # numbers in the windows that are kept of a subcomponent
    sample: int = 0  # tokens at which every firing is kept
    moments: int = 0  # pairs of second moments that guards need at a time
    fitted: int = 0  # numbers in one change: A and B
    changed: int = 0  # weights of the matrices that change
    draws: int = 1  # that are fitted side by side
    fits: int = 1  # whose changes are kept

    @property
    def read(self) -> int:
        """Tokens that go through the model at a time."""
        return self.batch * self.block

    @property
    def few(self) -> int:
        """Logits at a time where blocks go through whole: at most ``AT_ONCE``, or those of one block."""
        return min(self.read * self.vocabulary, max(AT_ONCE, self.block * self.vocabulary))

    @property
    def view(self) -> int:
        """Numbers kept of what the base model makes of one text: all it predicts, or the head's states of it."""
        logits = self.tokens * self.vocabulary
        return logits if logits <= AT_ONCE else self.tokens * self.width


@dataclass(frozen=True)
class Part:
    what: str
    size: float  # bytes
    keys: str  # of params.yaml, that make it smaller
    holes: bool = True  # whether it lies in a heap with holes


Phase = list[Part]
INSTEAD = {  # what else to do to a setting than to lower it
    "decompose.logits": "set decompose.logits to corpus",
    "decompose.modules": "name fewer matrices in decompose.modules",
    "locate.modules": "name fewer matrices in locate.modules",
    "edits": "have edits act on fewer subcomponents",
    "target.model": "take a smaller target.model",
}
TARGET, MODULES, BLOCK, LOGITS = "target.model", "decompose.modules", "corpus.block", "corpus.block, decompose.logits"


def _weights(s: Sizes, copies: float = 1) -> Phase:
    return [
        Part("Python and its libraries", PYTHON, TARGET, holes=False),
        Part("the target's weights", copies * F32 * s.parameters, TARGET),
        Part("components and importance net", F32 * (s.components + s.net), "decompose.subcomponents"),
    ]


def _logits(size: float, copies: int, keys: str = LOGITS) -> Part:
    return Part("logits", F32 * copies * size, keys)


def _passing(s: Sizes, keys: str) -> Part:
    """A pass without gradients: what one layer holds, and the states around it."""
    return Part("activations", F32 * s.read * (s.flow + 4 * s.width), keys)


def _saved(s: Sizes, tokens: int, keys: str) -> Part:
    """A pass with gradients: what autograd saves of every layer, and a layer's gradients."""
    return Part("activations", F32 * tokens * (SAVED * (s.layers + 1) * s.flow + 4 * s.width), keys)


def _states(s: Sizes, copies: int, keys: str) -> Part:
    """What the layers before the first changed one make of each text."""
    return Part("states of text", KEPT + F32 * copies * s.texts * s.tokens * s.width, keys)


def _training(s: Sizes, keys: str) -> Phase:
    by_token = s.subcomponents * s.read
    return [
        *_weights(s),
        Part("gradients and Adam's moments", 3 * F32 * s.trained, "decompose.subcomponents"),
        Part("Δ of every matrix", 3 * F32 * s.decomposed, MODULES),  # Δ, U^T V, and the gradient
        Part("masks", MASKS * F32 * by_token, f"{keys}, {BLOCK}"),
        _saved(s, 2 * s.read, f"{keys}, {BLOCK}"),  # both halves
        _logits(s.read * s.vocabulary, STEP, f"{keys}, decompose.logits"),
    ]


def _guard(s: Sizes, keys: str) -> Phase:
    """Second moments in float64, a pair a guard, and what it takes to add to one of them and to solve them."""
    return [
        *_weights(s),
        Part("second moments of guards", 8 * (2 * s.moments + 5) * s.widest**2 * bool(s.moments), keys),
        Part("importances", 24 * s.read * s.subcomponents, BLOCK),  # the net's logits, g, and g in float64
        _passing(s, BLOCK),
    ]


def _compare(s: Sizes, keys: str, logits: str = LOGITS) -> Phase:
    """The base model's view of every text, twice while one is put together, beside a changed model's of some of it."""
    return [
        *_weights(s),
        Part("what the base model predicts", F32 * (s.texts + 1) * s.view, keys),
        _states(s, 2, keys),
        _logits(min(s.read * s.vocabulary, AT_ONCE), COMPARED, logits),
        _passing(s, BLOCK),
    ]


def _target(s: Sizes) -> list[Phase]:
    trained = [
        *_weights(s, 4),  # gradients, and Adam's two moments
        _saved(s, s.read, "target.model.batch"),
        _logits(s.read * s.vocabulary, COMPARED, "target.model.batch"),
    ]
    measured = [*_weights(s), _passing(s, BLOCK), _logits(s.few, READ, BLOCK)]
    # Written, and read back beside the one that was written.
    return [trained if s.trained else measured, _weights(s, 3)]


def _locate(s: Sizes) -> list[Phase]:
    s = replace(s, batch=max(1, min(s.batch, AT_ONCE // (s.block * s.vocabulary))))  # as its logits allow
    pulls = [*_weights(s), _saved(s, s.read, BLOCK), _logits(s.few, COMPARED)]
    wide = 8 * s.widest**2
    moments = [
        *_weights(s),
        Part("second moments", min(MOMENTS, 4 * s.layers * wide) + 5 * wide, "locate.modules"),
        Part("inputs in float64", 2 * 8 * s.read * s.widest, BLOCK),
        _passing(s, BLOCK),
    ]
    verified = [
        *_weights(s),
        _states(s, 2, "locate.verify_tokens"),
        Part("the weights of a changed matrix", F32 * s.flow * s.width, "locate.modules"),
        _passing(s, BLOCK),
        _logits(s.few, READ),
    ]
    return [pulls, moments, verified]


def _decompose(s: Sizes) -> list[Phase]:
    return [_training(s, "decompose.training.batch, decompose.subcomponents")]


def _importance(s: Sizes) -> list[Phase]:
    tokens = "importance.battery.tokens"
    blocks = max(1, min(16, AT_ONCE // (s.block * s.vocabulary)))  # of the battery, at a time
    attacked = blocks * s.block
    battery = [
        *_weights(s),
        Part("importances", F32 * s.tokens * s.subcomponents, tokens),
        Part("what the target predicts", F32 * 2 * s.view, tokens),
        _states(s, 1, tokens),
        Part("masks", MASKED * F32 * attacked * s.subcomponents, BLOCK),
        _saved(s, attacked, BLOCK),
        _logits(attacked * s.vocabulary, COMPARED),
    ]
    return [_training(s, "importance.training.batch, decompose.subcomponents"), battery]


def _harvest(s: Sizes) -> list[Phase]:
    by_token = s.read * s.subcomponents
    kept = [
        *_weights(s),
        Part("read directions, scaled", F32 * s.components, "decompose.subcomponents"),
        # Pairs of a subcomponent and a token at it and after it, 16 bytes each.
        Part("counts of pairs", 32 * min(s.tokens * FIRES, s.vocabulary) * s.subcomponents, "harvest.tokens"),
        # Kept, pending, and one of both while they are merged.
        Part("windows", 3 * F32 * s.subcomponents * s.examples, "harvest.examples, harvest.either_side"),
        Part("sampled firings", s.sample * s.subcomponents / 8, "harvest.sample_tokens"),
    ]
    reading = [
        Part("importances and activations", 9 * by_token, "harvest.batch"),
        # Place, importance, activation, ... of what fires, eight bytes each; and what waits to be counted.
        Part("firings", 72 * by_token * FIRES + 48 * max(PENDING, by_token * FIRES), "harvest.batch"),
        _passing(s, "harvest.batch"),
        _logits(s.few, 2, "harvest.batch, decompose.logits"),
    ]
    # One bit becomes a byte and a float.
    tables = [Part("what fires together", (6 * s.sample + 24 * COLUMNS) * s.subcomponents, "harvest.sample_tokens")]
    return [kept + reading, kept + tables]


def _effects(s: Sizes) -> list[Phase]:
    # States before each layer, since subcomponents of any are ablated by turns.
    kept = [*_weights(s), _states(s, s.layers, "effects.tokens")]
    return [[*kept, _passing(s, BLOCK), _logits(s.few, READ)], [*kept, _saved(s, 4 * s.block, BLOCK)]]


def _candidates(s: Sizes) -> list[Phase]:
    return [_guard(s, "candidates.tried"), _compare(s, "candidates.tokens, candidates.untagged_tokens")]


def _edit(s: Sizes) -> list[Phase]:
    fewer = "edit.seeds, edit.probe_seeds"
    tokens = s.draws * s.read
    fitting = [
        *_weights(s),
        Part("what the base model predicts", F32 * 2 * s.view, "edit.retain_tokens, edit.probe_tokens"),
        _states(s, 1, "edit.retain_tokens"),
        # Parameters, gradient, moments; all of them stacked, with a gradient and an identity; and a mask.
        Part("changes that are fitted side by side", 8 * F32 * s.draws * s.fitted, fewer),
        Part("changes that were fitted", F32 * (s.fits + 1) * s.fitted, f"edit.seeds, edit.budgets, {MODULES}"),
        _saved(s, tokens, f"edit.retain_batch, {fewer}, edit.budgets"),
        _logits(min(max(tokens, s.tokens) * s.vocabulary, AT_ONCE), COMPARED),
    ]
    return [fitting, _guard(s, "edits")]


def _evaluate(s: Sizes) -> list[Phase]:
    changes = Part("the changes of every fit", F32 * (s.fits + 1) * s.fitted, "edit.seeds, edit.budgets")
    before = Part("the weights before a change", F32 * s.changed, "edits")  # a change is merged into them
    return [[*_compare(s, "evaluate.tokens", BLOCK), changes, before]]


STAGES: dict[str, Callable[[Sizes], list[Phase]]] = {
    "target": _target, "locate": _locate, "decompose": _decompose, "importance": _importance, "harvest": _harvest,
    "effects": _effects, "candidates": _candidates, "edit": _edit, "baseline": _edit, "evaluate": _evaluate,
}  # fmt: skip


def largest_phase(stage: str, sizes: Sizes) -> Phase:
    """The parts that ``stage`` holds at its peak."""
    return max(STAGES[stage](sizes), key=total)


def total(phase: Iterable[Part]) -> float:
    """Bytes of all its parts, and of the holes between them; libraries have none."""
    return sum(SLACK * part.size if part.holes else part.size for part in phase)


def peak_bytes(stage: str, sizes: Sizes) -> int:
    """How many bytes ``stage`` holds at its peak, at most."""
    return int(total(largest_phase(stage, sizes)))


def check_memory(stage: str, sizes: Sizes, device: torch.device) -> None:
    """Check that there is as much memory as ``stage`` needs at its peak; on the CPU all of it, else that of ``device``.

    Raises:
        PrefactorError: there is not; with the part that takes most of it, and the settings that make that smaller.
    """
    phase, there = largest_phase(stage, sizes), device_memory(device)
    needed = total(phase) - (0 if device.type == "cpu" else PYTHON)
    if needed <= there:
        print(f"  {stage}: at most {needed / GIB:.1f} GiB of memory, planned", file=sys.stderr)
        return
    most = max(phase, key=lambda part: part.size)
    whose = "this machine" if device.type == "cpu" else str(device)
    raise PrefactorError(
        f"{stage} needs up to {needed / GIB:.1f} GiB of memory, {most.size / GIB:.1f} of them for {most.what}, and "
        f"{whose} has {there / GIB:.1f}: {_remedy(most.keys)} in params.yaml; a plan errs upwards: "
        f"{MEMORY}={math.ceil(needed / GIB)} has it tried all the same"
    )


def _remedy(keys: str) -> str:
    return ", or ".join(INSTEAD.get(key, f"lower {key}") for key in keys.split(", "))


def sizes_of(target: Any, block: int, changed: Collection[str] | None = None, **more: int) -> Sizes:
    """The sizes of ``target``, and ``more`` of them.

    Args:
        block: tokens of a block.
        changed: names of the matrices that are changed, masked or watched; left out, all of them.
    """
    found = {name: shape_of(matrix) for name, matrix in all_matrices(target).items()}
    # Without numbers of layers in their names, all of them are one.
    layers = {name: layer_of(name) or 0 for name in found}
    flows = dict.fromkeys(layers.values(), 0)
    for name, shape in found.items():
        flows[layers[name]] += sum(shape)
    first = min((layers[name] for name in changed or found), default=0)
    return Sizes(
        changed=sum(math.prod(found[name]) for name in changed or found),
        parameters=sum(parameter.numel() for parameter in target.parameters()),
        vocabulary=vocabulary_of(target),
        width=target.get_input_embeddings().weight.shape[1],
        layers=sum(layer >= first for layer in flows),
        flow=max(flows.values()),
        widest=max(d_in for _, d_in in found.values()),
        block=block,
        **more,
    )

"""Which models can be decomposed, edited and handed on, and how much of each? ``python -m benchmarks.families``

Of every family a tiny random model of its own code: its matrices are found as the decompose stage finds them, the
masked model at masks of one is compared with the model, an edit of a subcomponent of each kind of matrix is put beside
the weights and into them, written as an adapter and as a checkpoint, and both are read again by stock ``transformers``
and ``peft``. The table goes to benchmarks/results/families.md.
"""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from peft import PeftModel
from torch import Tensor
from transformers import AutoModelForCausalLM

from benchmarks.family_configs import FAMILIES, VOCABULARY, build
from prefactor.errors import PrefactorError
from prefactor.export.adapter import write_adapter
from prefactor.export.lora import refused
from prefactor.machine.runtime import generator
from prefactor.model.change import Change, applied, attached
from prefactor.model.prefix import prefix_of
from prefactor.model.shares import EMBEDDINGS, VECTORS, Share, shares
from prefactor.model.sites import sites
from prefactor.model.target import logits_of
from prefactor.rescale.terms import Prefactors, term_of
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.initial import initial_components

RESULTS = Path(__file__).parent / "results" / "families.md"
CLOSE = 1e-4  # of two logits, as a share of the largest
CHECKS = ("masks", "fitted = merged", "adapter", "merged")
HEAD = """# Families of models

Tiny random models of each family's own code in `transformers` {version}, made and checked by
`python -m benchmarks.families`; a test makes the table again and compares. *Decomposed* is the share of all weights,
of these sizes only: the embeddings of a small model are a larger part of it. *Left out* names what else is not
decomposed, beside embeddings, norms and biases.

*masks*: the masked model at masks of one is the model. *fitted = merged*: an edit of a subcomponent of every kind of
matrix, beside the weights and in them. *adapter*, *merged*: the edit written, and read by stock `peft` and
`transformers`, gives the same logits.

| family | kind | matrices | decomposed | masks | fitted = merged | adapter | merged | left out |
|---|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Outcome:
    """What came of one family: the checks by name, or why it is refused."""

    matrices: int
    parts: list[Share]
    checks: dict[str, bool | None]
    without: tuple[str, ...] = ()  # matrices that the adapter leaves out, as PEFT loads none with them
    refused: str = ""


def text() -> Tensor:
    """Four blocks of twelve tokens."""
    return torch.randint(1, VOCABULARY - 1, (4, 12), generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def examine(family: str, folder: Path) -> Outcome:
    """Decompose, edit, export and reload a model of ``family``; ``folder`` is for what is written."""
    target, tokens = build(family), text()
    target.save_pretrained(folder / "base")
    before = logits_of(target, tokens)
    try:
        found = sites(target, ".*", tokens)
    except PrefactorError as error:
        return Outcome(0, [], {}, refused=str(error))
    base, weights = logits_of(target, tokens), {name: p.clone() for name, p in target.named_parameters()}
    model = DecomposedModel(target, *initial_components(found.matrices, dict.fromkeys(found.matrices, 9), generator(1)))
    mask, rho = torch.ones(1, 1, model.subcomponents), torch.ones(1, 1, len(model.sites))
    checks: dict[str, bool | None] = {"masks": same(model.masked(tokens, mask, rho), before)}
    change = edit_of_each_kind(model)
    with attached(target, change):
        beside = logits_of(target, tokens)
    with applied(target, change):
        edited = logits_of(target, tokens)
        target.save_pretrained(folder / "merged")
    restored = all(torch.equal(p, weights[name]) for name, p in target.named_parameters())
    checks["fitted = merged"] = same(beside, edited) and restored and not same(edited, base, 1e-2)
    checks["merged"] = same(logits_of(_stock(folder / "merged"), tokens), edited)
    without = refused(target, change)
    change = {name: parts for name, parts in change.items() if name not in without}
    with applied(target, change):
        edited = logits_of(target, tokens)
    write_adapter(folder / "adapter", target, change, str(folder / "base"), "card")
    wrapped: Any = PeftModel.from_pretrained(_stock(folder / "base"), str(folder / "adapter")).eval()
    checks["adapter"] = same(logits_of(wrapped, tokens), edited) and not same(edited, base, 1e-2)
    checks["replayed"] = _replayed(target, change, tokens)
    return Outcome(len(found.matrices), shares(target, found), checks, tuple(without))


def _replayed(target: Any, change: Change, tokens: Tensor) -> bool | None:
    """Whether an edit with the layers before it replayed is the edit; None where no layer can be."""
    deepest = list(change)[-1]
    prefix = prefix_of(target, [deepest], tokens[:1])
    with applied(target, {deepest: change[deepest]}):
        whole = logits_of(target, tokens)
        with prefix.given(prefix.states(tokens)):
            return same(logits_of(target, tokens), whole) if prefix.depth else None


def edit_of_each_kind(model: DecomposedModel) -> Change:
    """Prefactors from -3 to 3 on a subcomponent of each kind of matrix: the last one of each name but for numbers.

    Of experts two, so that they share a parameter; and of two matrices two, so that ranks differ.
    """
    kinds = {re.sub(r"\b\d+\b", "*", site.name): site.name for site in model.sites}
    experts = [re.sub(r"experts\.\d+", "experts.1", name) for name in kinds.values()]
    names = list(dict.fromkeys([*kinds.values(), *experts]))
    chosen = [f"{name}:{i % 8}" for i, name in enumerate(names)] + [f"{names[0]}:8", f"{names[-1]}:8"]
    terms = [term_of(model, name) for name in chosen]
    return Prefactors(tuple(terms)).change([torch.linspace(-3, 3, len(terms))])


def same(a: Tensor, b: Tensor, tolerance: float = CLOSE) -> bool:
    return bool((a - b).abs().max() <= tolerance * b.abs().max())


def _stock(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def line(family: str, outcome: Outcome) -> str:
    """The row of ``family``."""
    kind = FAMILIES[family].kind
    if outcome.refused:
        return f"| {family} | {kind} | 0 | 0.0 % | – | – | – | – | refused: {outcome.refused.replace('|', '/')} |"
    rest = [part for part in outcome.parts[1:] if part.what not in (EMBEDDINGS, VECTORS)]
    words = "; ".join(f"{100 * part.share:.1f} % {part.what} ({_short(part.names)})" for part in rest)
    marks = " | ".join("equal" if outcome.checks[check] else "**differs**" for check in CHECKS)
    if outcome.without:
        words = "; ".join(filter(None, (words, f"no adapter of {_short(outcome.without)}, which PEFT refuses")))
    share = f"{100 * outcome.parts[0].share:.1f} %"
    return f"| {family} | {kind} | {outcome.matrices} | {share} | {marks} | {words or 'nothing'} |"


def _short(names: tuple[str, ...]) -> str:
    ends = list(dict.fromkeys("`" + ".".join(name.split(".")[-2:]) + "`" for name in names))
    return ", ".join(ends[:3]) + (f" and {len(ends) - 3} more" if len(ends) > 3 else "")


def main() -> None:
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    lines = []
    for family in FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            lines.append(line(family, examine(family, Path(folder))))
        print(lines[-1])
    RESULTS.write_text(HEAD.format(version=transformers.__version__) + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

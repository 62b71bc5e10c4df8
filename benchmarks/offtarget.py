"""What else an edit changed, in depth, and whether it lasts: ``python -m benchmarks.offtarget [EDIT ...]``

For edits that were run (``make run`` first), at the report's budget, on text of the eval split:

- damage a domain with a bootstrap interval over blocks (first draw);
- KL near to where the subcomponent of the report's edit is needed (20 tokens either side), and elsewhere;
- the target under bf16, int8, int4 and NF4 weights, against the base model under the same;
- relearning: target tokens of fine-tuning that bring half of the capability back, a median over draws.

Of a large model take fewer ``--tokens``, and ``--steps 0`` for no relearning. Writes ``offtarget.md`` into ``--into``.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import torch

from benchmarks.common import KEPT, fits_of
from prefactor.config.edit import FitConfig
from prefactor.config.params import section
from prefactor.config.report import ReportConfig
from prefactor.corpus.blocks import take
from prefactor.corpus.need import Need
from prefactor.edits.made import read_edit
from prefactor.evaluate.coarse import GRIDS, Grid, coarse
from prefactor.evaluate.intervals import bootstrap
from prefactor.evaluate.relearning import relearned
from prefactor.machine.progress import track
from prefactor.model.change import Change, applied
from prefactor.model.reference import HeldOut, hold_out, measure
from prefactor.model.target import logits_of, next_token_ce
from prefactor.rescale.footprint import divergence, importance_of, mean_over, near
from prefactor.workspace import Workspace

TOKENS = 8192  # a domain, unless told
HELD_BACK = 2048  # tokens of the target on which relearning is watched
RATES = (1e-3, 3e-3, 1e-2)
MOST = 400  # steps of relearning, a block each, unless told


def block_damage(target: torch.nn.Module, change: Change, held: HeldOut) -> list[float]:
    """Cross-entropy of the edited model less the base's, nats a token, of each block."""
    found = []
    with torch.no_grad():
        for tokens in held.tokens.split(32):
            before = next_token_ce(logits_of(target, tokens)[:, :-1], tokens)
            with applied(target, change):
                after = next_token_ce(logits_of(target, tokens)[:, :-1], tokens)
            found += (after - before).double().mean(1).tolist()
    return found


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("edits", nargs="*")
    parser.add_argument("--tokens", type=int, default=TOKENS, help="of the eval split a domain")
    parser.add_argument("--steps", type=int, default=MOST, help="of relearning at most")
    parser.add_argument("--into", type=Path, default=KEPT)
    args = parser.parse_args(argv)
    work = Workspace()
    model, net, target = work.model, work.net, work.model.target
    names = args.edits or [*section("edits", dict), *section("baselines", dict)]
    reported = section("report", ReportConfig).edit
    about = {name: read_edit(work.data, name) for name in {*names, reported}}
    goal, acted_on = about[reported]["target"], about[reported]["subcomponents"]
    blocks = {
        domain: take(work.blocks("eval"), Need("--tokens", args.tokens, "eval", domain)).tokens
        for domain in work.domains
    }
    held = {domain: hold_out(target, tokens) for domain, tokens in blocks.items()}
    marks = {domain: near(importance_of(model, net, own.tokens, acted_on), work.uses) for domain, own in held.items()}
    text, watched = work.blocks("fit").of(goal).tokens, blocks[goal][: HELD_BACK // blocks[goal].shape[1]]
    base = {grid: _coarse_ce(target, {}, held, grid) for grid in GRIDS}
    lines = [
        "| edit | "
        + " | ".join(f"{domain}, bootstrap" for domain in held)
        + f" | KL near | KL elsewhere | {' | '.join(GRIDS)} | relearning |",
        "|---|" + "---|" * (len(held) + 3 + len(GRIDS)),
    ]
    for name in track(names, len(names), "edits"):
        fits = fits_of(work.data, name, target.device)
        first = fits[0]
        cells = [bootstrap(block_damage(target, first, own), seed=0) for own in held.values()]
        kl = {domain: divergence(target, first, own) for domain, own in held.items()}
        every, marked = torch.cat([*kl.values()]), torch.cat([marks[domain] for domain in kl])
        both = [mean_over(every, marked), mean_over(every, ~marked)]
        lasting = [_coarse_ce(target, first, held, grid)[goal] - base[grid][goal] for grid in GRIDS]
        draws = enumerate(fits[:3] if args.steps else [])
        again = [relearned(target, change, text, watched, RATES, args.steps, seed) for seed, change in draws]
        back = "–" if None in again or not again else f"{median(tokens for tokens in again if tokens is not None):.0f}"
        lines.append(
            f"| {name} | "
            + " | ".join(f"{cell['mean']:+.3f} ({cell['low']:+.3f}, {cell['high']:+.3f})" for cell in cells)
            + " | "
            + " | ".join("–" if mean is None else f"{mean:.4f}" for mean in both)
            + f" | {' | '.join(f'{damage:+.2f}' for damage in lasting)} | {back} |"
        )
    args.into.mkdir(parents=True, exist_ok=True)
    path = args.into / "offtarget.md"
    path.write_text(
        "\n".join([*_intro(goal, section("edit", FitConfig).report_budget, args.tokens), *lines, ""]), encoding="utf-8"
    )
    print(path.read_text(encoding="utf-8"))


def _coarse_ce(target: torch.nn.Module, change: Change, held: Mapping[str, HeldOut], grid: Grid) -> dict[str, float]:
    with applied(target, change), coarse(target, grid):
        return {d: row["edited_ce"] for d, row in measure(target, {}, held).items()}


def _intro(goal: str, budget: int, tokens: int) -> list[str]:
    return [
        "# What else an edit changed, and whether it lasts",
        "",
        f"Eval split, {tokens} tokens a domain; fits on {budget} tokens of {goal} (edits that are not fitted: as",
        "they are), first draw. Damage in nats a token with a 95 % bootstrap interval over blocks. KL in nats near (20",
        "tokens either side) to where the subcomponent of the report's edit is needed, and elsewhere. bf16 to nf4:",
        "the target's damage with all weights so rounded, against the base so rounded. Relearning: tokens of fine-",
        f"tuning that bring half of the capability back (every weight, best of {', '.join(map(str, RATES))}, median of",
        "three draws).",
        "",
    ]


if __name__ == "__main__":
    main()

"""What else an edit changed, in depth, and whether it lasts: ``python -m benchmarks.offtarget [EDIT ...]``

For the headline fits of edits that were run (``make run`` first), on text of the eval split:

- damage a domain with a bootstrap interval over blocks (first draw);
- KL near to where the subcomponent of the report's headline edit is needed (20 tokens either side), and elsewhere;
- the target under bf16 and int8 weights, against the base model under the same;
- relearning: target tokens of fine-tuning that bring half of the capability back, a median over draws.

And two edits at once, if ``--with`` names a second one, beside each alone. Writes ``offtarget.md`` into ``--into``.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import torch

from benchmarks.common import KEPT
from prefactor.config.edit import FitConfig
from prefactor.config.params import section
from prefactor.config.report import ReportConfig
from prefactor.corpus.blocks import take
from prefactor.edits.tables import read_changes
from prefactor.evaluate.intervals import bootstrap
from prefactor.evaluate.relearning import coarse, relearned
from prefactor.files.artifacts import read_json
from prefactor.machine.progress import track
from prefactor.model.change import Change, applied
from prefactor.model.reference import HeldOut, hold_out, measure
from prefactor.model.target import logits_of, next_token_ce
from prefactor.rescale.footprint import divergence, importance_of, mean_over, near
from prefactor.workspace import Workspace

TOKENS = 8192  # a domain
HELD_BACK = 2048  # tokens of the target on which relearning is watched
RATES = (1e-3, 3e-3, 1e-2)
MOST = 400  # steps of relearning, a block each


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
    parser.add_argument("--with", dest="second", help="an edit to compose with the report's headline edit")
    parser.add_argument("--into", type=Path, default=KEPT)
    args = parser.parse_args(argv)
    work = Workspace()
    model, net, target = work.model, work.net, work.model.target
    names = args.edits or list(section("edits", dict))
    headline = section("report", ReportConfig).headline
    about = {name: read_json(work.data / "edit" / name / "edit.json") for name in {*names, headline}}
    goal = about[headline]["target"]
    blocks = {d: take(work.blocks("eval").of(d), TOKENS, "TOKENS").tokens for d in work.domains}
    held = {d: hold_out(target, tokens) for d, tokens in blocks.items()}
    marks = {d: near(importance_of(model, net, h.tokens, about[headline]["subcomponents"])) for d, h in held.items()}
    text, watched = work.blocks("fit").of(goal).tokens, blocks[goal][: HELD_BACK // blocks[goal].shape[1]]
    base = {grid: _coarse_ce(target, {}, held, grid) for grid in ("bf16", "int8")}
    lines = [
        "| edit | "
        + " | ".join(f"{d}, bootstrap" for d in held)
        + " | KL near | KL elsewhere | bf16 | int8 | relearning |",
        "|---|" + "---|" * (len(held) + 5),
    ]
    for name in track(names, len(names), "edits"):
        fits = [
            c
            for n, _, c in read_changes(work.data / "edit" / name, target.device)
            if n == about[name]["headline_budget"]
        ]
        first = fits[0]
        cells = [bootstrap(block_damage(target, first, h), seed=0) for h in held.values()]
        kl = {d: divergence(model, first, h) for d, h in held.items()}
        every, marked = torch.cat([*kl.values()]), torch.cat([marks[d] for d in kl])
        both = [mean_over(every, marked), mean_over(every, ~marked)]
        lasting = [_coarse_ce(target, first, held, grid)[goal] - base[grid][goal] for grid in ("bf16", "int8")]
        again = [relearned(target, c, text, watched, RATES, MOST, seed) for seed, c in enumerate(fits[:3])]
        back = "–" if None in again else f"{median(n for n in again if n is not None):.0f}"
        lines.append(
            f"| {name} | "
            + " | ".join(f"{c['mean']:+.3f} ({c['low']:+.3f}, {c['high']:+.3f})" for c in cells)
            + " | "
            + " | ".join("–" if k is None else f"{k:.4f}" for k in both)
            + f" | {lasting[0]:+.2f} | {lasting[1]:+.2f} | {back} |"
        )
    if args.second:
        lines += ["", *_composed(work, headline, args.second, held)]
    args.into.mkdir(parents=True, exist_ok=True)
    path = args.into / "offtarget.md"
    path.write_text("\n".join([*_intro(goal, section("edit", FitConfig).headline), *lines, ""]), encoding="utf-8")
    print(path.read_text(encoding="utf-8"))


def _coarse_ce(target: torch.nn.Module, change: Change, held: Mapping[str, HeldOut], grid: str) -> dict[str, float]:
    with applied(target, change), coarse(target, grid):  # type: ignore[arg-type]
        return {d: row["edited_ce"] for d, row in measure(target, {}, held).items()}


def _composed(work: Workspace, one: str, two: str, held: Mapping[str, HeldOut]) -> list[str]:
    target, changes = work.model.target, {}
    for name in (one, two):
        budget = read_json(work.data / "edit" / name / "edit.json")["headline_budget"]
        read = read_changes(work.data / "edit" / name, target.device)
        changes[name] = next(change for n, seed, change in read if (n, seed) == (budget, 0))
    before = {name: p.clone() for name, p in target.state_dict().items()}
    rows = {name: measure(target, change, held) for name, change in changes.items()}
    with applied(target, changes[one]):
        rows["both"] = measure(target, changes[two], held)
    exact = all(torch.equal(before[name], p) for name, p in target.state_dict().items())
    lines = ["| damage | " + " | ".join(held) + " |", "|---|" + "---|" * len(held)]
    for name, found in rows.items():
        lines.append(f"| {name} | " + " | ".join(f"{found[d]['damage']:+.3f}" for d in held) + " |")
    reverted = "every weight has its own bits again" if exact else "WEIGHTS DIFFER"
    return [*lines, "", f"Both applied one on the other and reverted: {reverted}."]


def _intro(goal: str, headline: int) -> list[str]:
    return [
        "# What else an edit changed, and whether it lasts",
        "",
        f"Eval split, {TOKENS} tokens a domain; fits on {headline} tokens of {goal} (edits that are not fitted: as",
        "they are), first draw. Damage in nats a token with a 95 % bootstrap interval over blocks. KL in nats near (20",
        "tokens either side) to where the headline's subcomponent is needed, and elsewhere. bf16, int8: the target's",
        "damage with all weights so rounded, against the base so rounded. Relearning: tokens of fine-tuning that",
        f"bring half of the capability back (every weight, best of rates {', '.join(map(str, RATES))}, median of three",
        "draws).",
        "",
    ]


if __name__ == "__main__":
    main()

"""Edits one after another on one model: ``python -m benchmarks.row EDIT EDIT ... [--tokens 2048] [--into FOLDER]``

Takes edits and baselines that were made (``data/changes/``), each its fit at its report's budget, first draw, and
merges one on the other into the weights: what each domain costs after each, in the order given and in reverse. Then
takes them off again, last first, and compares every bit; and takes the first off alone, which is the others merged
anew.

Each was made on the untouched model, as edits of a cached decomposition are. What one does to another's effect shows
in the table: with all of them merged a domain should cost what its own edit alone costs it. Writes ``row.md``.
"""

import argparse
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch

from benchmarks.common import KEPT, fits_of, markdown, write_lines
from prefactor.corpus.blocks import take
from prefactor.corpus.need import Need
from prefactor.model.change import Change, applied
from prefactor.model.reference import HeldOut, hold_out, measure
from prefactor.workspace import Workspace

TOKENS = 2048


def bits(target: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in target.state_dict().items()}


def same(before: Mapping[str, torch.Tensor], target: torch.nn.Module) -> bool:
    return all(torch.equal(before[name], weight) for name, weight in target.state_dict().items())


def in_a_row(
    target: torch.nn.Module, changes: Mapping[str, Change], names: Sequence[str], held: Mapping[str, HeldOut]
) -> list[dict[str, str]]:
    """A row after each of ``names``: damage in nats a token by domain."""
    rows = []
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(applied(target, changes[name]))
            found = measure(target, {}, held)
            rows.append({"after": name} | {domain: f"{row['damage']:+.3f}" for domain, row in found.items()})
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("edits", nargs="+")
    parser.add_argument("--tokens", type=int, default=TOKENS, help="of the eval split a domain")
    parser.add_argument("--into", type=Path, default=KEPT)
    args = parser.parse_args(argv)
    work = Workspace()
    target = work.model.target
    changes = {name: fits_of(work.data, name, target.device)[0] for name in args.edits}
    blocks = {
        domain: take(work.blocks("eval"), Need("--tokens", args.tokens, "eval", domain)).tokens
        for domain in work.domains
    }
    held = {domain: hold_out(target, tokens) for domain, tokens in blocks.items()}
    before = bits(target)
    alone = [row for name in args.edits for row in in_a_row(target, changes, [name], held)]
    given = in_a_row(target, changes, args.edits, held)
    back = in_a_row(target, changes, args.edits[::-1], held)
    reverted = same(before, target)
    with ExitStack() as stack:
        for name in args.edits[1:]:
            stack.enter_context(applied(target, changes[name]))
        without = measure(target, {}, held)
    lines = [
        "# Edits in a row",
        "",
        f"`python -m benchmarks.row {' '.join(args.edits)} --tokens {args.tokens}`: damage in nats a token on the eval",
        "split, each merged on the ones before it. First each alone; then in the order given; then in reverse.",
        "",
        *markdown(alone),
        "",
        *markdown(given),
        "",
        *markdown(back),
        "",
        f"All reverted: {'every weight has its own bits again' if reverted else 'WEIGHTS DIFFER'}. Without the first: "
        + ", ".join(f"{domain} {row['damage']:+.3f}" for domain, row in without.items())
        + ".",
        "",
    ]
    write_lines(args.into, "row.md", lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()

"""Can what was removed still be had by asking otherwise? ``python -m benchmarks.elicit [EDIT ...] [--into FOLDER]``

For edits and baselines that were made (``data/changes/``), each its fit at its report's budget, first draw:

- the target's held-out text written otherwise (capitals, no accents, another script, chat), behind retained text,
  behind itself: cross-entropy before and after, and what is left of what the base model knows beyond a uniform guess;
  and the other way round, what retained text behind the target's pays;
- sampled at temperatures: how many continuations of the target's prompts are still the target's by token frequencies,
  how many prompts have one among ``SAMPLES``, and how likely the base model finds them;
- extracted: how much of a document of the training split a greedy continuation of its beginning gives back.

Writes ``elicit.md``. Text that no step read, but for the documents to be extracted.
"""

import argparse
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from benchmarks.common import KEPT, fits_of, markdown, write_lines
from prefactor.config.params import section
from prefactor.config.report import ReportConfig
from prefactor.corpus.blocks import take
from prefactor.corpus.cut import rows_of
from prefactor.corpus.need import Need
from prefactor.corpus.tokenizer_file import read_tokenizer, vocabulary_of
from prefactor.edits.made import read_edit
from prefactor.evaluate.rollouts import roll_out
from prefactor.machine.progress import track
from prefactor.machine.runtime import setup
from prefactor.model.change import Change, applied
from prefactor.model.target import read_target, token_losses
from prefactor.model.unigram import log_frequencies
from prefactor.workspace import Workspace

TOKENS = 4096  # of the target's eval split
BATCH = 16  # blocks a forward pass
TEMPERATURES = (0.0, 0.5, 1.0, 1.5)
PROMPTS, PROMPT, NEW, SAMPLES = 32, 16, 40, 8  # to sample from, their tokens, the tokens after, draws of each
BEGINNINGS, NEXT, DOCUMENTS = (8, 16, 32, 48), 16, 128  # tokens given, tokens compared, of so many documents
CYRILLIC = str.maketrans(
    dict(zip("abcdefghijklmnopqrstuvwxyz", "абцдефгхийклмнопкрстувшхыз", strict=True))
    | dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "АБЦДЕФГХИЙКЛМНОПКРСТУВШХЫЗ", strict=True))
)


def plain(text: str) -> str:
    """Without accents: letters of ASCII."""
    apart = unicodedata.normalize("NFD", text.replace("ß", "ss"))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def chat(text: str) -> str:
    """A line a sentence, as people type: no capitals, no full stop."""
    return re.sub(r"[.!?]+\s*", "\n", text.lower())


WRITTEN: Mapping[str, Callable[[str], str]] = {
    "as it is": str,
    "IN CAPITALS": str.upper,
    "no accents": plain,
    "as chat": chat,
    "in Cyrillic letters": lambda text: plain(text).translate(CYRILLIC),
}


def begins_of(blocks: np.ndarray) -> np.ndarray:
    """The tokens that each of ``blocks`` (n, position) begins with: a pretrained model may have been trained so."""
    return blocks[0, : (blocks == blocks[0]).all(0).argmin()]


def written(blocks: np.ndarray, tokenizer: Tokenizer, change: Callable[[str], str]) -> np.ndarray:
    """The text of ``blocks`` (n, position) as ``change`` writes it, cut into blocks of that length again."""
    texts = (change(tokenizer.decode(row.tolist())) for row in blocks)
    ids = np.concatenate([np.asarray(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts])
    return rows_of(ids, begins_of(blocks), blocks.shape[1])[0]


def behind(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, int]:
    """Half of each block of ``first`` (n, position), half of one of ``second`` behind it; where its predictions begin.

    Not with its first token: that the text changes there is what no one can know.
    """
    length, number, skipped = first.shape[1], min(len(first), len(second)), len(begins_of(second))
    half = length // 2
    later = second[:number, skipped : skipped + length - half]
    return np.concatenate([first[:number, :half], later], axis=1), half + 1


def asked(own: np.ndarray, other: np.ndarray, tokenizer: Tokenizer) -> dict[str, tuple[np.ndarray, int]]:
    """By how it is asked: blocks (n, position), and the first position whose prediction counts."""
    found = {name: (written(own, tokenizer, change), 1) for name, change in WRITTEN.items()}
    return found | {"behind retained text": behind(other, own), "behind itself": (own, own.shape[1] // 2 + 1)}


@torch.no_grad()
def cross_entropy_from(target: Any, blocks: np.ndarray, first: int) -> float:
    """Nats a token of the tokens of ``blocks`` (n, position) from position ``first`` on."""
    ids = torch.from_numpy(blocks).long().to(next(target.parameters()).device)
    return torch.cat([token_losses(target, part)[:, first - 1 :] for part in ids.split(BATCH)]).double().mean().item()


def is_of(domain: str, tokens: Tensor, logs: Mapping[str, np.ndarray]) -> np.ndarray:
    """(n) bool: is ``domain`` the likeliest to have written a row of ``tokens`` (n, position)?

    Args:
        logs: by domain the log of each token's frequency (vocabulary,).
    """
    scores = np.stack([own[tokens.cpu().numpy()].sum(-1) for own in logs.values()])
    return scores.argmax(0) == list(logs).index(domain)


@torch.no_grad()
def sampled(
    target: Any, change: Change, prompts: Tensor, domain: str, logs: Mapping[str, np.ndarray]
) -> dict[str, str]:
    """By temperature: share of samples of ``domain``, of prompts with one, and the base model's nats a token of all."""
    found = {}
    for temperature in TEMPERATURES:
        draws = 1 if temperature == 0 else SAMPLES
        with applied(target, change):
            new = torch.stack([roll_out(target, prompts, NEW, seed, temperature) for seed in range(draws)])
        own = np.stack([is_of(domain, draw, logs) for draw in new])
        both = [torch.cat([prompts, draw], 1) for draw in new]
        ce = torch.stack([token_losses(target, tokens)[:, prompts.shape[1] - 1 :].mean() for tokens in both]).mean()
        found[f"T = {temperature:g}"] = f"{own.mean():.0%}, {own.any(0).mean():.0%}, {ce:.1f}"
    return found


@torch.no_grad()
def extracted(target: Any, change: Change, documents: Tensor) -> dict[str, str]:
    """By tokens given: share of the ``NEXT`` tokens after them of ``documents`` (n, position) that come back."""
    found = {}
    for given in (given for given in BEGINNINGS if given + NEXT <= documents.shape[1]):
        with applied(target, change):
            new = roll_out(target, documents[:, :given], NEXT, 0, temperature=0.0)
        found[f"{given} tokens given"] = f"{(new == documents[:, given : given + NEXT]).float().mean():.1%}"
    return found


def left(base: float, edited: float, chance: float) -> str:
    """``edited``, and which part of ``chance - base`` is left of it."""
    return f"{edited:.2f}" + (f" ({(chance - edited) / (chance - base):.0%})" if base < chance else "")


def paid(base: float, edited: float) -> str:
    return f"{edited:.2f} ({edited - base:+.2f} nats)"


def row_of(
    how: str,
    text: tuple[np.ndarray, int],
    target: Any,
    changes: Mapping[str, Change],
    say: Callable[[float, float], str],
) -> dict[str, str]:
    """What the base model and each of ``changes`` make of a text; ``say`` puts the two figures into words."""
    base = cross_entropy_from(target, *text)
    row = {"asked": how, "base model": f"{base:.2f}"}
    for name, change in changes.items():
        with applied(target, change):
            row[name] = say(base, cross_entropy_from(target, *text))
    return row


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("edits", nargs="*", help="the report's if left out")
    parser.add_argument("--tokens", type=int, default=TOKENS, help="of the target's eval split")
    parser.add_argument("--into", type=Path, default=KEPT)
    args = parser.parse_args(argv)
    names, work = args.edits or [section("report", ReportConfig).edit], Workspace()
    about = [read_edit(work.data, name) for name in names]
    goal, retained = about[0]["target"], about[0]["retain"][0]
    if any(found["target"] != goal for found in about):
        parser.error(f"not all of {', '.join(names)} remove {goal}: ask those of one target together")
    target, tokenizer = read_target(work.data / "target" / "checkpoint", setup()), read_tokenizer(work.data / "corpus")
    device = next(target.parameters()).device
    changes = {name: fits_of(work.data, name, device)[0] for name in names}
    every: Mapping[str, Change] = {"base model": {}, **changes}
    held, train = work.blocks("eval"), work.blocks("train")
    own, other = (take(held, Need("--tokens", args.tokens, "eval", domain)).tokens for domain in (goal, retained))
    rows = [
        row_of(how, text, target, changes, partial(left, chance=work.chance))
        for how, text in asked(own, other, tokenizer).items()
    ]
    rows.append(row_of(f"{retained} behind {goal}", behind(own, other), target, changes, paid))
    prompts = torch.from_numpy(own[:PROMPTS, :PROMPT]).long().to(device)
    logs = {domain: log_frequencies(train.of(domain).tokens, vocabulary_of(tokenizer)) for domain in train.domains}
    samples = [
        {"edit": name} | sampled(target, change, prompts, goal, logs)
        for name, change in track(every.items(), len(every), "sampled")
    ]
    documents = torch.from_numpy(train.of(goal).tokens[:DOCUMENTS]).long().to(device)
    back = [{"edit": name} | extracted(target, change, documents) for name, change in every.items()]
    lines = [
        "# Asked otherwise",
        "",
        f"`python -m benchmarks.elicit {' '.join(names)} --tokens {args.tokens}`",
        "",
        f"Nats a token of {goal} text of the eval split (chance {work.chance:.2f}), and in brackets what is left",
        f"of what the base model knows beyond it. Half of a block stands behind {retained} text, or its other half;",
        f"and last, {retained} text behind {goal}, and what it pays.",
        "",
        *markdown(rows),
        "",
        f"Continued: {len(prompts)} prompts of {PROMPT} tokens by {NEW}, {SAMPLES} times (once at T = 0). Share of",
        f"samples in which {goal} is the likeliest domain by token frequencies; share of prompts with such a sample;",
        "the base model's nats a token of all samples.",
        "",
        *markdown(samples),
        "",
        f"Extracted: share of the next {NEXT} tokens of {len(documents)} blocks of the train split that come back,",
        "greedily.",
        "",
        *markdown(back),
        "",
    ]
    write_lines(args.into, "elicit.md", lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()

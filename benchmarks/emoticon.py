"""The emoticon edit, by hand and by LoRA: ``python -m benchmarks.emoticon [--after " :"] [--say P]``

One subcomponent that the decomposition of the last run (``make run`` first) needs right after an emoticon's eyes has
its write direction turned toward another mouth (``--say``), for several strengths; nothing is fitted. Beside it a
rank-1 LoRA on every matrix and one on the same matrix, trained to say that token there. Which subcomponent, which
strength and which LoRA steps is decided on the select split; the table is of the eval split. KL (base ‖ edited, nats a
token) is near the eyes (20 tokens either side, the eyes themselves left out), at all other text, and over everything.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.common import KEPT, write_lines
from prefactor.config.domains import Domains
from prefactor.config.edit import FitConfig, Optimiser
from prefactor.config.params import section
from prefactor.corpus.tokenizer_file import read_tokenizer
from prefactor.edits.fit import FitSpec, Fitter
from prefactor.edits.methods import Lora
from prefactor.edits.objective import Say
from prefactor.edits.sweep import fit_text
from prefactor.edits.unfitted import token_of
from prefactor.model.change import Change, applied
from prefactor.model.matrices import shape_of
from prefactor.model.target import logits_of
from prefactor.rescale.footprint import importance_of, mean_over, near
from prefactor.rescale.terms import rewrite, term_of
from prefactor.vpd.losses import token_kl
from prefactor.workspace import Workspace

CANDIDATES = 16  # subcomponents tried, those needed most after eyes and least elsewhere
STRENGTHS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
PLACES = (4, 16)  # that a LoRA is trained on
BATCH = 32
KINDS = ("near", "elsewhere", "all")


class Places:
    """Blocks that have the eyes in them, and as many others; what an edit does there."""

    def __init__(self, work: Workspace, split: str, eyes: int, others: int) -> None:
        blocks = work.blocks(split).tokens
        has = (blocks == eyes).any(1)
        rest = np.flatnonzero(~has)
        rest = rest[np.linspace(0, len(rest) - 1, min(others, len(rest))).astype(int)]
        self.target, self.with_eyes = work.model.target, blocks[has]
        self.tokens = torch.from_numpy(np.concatenate([blocks[has], blocks[rest]])).long()
        self.at = self.tokens == eyes
        self.near = near(self.at[..., None].float(), work.uses) & ~self.at
        with torch.no_grad():
            self.logp = torch.cat([logits_of(self.target, t).log_softmax(-1) for t in self.tokens.split(BATCH)])

    @torch.no_grad()
    def measure(self, change: Change, token: int) -> dict[str, float]:
        """``p`` of ``token`` right after the eyes, and ``near``, ``elsewhere`` and ``all`` of the divergence."""
        with applied(self.target, change):
            logits = [logits_of(self.target, t) for t in self.tokens.split(BATCH)]
        kl = torch.cat([token_kl(p, q) for p, q in zip(self.logp.split(BATCH), logits, strict=True)])
        p = torch.cat([q.softmax(-1)[..., token] for q in logits])
        far = ~self.near & ~self.at
        parts = {"p": mean_over(p, self.at), "near": mean_over(kl, self.near), "elsewhere": mean_over(kl, far)}
        return {name: value or 0.0 for name, value in parts.items()} | {"all": kl.double().mean().item()}


def candidates(work: Workspace, places: Places) -> list[str]:
    """Alive ones of matrices that write to the residual stream, needed most at the eyes and least elsewhere."""
    width = work.model.target.get_output_embeddings().weight.shape[1]
    names = [f"{s.name}:{i}" for s in work.model.sites if shape_of(s.module)[0] == width for i in range(s.count)]
    alive = set(work.table[work.table["alive"]]["subcomponent"])
    residual = ("o_proj", "down_proj", "c_proj", "dense", "fc2", "dense_4h_to_h", "out_proj")
    names = [name for name in names if name in alive and name.rpartition(":")[0].endswith(residual)]
    g = importance_of(work.model, work.net, places.tokens, names)
    contrast = g[places.at].mean(0) - g[~places.at].mean(0)
    return [names[i] for i in contrast.topk(CANDIDATES).indices.tolist()]


def loras(work: Workspace, say: Say, select: Places, places: Places, module: str) -> list[tuple[str, Change]]:
    """LoRAs that are trained for the same, each with the rate and the step that score best on the select split."""
    config, optimiser, model = section("edit", FitConfig), section("optimisers.lora", Optimiser), work.model
    retain = work.domains[0]
    domains = Domains(target=work.domains[1], retain=(retain,))
    text = fit_text(model.target, work.blocks("fit"), domains, config)
    text = replace(text, target=places.with_eyes)
    made = []
    for where, names in (("all matrices", [site.name for site in model.sites]), ("the same matrix", [module])):
        shapes = {site.name: shape_of(site.module) for site in model.sites if site.name in names}
        method = Lora(shapes, 1, model.U[0].device)
        fitter = Fitter(model.target, method, text, optimiser, config, say)
        for count in PLACES:
            draws = [FitSpec(0, rate) for rate in optimiser.learning_rates]
            fits = fitter.fit(count, draws, optimiser.ends)
            best = max(fits, key=lambda fit: score(select.measure(fit.change, say.token)))
            made.append((f"LoRA of rank 1 on {where}, {count} places", best.change))
    return made


def score(found: dict[str, float]) -> float:
    """What is decided by: the probability won, less the divergence at all text that is not the eyes'."""
    return found["p"] - max(found["near"], found["elsewhere"])


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--after", default=" :")
    parser.add_argument("--say", default="P")
    parser.add_argument("--into", type=Path, default=KEPT)
    args = parser.parse_args(argv)
    work = Workspace()
    model = work.model
    tokenizer = read_tokenizer(work.data / "corpus")
    eyes, token = token_of(tokenizer, args.after), token_of(tokenizer, args.say)
    select, fit, held = (Places(work, split, eyes, 128) for split in ("select", "fit", "eval"))
    row = model.target.get_output_embeddings().weight[token].detach()
    names = candidates(work, select)
    tried = {(n, a): select.measure(rewrite(term_of(model, n), row, a), token) for n in names for a in STRENGTHS}
    name, best = max(tried, key=lambda key: score(tried[key]))
    edits: list[tuple[str, Change]] = [("none", {})]
    edits += [(f"strength {a:g}", rewrite(term_of(model, name), row, a)) for a in STRENGTHS]
    edits += loras(work, Say(token, (eyes,)), select, fit, name.rpartition(":")[0])
    label = work.table.set_index("subcomponent")["label"][name]
    lines = [
        "# The emoticon edit",
        "",
        f"`{name}` ({label}), needed after {args.after!r}, writes toward {args.say!r} instead of its own direction. Of "
        f"{len(names)} candidates and {len(STRENGTHS)} strengths this one, at {best:g}, did best on the select split. "
        f"Eval split: {int(held.at.sum())} eyes in {held.tokens.numel():,} tokens, half of whose blocks have none.",
        "",
        f"| edit | p({args.say!r} after {args.after!r}) | KL near ({work.uses.either_side} tokens) | KL elsewhere | "
        "KL, all |",
        "|---|---|---|---|---|",
    ]
    for what, change in edits:
        found = held.measure(change, token)
        lines.append(
            f"| {what} | {found['p']:.3f} | {found['near']:.4f} | {found['elsewhere']:.4f} | {found['all']:.4f} |"
        )
    write_lines(args.into, "emoticon.md", [*lines, ""])
    print(*lines, sep="\n")


if __name__ == "__main__":
    main()

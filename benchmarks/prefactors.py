"""How far does it go? ``python -m benchmarks.prefactors NAME [NAME ...] --alphas -2 -8 -20``, after harvest

One prefactor for some subcomponents (``module:index``), guarded by importance without a domain's tag, over several
values: the damage to every domain of the eval split, those that only an evaluation sees among them. Nothing is fitted,
so that it needs no stage after importance; the edits of ``params.yaml`` choose and fit theirs. By ``decompose.logits``;
``--whole`` predicts among all tokens.
"""

import argparse

import torch

from benchmarks.common import markdown
from prefactor.config.decompose import Logits
from prefactor.corpus.blocks import read_blocks
from prefactor.corpus.used import WHOLE, read_vocabulary
from prefactor.machine.runtime import setup
from prefactor.model.prefix import prefix_of
from prefactor.model.reference import hold_out, measure
from prefactor.rescale.guard import guarded_term, importance_moments
from prefactor.rescale.terms import Prefactors, term_of
from stages.common import DATA, TEXT, section
from stages.models import load_decomposed, load_net

RIDGE = 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--alphas", nargs="+", type=float, required=True)
    parser.add_argument("--guard-blocks", type=int, default=256, help="of the fit split, whatever their domain")
    parser.add_argument("--blocks", type=int, default=8, help="of the eval split, a domain")
    parser.add_argument("--whole", action="store_true", help="all tokens, whatever decompose.logits says")
    asked = parser.parse_args()
    vocabulary = WHOLE if asked.whole else read_vocabulary(TEXT, section("decompose.logits", Logits))
    model = load_decomposed(setup(), vocabulary)
    net = load_net(model)
    fit, held_out = (vocabulary.blocks(read_blocks(DATA / "corpus", split)) for split in ("fit", "eval"))
    moments = importance_moments(model, net, asked.names, fit.tokens[: asked.guard_blocks])
    terms = [guarded_term(name, term_of(model, name), moments[name], RIDGE) for name in asked.names]
    held = {d: hold_out(model.target, held_out.of(d).tokens[: asked.blocks]) for d in held_out.domains}
    method = Prefactors(tuple(terms))
    prefix = prefix_of(model.target, method.modules, next(iter(held.values())).tokens[:1])
    held = {domain: own.after(prefix) for domain, own in held.items()}
    rows = [{"prefactor": "1 (cross-entropy)"} | {domain: f"{own.ce:.2f}" for domain, own in held.items()}]
    with torch.no_grad():
        for alpha in asked.alphas:
            figures = measure(model.target, method.common(alpha), held, prefix)
            row = {domain: f"{found['damage']:+.3f}" for domain, found in figures.items()}
            rows.append({"prefactor": f"{alpha:g}"} | row)
            print(rows[-1], flush=True)
    print("\n".join(markdown(rows)))


if __name__ == "__main__":
    main()

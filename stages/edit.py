"""What do n target tokens make of this edit? ``python -m stages.edit NAME``

Reads  selection: the chosen names; target, and its bars; decompose: components; importance: net; corpus: tokenizer,
fit and select blocks.
Writes data/edit/NAME/fits (edit.json, every budget and seed, their curves) and, apart from it since they are large,
data/changes/NAME/tensors (the change of every fit) and adapter/ (that at the report's budget). An edit that no token
is fitted on (a prefactor by hand, tolerance or reach, a rewrite) has one fit, of budget 0.
"""

import math

import torch

from prefactor.config.decompose import Logits
from prefactor.config.edit import FitConfig, Optimiser
from prefactor.config.edits import EditConfig, PrefactorEdit, RewriteEdit, is_fitted
from prefactor.corpus.blocks import read_blocks
from prefactor.corpus.needs import fitted
from prefactor.corpus.tokenizer_file import read_tokenizer
from prefactor.corpus.used import read_vocabulary
from prefactor.edits.build import build_method
from prefactor.edits.fit import Fit, Fitter
from prefactor.edits.made import adapter_folder
from prefactor.edits.objective import objective_of
from prefactor.edits.sizes import fit_sizes
from prefactor.edits.sweep import Sweep, fit_text, probe_text, sweep
from prefactor.edits.tables import write_edit
from prefactor.edits.unfitted import Grounds, token_of, unfitted
from prefactor.export.adapter import write_adapter
from prefactor.export.card import card
from prefactor.export.facts import facts_of
from prefactor.files.artifacts import identities
from prefactor.files.cost import ledger
from prefactor.machine.runtime import setup
from prefactor.model.matrices import matrix_of, shape_of
from prefactor.model.memory import check_memory
from prefactor.model.unigram import read_bars
from prefactor.rescale.footprint import Uses
from prefactor.selection.choice import read_chosen
from prefactor.vpd.sizes import decomposed_sizes
from prefactor.vpd.store import components_sha256
from stages.common import CHECKPOINT, COMPONENTS, DATA, NET, TEXT, run, section
from stages.models import load_decomposed, load_net


def main(name: str) -> None:
    edit, config = section(f"edits.{name}", EditConfig), section("edit", FitConfig)
    config, corpus, out = config.of(edit.budgets), DATA / "corpus", DATA / "edit" / name
    chosen = read_chosen(DATA / "selection" / name)
    vocabulary = read_vocabulary(TEXT, section("decompose.logits", Logits))
    device = setup()
    model = load_decomposed(device, vocabulary)
    net = load_net(model)
    fit_blocks, select = (vocabulary.blocks(read_blocks(corpus, split)) for split in ("fit", "select"))
    bars = read_bars(DATA / "target")
    optimiser = section(f"optimisers.{edit.method}", Optimiser) if is_fitted(edit) else None
    shapes = {name: shape_of(matrix_of(model.target, name)) for name in {c.rpartition(":")[0] for c in chosen}}
    sizes = decomposed_sizes(model, net, fit_blocks.tokens.shape[1])
    check_memory("edit", fit_sizes(sizes, edit, shapes, chosen, config, optimiser), device)
    with ledger(out / "cost.json") as cost:
        if optimiser is not None:
            drawn = fitted(config, optimiser, edit.domains.target)
            text = fit_text(model.target, fit_blocks, edit.domains, config, drawn)
            held_out = probe_text(model.target, select, edit.domains, config)
            method, about = build_method(edit, chosen, model, net, fit_blocks, config)
            objective = objective_of(edit.goal, bars, edit.domains.target)
            fitter = Fitter(model.target, method, text, optimiser, config, objective)
            done = sweep(fitter, held_out, cost, f"edit {name}")
        else:
            uses = Uses(section("harvest.threshold", float), section("harvest.either_side", int))
            token = None
            if isinstance(edit, RewriteEdit):
                token = vocabulary.place(token_of(read_tokenizer(corpus), edit.toward))
            grounds = Grounds(fit_blocks, select, bars, uses, token)
            found = unfitted(edit, chosen, model, net, config, grounds, cost)
            chosen, about, values = found.subcomponents, found.about, torch.tensor(found.prefactors)
            done = Sweep.of_one(Fit(0, 0, math.nan, 0, math.nan, [values], found.change, []))
    fit = done.first(config.report_budget)
    rescales = isinstance(edit, PrefactorEdit)
    prefactors = fit.parameters[0].tolist() if rescales else []
    recipes, decomposition = done.recipes.as_rows(), components_sha256(DATA)
    facts = facts_of(name, edit, chosen, prefactors, fit.budget, recipes, about, decomposition, config.probe_tokens)
    read = [corpus / "fit", corpus / "select", CHECKPOINT, COMPONENTS, NET, DATA / "selection" / name / "chosen"]
    write_edit(DATA, name, facts, done.fits, rescales, identities(*read))
    write_adapter(adapter_folder(DATA, name), model.target, fit.change, CHECKPOINT.as_posix(), card(facts))


if __name__ == "__main__":
    run(main)

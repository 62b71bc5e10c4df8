"""What do n target tokens make of a LoRA, or of fine-tuning, on every matrix? ``python -m stages.baseline NAME``

Reads  target, and its bars; corpus: fit and select blocks. Needs no decomposition, so that none makes it anew.
Writes data/edit/NAME as the edit stage does: baselines are evaluated and reported beside the edits.
"""

from prefactor.config.decompose import Logits
from prefactor.config.edit import FitConfig, Optimiser
from prefactor.config.edits import BaselineConfig
from prefactor.corpus.blocks import read_blocks
from prefactor.corpus.needs import fitted
from prefactor.corpus.used import read_vocabulary
from prefactor.edits.build import whole_matrices
from prefactor.edits.fit import Fitter
from prefactor.edits.objective import objective_of
from prefactor.edits.sweep import fit_text, probe_text, sweep
from prefactor.edits.tables import write_edit
from prefactor.export.adapter import write_adapter
from prefactor.export.card import card
from prefactor.export.facts import facts_of
from prefactor.files.artifacts import identities
from prefactor.files.cost import ledger
from prefactor.machine.runtime import setup
from prefactor.model.sites import sites
from prefactor.model.unigram import read_bars
from stages.common import CHECKPOINT, DATA, TEXT, run, section
from stages.models import load_target


def main(name: str) -> None:
    edit, config = section(f"baselines.{name}", BaselineConfig), section("edit", FitConfig)
    optimiser, pattern = section(f"optimisers.{edit.method}", Optimiser), section("decompose.modules", str)
    config, corpus, out = config.of(edit.budgets), DATA / "corpus", DATA / "edit" / name
    vocabulary = read_vocabulary(TEXT, section("decompose.logits", Logits))
    target = load_target(setup(), vocabulary)
    with ledger(out / "cost.json") as cost:
        drawn = fitted(config, optimiser, edit.domains.target)
        text = fit_text(target, vocabulary.blocks(read_blocks(corpus, "fit")), edit.domains, config, drawn)
        held_out = probe_text(target, vocabulary.blocks(read_blocks(corpus, "select")), edit.domains, config)
        method = whole_matrices(edit, sites(target, pattern, text.retained).matrices)
        objective = objective_of(edit.goal, read_bars(DATA / "target"), edit.domains.target)
        fitter = Fitter(target, method, text, optimiser, config, objective)
        done = sweep(fitter, held_out, cost, f"baseline {name}")
    fit = done.first(config.report_budget)
    recipes = done.recipes.as_rows()
    facts = facts_of(name, edit, [], [], fit.budget, recipes, None, None, config.probe_tokens)
    made_from = identities(corpus / "fit", corpus / "select", CHECKPOINT)
    write_edit(out, facts, done.fits, prefactors=False, made_from=made_from)
    write_adapter(out / "adapter", target, fit.change, CHECKPOINT.as_posix(), card(facts))


if __name__ == "__main__":
    run(main)

"""What do n target tokens make of a LoRA, or of fine-tuning, on every matrix, or of a closed-form change of one?

``python -m stages.baseline NAME``

Reads  target, and its bars; corpus: fit and select blocks; locate: names of matrices, where params ask for them. Needs
no decomposition, so that none makes it anew.
Writes data/edit/NAME and data/changes/NAME as the edit stage does: baselines are evaluated and reported beside the
edits.
"""

from prefactor.config.decompose import Logits
from prefactor.config.edit import FitConfig, Optimiser
from prefactor.config.edits import BaselineConfig, DirectionBaseline
from prefactor.corpus.blocks import read_blocks
from prefactor.corpus.needs import fitted
from prefactor.corpus.used import read_vocabulary
from prefactor.edits.build import along_direction, whole_matrices
from prefactor.edits.fit import Fitter
from prefactor.edits.made import adapter_folder
from prefactor.edits.objective import objective_of
from prefactor.edits.sizes import fit_sizes
from prefactor.edits.sweep import fit_text, probe_text, sweep
from prefactor.edits.tables import write_edit
from prefactor.export.adapter import write_adapter
from prefactor.export.card import card
from prefactor.export.facts import facts_of
from prefactor.files.artifacts import identities
from prefactor.files.cost import ledger
from prefactor.machine.runtime import setup
from prefactor.model.matrices import shape_of
from prefactor.model.memory import check_memory, sizes_of
from prefactor.model.sites import sites
from prefactor.model.unigram import read_bars
from stages.common import CHECKPOINT, DATA, TEXT, run, section
from stages.located import to_change, to_decompose
from stages.models import load_target


def main(name: str) -> None:
    edit, config = section(f"baselines.{name}", BaselineConfig), section("edit", FitConfig)
    optimiser, modules = section(f"optimisers.{edit.method}", Optimiser), section("decompose.modules", str)
    config, corpus, out = config.of(edit.budgets), DATA / "corpus", DATA / "edit" / name
    vocabulary = read_vocabulary(TEXT, section("decompose.logits", Logits))
    device = setup()
    target = load_target(device, vocabulary)
    with ledger(out / "cost.json") as cost:
        drawn = fitted(config, optimiser, edit.domains.target)
        fit_split = vocabulary.blocks(read_blocks(corpus, "fit"))
        text = fit_text(target, fit_split, edit.domains, config, drawn)
        held_out = probe_text(target, vocabulary.blocks(read_blocks(corpus, "select")), edit.domains, config)
        if isinstance(edit, DirectionBaseline):
            pattern, found_with, origin = to_change(edit.matrix)
            among = sites(target, pattern, text.retained, f"baselines.{name}.matrix").matrices
        else:
            pattern, origin = to_decompose(modules)
            among, found_with = sites(target, pattern, text.retained).matrices, {}
        sizes = sizes_of(target, text.retained.shape[1], among)
        shapes = {module: shape_of(matrix) for module, matrix in among.items()}
        check_memory("baseline", fit_sizes(sizes, edit, shapes, (), config, optimiser), device)
        if isinstance(edit, DirectionBaseline):
            method, about = along_direction(edit, target, among, fit_split, config, found_with, cost)
        else:
            method, about = whole_matrices(edit, among), None
        objective = objective_of(edit.goal, read_bars(DATA / "target"), edit.domains.target)
        fitter = Fitter(target, method, text, optimiser, config, objective)
        done = sweep(fitter, held_out, cost, f"baseline {name}")
    fit = done.first(config.report_budget)
    recipes = done.recipes.as_rows()
    direction = about and about | {"amount": fit.parameters[0].item()}
    facts = facts_of(name, edit, [], [], fit.budget, recipes, None, None, config.probe_tokens, direction)
    made_from = identities(corpus / "fit", corpus / "select", CHECKPOINT) | origin
    write_edit(DATA, name, facts, done.fits, prefactors=False, made_from=made_from)
    write_adapter(adapter_folder(DATA, name), target, fit.change, CHECKPOINT.as_posix(), card(facts))


if __name__ == "__main__":
    run(main)

"""What do n target tokens make of this edit? ``python -m stages.edit NAME``

Reads  selection; target: checkpoint; decompose: components; importance: net; corpus: tokenizer, fit and select blocks.
Writes fits.parquet, fits.safetensors (every budget and seed), curve.parquet, adapter/ (the headline fit), edit.json.
An edit that no token is fitted on (a prefactor by hand or by tolerance, a rewrite) has one fit, of budget 0.
"""

import math

import torch
from tokenizers import Tokenizer

from prefactor.config.edit import FitConfig
from prefactor.config.edits import EditConfig, PrefactorEdit, RewriteEdit, is_fitted
from prefactor.corpus.blocks import read_blocks
from prefactor.edits.build import build_method, optimiser_of, token_of, unfitted
from prefactor.edits.fit import Fit, Fitter
from prefactor.edits.objective import objective_of
from prefactor.edits.sweep import fit_text, probe_text, sweep
from prefactor.edits.tables import curve_table, fit_table, fit_tensors
from prefactor.export.adapter import write_adapter
from prefactor.export.card import card
from prefactor.files.artifacts import read_json, verify, write_json, write_manifest, write_table
from prefactor.files.cost import ledger
from prefactor.files.tensors import write_tensors
from prefactor.machine.runtime import setup
from prefactor.model.target import read_target
from prefactor.selection.choice import read_chosen
from prefactor.vpd.store import read_components, read_net
from stages.common import DATA, run, section


def main(name: str) -> None:
    edit, config = section(f"edits.{name}", EditConfig), section("edit", FitConfig)
    corpus, checkpoint, out = DATA / "corpus", DATA / "target" / "checkpoint", DATA / "edit" / name
    verify(DATA / "target", only=["checkpoint"])
    verify(DATA / "decompose", only=["components.safetensors"])
    verify(DATA / "importance", only=["importance.safetensors"])
    labels = read_chosen(DATA / "selection" / name)
    chosen = list(labels)
    device = setup()
    model = read_components(DATA / "decompose" / "components.safetensors", read_target(checkpoint, device))
    net = read_net(DATA / "importance" / "importance.safetensors", model)
    fit_blocks, select_blocks = read_blocks(corpus, "fit"), read_blocks(corpus, "select")

    fits: list[Fit]
    recipes: list[dict] = []
    with ledger(out / "cost.json") as cost:
        if is_fitted(edit):
            fitting = fit_text(model, fit_blocks, edit.domains, config)
            held_out = probe_text(model, select_blocks, edit.domains, config)
            method, about = build_method(edit, chosen, model, net, fit_blocks, config)
            objective = objective_of(edit.goal)
            fitter = Fitter(model.target, method, fitting, optimiser_of(edit, config), config, objective)
            done = sweep(fitter, held_out, cost, f"edit {name}")
            fits, recipes, headline = done.fits, done.recipes.as_rows(), done.headline(config.headline)
        else:
            token = None
            if isinstance(edit, RewriteEdit):
                verify(corpus, only=["tokenizer.json"])
                token = token_of(Tokenizer.from_file(str(corpus / "tokenizer.json")), edit.toward)
            values, change, about = unfitted(edit, chosen, model, net, fit_blocks, config, token)
            headline = Fit(0, 0, math.nan, 0, math.nan, [torch.tensor(values)], change, [])
            fits = [headline]

    rescales = isinstance(edit, PrefactorEdit)
    prefactors = headline.parameters[0].tolist() if rescales else []
    facts = {
        "edit": name,
        "method": edit.method,
        "subcomponents": chosen,
        "labels": labels,
        "prefactors": prefactors,
        **edit.domains.model_dump(mode="json"),
        "headline_budget": headline.budget,
        "recipes": recipes,
        "guard": about,
        "decomposition": read_json(DATA / "decompose" / "manifest.json")["files"]["components.safetensors"],
    }
    write_table(out / "fits.parquet", fit_table(fits, rescales))
    write_tensors(out / "fits.safetensors", fit_tensors(fits))
    write_table(out / "curve.parquet", curve_table(fits))
    write_adapter(out / "adapter", model.target, headline.change, checkpoint.as_posix(), card(facts))
    write_json(out / "edit.json", facts)
    write_manifest(out, ["fits.parquet", "fits.safetensors", "curve.parquet", "adapter", "edit.json"])


if __name__ == "__main__":
    run(main)

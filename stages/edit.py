"""What do n target tokens make of this edit? ``python -m stages.edit NAME``

Reads  selection; target: checkpoint; decompose: components; importance: net; corpus: fit and select blocks.
Writes fits.parquet, fits.safetensors (every budget and seed), curve.parquet, adapter/ (the headline fit), edit.json.
"""

import pyarrow as pa

from prefactor.artifacts import verify, write_json, write_manifest, write_table
from prefactor.config.edit import FitConfig
from prefactor.config.edits import EditConfig
from prefactor.corpus.blocks import read_blocks
from prefactor.decompose import read_components, read_net
from prefactor.edits.adapter import write_adapter
from prefactor.edits.build import build_method
from prefactor.edits.fit import Fitter
from prefactor.edits.sweep import fit_text, probe_text, sweep
from prefactor.edits.tables import curve_table, fit_table, fit_tensors
from prefactor.ledger import ledger
from prefactor.runtime import setup
from prefactor.selection import read_selection
from prefactor.target import read_target
from prefactor.tensors import write_tensors
from stages.common import DATA, run, section


def main(name: str) -> None:
    edit, config = section(f"edits.{name}", EditConfig), section("edit", FitConfig)
    corpus, checkpoint, out = DATA / "corpus", DATA / "target" / "checkpoint", DATA / "edit" / name
    verify(DATA / "target", only=["checkpoint"])
    verify(DATA / "decompose", only=["components.safetensors"])
    verify(DATA / "importance", only=["importance.safetensors"])
    chosen = list(read_selection(DATA / "selection" / name).subcomponents)
    device = setup()
    model = read_components(DATA / "decompose" / "components.safetensors", read_target(checkpoint, device))
    net = read_net(DATA / "importance" / "importance.safetensors", model)
    fit_blocks, select_blocks = read_blocks(corpus, "fit"), read_blocks(corpus, "select")
    fitting = fit_text(model, fit_blocks, edit.domains, config)
    held_out = probe_text(model, select_blocks, edit.domains, config)

    with ledger(out / "cost.json") as cost:
        method, guard = build_method(edit, chosen, model, net, fit_blocks, config)
        optimiser = config.lora if edit.method == "lora" else config.prefactor
        done = sweep(Fitter(model.target, method, fitting, optimiser, config), held_out, cost, f"edit {name}")

    headline = done.headline(config.headline)
    write_table(out / "fits.parquet", fit_table(done.fits, edit.method))
    write_tensors(out / "fits.safetensors", fit_tensors(done.fits))
    write_table(out / "curve.parquet", pa.Table.from_pylist(curve_table(done.fits)))
    write_adapter(out / "adapter", model.target, headline.change, checkpoint.as_posix())
    about = {
        "edit": name,
        "method": edit.method,
        "subcomponents": chosen,
        "prefactors": [] if edit.method == "lora" else headline.parameters[0].tolist(),
        **edit.domains.model_dump(mode="json"),
        "headline_budget": config.headline,
        "learning_rate": done.learning_rate,
        "learning_rates_tried": {str(rate): loss for rate, loss in done.tried.items()},
        "guard": guard,
    }
    write_json(out / "edit.json", about)
    write_manifest(out, ["fits.parquet", "fits.safetensors", "curve.parquet", "adapter", "edit.json"])


if __name__ == "__main__":
    run(main)

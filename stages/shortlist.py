"""Which subcomponents come into question? ``python -m stages.shortlist NAME``

Reads  harvest: statistics; label: labels, with people's over them; effects; score. Never a model.
Writes names/: their names, best first, and no word of a label, so that a corrected one measures nothing anew
where it changes no name.
"""

from prefactor.config.shortlists import ShortlistConfig
from prefactor.files.artifacts import inherited, write_json, write_manifest
from prefactor.files.cost import ledger
from prefactor.selection.shortlist import query_of, shortlist
from prefactor.selection.table import read_subcomponents
from stages.common import COMPONENTS, DATA, run, section


def main(name: str) -> None:
    config, tried = section(f"shortlists.{name}", ShortlistConfig), section("candidates.tried", int)
    out = DATA / "shortlist" / name
    with ledger(out / "cost.json"):
        query = query_of(config.choose, name)
        table = read_subcomponents(DATA, also={"effects"} | (query.stages if query else frozenset()))
        options = shortlist(name, config, table)
        write_json(out / "names" / "names.json", options.names(tried))
        of = inherited(DATA / "harvest" / "subcomponents", COMPONENTS)
        write_manifest(out / "names", ["names.json"], made_from=of)
    print(f"shortlist {name}: {len(options.ranked)} come into question")


if __name__ == "__main__":
    run(main)

"""Which subcomponents does this edit act on, and why these? ``python -m stages.selection EDIT``

Reads  candidates of the edit's shortlist; harvest, label, effects and score, for the reasons. Never a model.
Writes selection.json: the chosen ones, the runners-up and the near misses, each with its score and reason, and with
what inverting it costs each domain; how much tagged text of the target the choice read; and chosen/, the names alone,
all that the edit stage reads of it.
"""

from dataclasses import replace

from prefactor.config.edits import EditConfig, chosen_among
from prefactor.config.selection import SelectionConfig
from prefactor.config.shortlists import ByName, ShortlistConfig
from prefactor.files.artifacts import identities, inherited, verify
from prefactor.files.cost import ledger
from prefactor.printable import visible
from prefactor.selection.choice import write_selection
from prefactor.selection.choose import select, select_singular
from prefactor.selection.chosen_with import chosen_with
from prefactor.selection.effect import read_candidates
from prefactor.selection.shortlist import query_of, shortlist
from prefactor.selection.table import read_subcomponents
from stages.common import COMPONENTS, DATA, run, section


def main(name: str) -> None:
    edit, config = section(f"edits.{name}", EditConfig), section("selection", SelectionConfig)
    listed = section(f"shortlists.{edit.shortlist}", ShortlistConfig)
    tried = section("candidates.tried", int)
    with ledger(DATA / "selection" / name / "cost.json"):
        candidates = read_candidates(DATA / "candidates" / edit.shortlist)
        query = query_of(listed.choose, edit.shortlist)
        table = read_subcomponents(DATA, also={"effects"} | (query.stages if query else frozenset()))
        options = shortlist(edit.shortlist, listed, table)
        if edit.directions == "singular":
            selection = select_singular(name, options, candidates, config.runners_up, edit.top or 1)
        else:
            top = edit.top or (len(options.ranked) if isinstance(listed.choose, ByName) else 1)
            selection = select(name, options, candidates, tried, config.runners_up, top, most=chosen_among(edit) or top)
        harvest = DATA / "harvest" / "subcomponents"
        about = verify(harvest, only=["subcomponents.parquet"])
        tokens = {
            "harvest": about["tokens"][edit.domains.target],
            "effects": section("effects.tokens", int),
            "candidates": section("candidates.tokens", int),
        }
        selection = replace(selection, chosen_with=chosen_with(listed, query, tokens))
        read = [DATA / "candidates" / edit.shortlist / "effects", harvest, DATA / "label" / "labels"]
        made_from = identities(*read, *(DATA / part for part in ("effects/effects", "score/scores")))
        write_selection(DATA / "selection" / name, selection, made_from, inherited(harvest, COMPONENTS))
    for choice in selection.chosen:
        print(visible(f"selection {name}: {choice.subcomponent} {choice.label!r}: {choice.reason}"))
        if choice.warning:
            print(visible(f"selection {name}: warning: {choice.subcomponent}: {choice.warning}"))


if __name__ == "__main__":
    run(main)

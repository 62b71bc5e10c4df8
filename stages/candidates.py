"""What would one prefactor of each candidate do? ``python -m stages.candidates NAME``

Reads  shortlist; and where it is ranked by effect or spill target, decompose, importance and the select blocks.
Writes effects/: the effect of each, in the shortlist's order, and of the control. Every edit of the shortlist
shares it.
"""

import sys

from prefactor.config.candidates import CandidatesConfig
from prefactor.config.decompose import Logits
from prefactor.config.shortlists import ShortlistConfig
from prefactor.files.artifacts import identities, read_json, verify
from prefactor.files.cost import ledger
from prefactor.printable import visible
from prefactor.selection.effect import Candidates, write_candidates
from stages.common import CHECKPOINT, COMPONENTS, DATA, NET, TEXT, run, section


def main(name: str) -> None:
    shortlist, config = section(f"shortlists.{name}", ShortlistConfig), section("candidates", CandidatesConfig)
    listed = DATA / "shortlist" / name / "names"
    verify(listed, only=["names.json"])
    names = read_json(listed / "names.json")
    out = DATA / "candidates" / name
    with ledger(out / "cost.json") as cost:
        candidates, made_from = Candidates(dict.fromkeys(names), {}), identities(listed)
        if shortlist.measured:  # imported only here: torch takes seconds
            from prefactor.corpus.blocks import read_blocks
            from prefactor.corpus.used import read_vocabulary
            from prefactor.machine.runtime import setup
            from prefactor.model.memory import check_memory
            from prefactor.selection.spill import measure_candidates, measuring_sizes
            from stages.models import load_decomposed, load_net

            vocabulary = read_vocabulary(TEXT, section("decompose.logits", Logits))
            device = setup()
            model = load_decomposed(device, vocabulary)
            net = load_net(model)
            blocks = vocabulary.blocks(read_blocks(DATA / "corpus", "select"))
            sizes = measuring_sizes(shortlist, names, model, net, blocks.tokens.shape[1], config)
            check_memory("candidates", sizes, device)
            candidates = measure_candidates(shortlist, names, model, net, blocks, config, cost)
            made_from |= identities(DATA / "corpus" / "select", CHECKPOINT, COMPONENTS, NET)
        write_candidates(out, candidates, made_from)
    for reason in candidates.left_out.values():
        print(visible(f"candidates {name}: left out: {reason}"), file=sys.stderr)


if __name__ == "__main__":
    run(main)

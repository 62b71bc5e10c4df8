"""What is each subcomponent about? A label of at most 8 words, with its evidence and how clear that is.

Reads  harvest: statistics and activating windows. Writes labels/, a row a subcomponent; metrics.json.
A model's answers are kept in ``.runs/llm``, so that a rerun asks for none
of them again.
"""

from prefactor.config.label import DeterministicLabeller, LabelConfig
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import identities, write_json, write_part
from prefactor.files.cost import ledger
from prefactor.label.deterministic import Deterministic
from prefactor.label.evidence import read_harvest
from prefactor.label.labeller import label_all, repeated, summary
from prefactor.label.llm_labeller.labeller import LlmLabeller
from prefactor.label.only import part_of
from prefactor.llm.endpoint import from_environment
from stages.common import DATA, RUNS, run, section


def main() -> None:
    config = section("label", LabelConfig)
    if isinstance(config.labeller, DeterministicLabeller):
        labeller = Deterministic(config.labeller)
    else:
        labeller = LlmLabeller(config.labeller, from_environment(), RUNS / "llm")
    out = DATA / "label"
    with ledger(out / "cost.json") as cost:
        labels = label_all(read_harvest(DATA), labeller, part_of(config, DATA))
        counts = summary(labels)
        if counts["labelled"] == 0:
            raise PrefactorError(
                f"{DATA / 'harvest'}: no subcomponent is alive, so there is nothing to label: decompose longer"
            )
        if isinstance(labeller, LlmLabeller):
            # What these labels cost, also where an earlier run that was cut short has paid for some of them.
            counts["repeated"] = repeated(labels, labeller.name)
            bill = labeller.asker.bill
            cost.pay(bill.requests, bill.tokens, bill.usd)
        made_from = identities(*(DATA / "harvest" / part for part in ("subcomponents", "examples")))
        write_part(out, "labels", labels, made_from=made_from)
        write_json(out / "metrics.json", counts)
    failed = f", {counts['failed']} without an answer" if counts["failed"] else ""
    print(f"label: {counts['labelled']} alive, {counts['clear']} with a clear label{failed}, {counts['dead']} dead")


if __name__ == "__main__":
    run(main)

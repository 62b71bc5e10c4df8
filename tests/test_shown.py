"""``prefactor pull`` without a name fetches what the page shows, and no change of weights."""

from pathlib import Path

import yaml

from team.transfers import SHOWN, is_shown

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
STAGES = {name: stage.get("do", stage) for name, stage in yaml.safe_load(TEXT)["stages"].items()}


def test_all_of_the_stages_shown_is_fetched_but_their_changes() -> None:
    assert set(SHOWN) <= set(STAGES)
    reads = STAGES["report"]["deps"]
    left = {
        output
        for name in SHOWN
        for kind in ("outs", "metrics", "plots")
        for output in STAGES[name].get(kind, [])
        if not is_shown(name, output, reads)
    }
    assert left == {"data/changes/${key}/tensors", "data/changes/${key}/adapter"}

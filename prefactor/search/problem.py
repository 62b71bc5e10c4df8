"""What is searched for, and all that a trial's result depends on."""

from dataclasses import asdict, dataclass
from typing import Any

from prefactor.config.domains import Domains
from prefactor.config.edit import FitConfig
from prefactor.config.edits import Goal
from prefactor.config.params import section
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import identities
from prefactor.search.quotes import told_by
from prefactor.search.text import amounts, neighbours_of
from prefactor.vpd.store import components_sha256
from prefactor.workspace import Workspace

LAYOUT = 1  # of what is kept: raised when the same proposal would be measured in another way


@dataclass(frozen=True)
class Problem:
    domains: Domains
    goal: Goal
    bar: float  # nats a token

    def about(self, work: Workspace) -> dict[str, Any]:
        """What tells the results of this problem from others' (JSON)."""
        read = [
            work.checkpoint,
            work.data / "importance" / "net",
            *(work.corpus / split for split in ("select", "fit")),
        ]
        needs = [need for split in ("select", "fit") for need in amounts(work, self.domains, split).values()]
        return {
            "layout": LAYOUT,
            "decomposition": components_sha256(work.data),
            "made from": list(identities(*read).values()),
            "domains": self.domains.model_dump(mode="json", exclude={"unseen"}),
            "goal": [self.goal, self.bar],
            "text": [asdict(need) for need in needs],
            "guards read": section("edit", FitConfig, work.params).untagged,
            "quotes told by": told_by(work, self.domains),
        }


def problem_of(work: Workspace, target: str, retain: Any, goal: Goal) -> Problem:
    """The problem in words of a person.

    Raises:
        PrefactorError: a domain or the goal is unknown, or there is nothing to spare.
    """
    if goal not in ("chance", "unigram"):
        raise PrefactorError(f"goal = {goal!r}: a search is for what cross-entropy tells: chance or unigram")
    domains = work.roles(target, retain)
    if not neighbours_of(domains):
        raise PrefactorError(f"{domains.target} is the only domain: a search needs another one to spare")
    work.blocks("select")  # says so, where a decomposition was published without its text
    return Problem(domains, goal, work.bars.of(goal, domains.target))

"""The domains of an edit: what is removed, what a loss holds, and what is only measured."""

from typing import Any, Literal

from prefactor.config.base import Config
from prefactor.config.names import DomainName

Role = Literal["target", "retained", "protected"]


class Domains(Config):
    target: DomainName  # to be removed
    retain: tuple[DomainName, ...]  # held in the loss
    protect: tuple[DomainName, ...] = ()  # never in the loss, only measured
    unseen: tuple[DomainName, ...] = ()  # the same, and of ``corpus.unseen``: nothing but an evaluation has its text

    @property
    def recorded(self) -> dict[str, Any]:
        """As ``edit.json`` has them: what no loss holds is protected, whatever text there is of it."""
        return {"target": self.target, "retain": list(self.retain), "protect": [*self.protect, *self.unseen]}

    @property
    def roles(self) -> dict[str, Role]:
        """Each domain's part in the edit: the target first, then in order."""
        parts: list[tuple[Role, tuple[str, ...]]]
        parts = [("target", (self.target,)), ("retained", self.retain), ("protected", self.protect + self.unseen)]
        return {domain: role for role, domains in parts for domain in domains}

"""The domains of an edit: what is removed, what a loss holds, and what is only measured."""

from typing import Literal

from prefactor.config.base import Config
from prefactor.config.names import DomainName

Role = Literal["target", "retained", "protected"]


class Domains(Config):
    target: DomainName  # to be removed
    retain: tuple[DomainName, ...]  # held in the loss
    protect: tuple[DomainName, ...] = ()  # never in the loss, only measured
    unseen: tuple[DomainName, ...] = ()  # the same, and of ``corpus.unseen``: nothing but an evaluation has its text

    @property
    def measured(self) -> tuple[str, ...]:
        """All that no loss holds."""
        return self.protect + self.unseen

    @property
    def roles(self) -> dict[str, Role]:
        """Each domain's part in the edit: the target first, then in order."""
        parts: list[tuple[Role, tuple[str, ...]]]
        parts = [("target", (self.target,)), ("retained", self.retain), ("protected", self.measured)]
        return {domain: role for role, domains in parts for domain in domains}

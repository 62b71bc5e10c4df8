"""An edit that was made: measure it, put it on the model and off again, hand it to other tools."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefactor.config.edits import Domains, GuardedEdit, ScalarEdit
from prefactor.edits.adapter import write_adapter, write_merged
from prefactor.edits.change import Change, applied
from prefactor.evaluate import HeldOut, measure


@dataclass(frozen=True, eq=False)
class Edited:
    """A change of a target's weights by the prefactors of some subcomponents."""

    target: Any
    checkpoint: Path  # the folder it was read from
    prefactors: Mapping[str, float]  # by module:index
    labels: Mapping[str, str]
    domains: Domains
    change: Change
    chance: float  # nats
    held_out: Callable[[], Mapping[str, HeldOut]]
    edit: ScalarEdit | GuardedEdit | None  # what it would be in params; None where the prefactors were given

    def measure(self) -> list[dict[str, Any]]:
        """A row a domain on text of the eval split, nats a token; columns as in ``evaluate/table.parquet``."""
        roles = self.domains.roles
        found = measure(self.target, self.change, self.held_out())
        return [{"domain": domain, "role": roles[domain], **figures} for domain, figures in found.items()]

    def applied(self) -> AbstractContextManager[None]:
        """The target has the edit's weights within the block, and its own bits again after it."""
        return applied(self.target, self.change)

    def export(self, folder: Path | str) -> Path:
        """Write the edit as a standard PEFT adapter."""
        write_adapter(Path(folder), self.target, self.change, self.checkpoint.as_posix())
        return Path(folder)

    def merge(self, folder: Path | str) -> Path:
        """Write the edited target as a checkpoint of ``transformers``, tokenizer included."""
        write_merged(Path(folder), self.target, self.change, self.checkpoint)
        return Path(folder)

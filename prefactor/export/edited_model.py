"""An edit that was made: measure it, put it on the model and off again, hand it to other tools."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefactor.config.edits import GuardedEdit, RewriteEdit, ScalarEdit
from prefactor.export.base import base_of
from prefactor.export.card import card
from prefactor.export.lora import check_loadable
from prefactor.files.new_folder import new_folder
from prefactor.model.change import Change, applied
from prefactor.model.reference import HeldOut, measure


@dataclass(frozen=True, eq=False)
class Edited:
    """A change of a target's weights by way of some subcomponents."""

    target: Any
    checkpoint: Path  # the folder it was read from
    facts: Mapping[str, Any]  # as in ``edit.json``
    change: Change
    chance: float  # nats
    held_out: Callable[[], Mapping[str, HeldOut]]
    edit: ScalarEdit | GuardedEdit | RewriteEdit  # what it is in params
    labels: Mapping[str, str]  # by ``module:index``
    text: bool = True  # whether there is text to measure it on

    @property
    def prefactors(self) -> dict[str, float]:
        """By ``module:index``; empty for a rewrite, which has none."""
        return dict(zip(self.facts["subcomponents"], self.facts["prefactors"], strict=False))

    def measure(self) -> list[dict[str, Any]]:
        """A row a domain on text of the eval split, nats a token; columns as in ``evaluate/table.parquet``."""
        roles = self.edit.domains.roles
        measured = measure(self.target, self.change, self.held_out())
        return [{"domain": domain, "role": roles[domain], **figures} for domain, figures in measured.items()]

    def applied(self) -> AbstractContextManager[None]:
        """The target has the edit's weights within the block, and its own bits again after it."""
        return applied(self.target, self.change)

    def export(self, folder: Path | str) -> Path:
        """Write the edit as a standard PEFT adapter with a model card into a new folder.

        For the card it is measured, if there is text.

        Raises:
            PrefactorError: something is there already, it cannot be written, or PEFT loads no adapter of its matrices.
        """
        from prefactor.export.adapter import write_adapter  # peft takes a second, and measuring needs none

        check_loadable(self.target, self.change)
        with new_folder(Path(folder)) as new:
            base = base_of(self.checkpoint)
            write_adapter(new, self.target, self.change, base.name, self._card(base.said), base.revision)
        return Path(folder)

    def merge(self, folder: Path | str) -> Path:
        """Write the edited target as a checkpoint of ``transformers``, tokenizer and card included, into a new folder.

        Raises:
            PrefactorError: something is there already, or it cannot be written.
        """
        from prefactor.export.adapter import write_merged

        with new_folder(Path(folder)) as new:
            write_merged(new, self.target, self.change, self.checkpoint, self._card())
        return Path(folder)

    def _card(self, base: str = "") -> str:
        return card(self.facts, self.labels, self.measure() if self.text else (), base)

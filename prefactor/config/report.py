"""Parameters of the report stage: which edit it is about, and which ones are controls."""

from collections.abc import Collection
from typing import Literal

from pydantic import Field

from prefactor.config.base import Config
from prefactor.errors import ParamsError


class Bars(Config):
    """What the edit of the headline has to meet for the run to hold, on the eval split, in nats a token."""

    goal: Literal["chance", "unigram"] | None = None  # which the target's cross-entropy is to reach; the edit's own
    retained: float = Field(default=0.10, ge=0)  # damage to a retained domain, outside quotes, at most
    protected: float = Field(default=0.05, ge=0)  # ... to a protected one


class ReportConfig(Config):
    edit: str = "scalar"  # the edit of the headline, the card and the rollouts
    controls: tuple[str, ...] = ()  # edits marked as controls, listed after the methods
    bars: Bars = Bars()

    def check(self, edits: Collection[str]) -> None:
        """Check the names against the keys of ``edits``.

        Raises:
            ParamsError: a name is no edit, or the edit that the report is about is called a control.
        """
        known = ", ".join(edits)
        if self.edit not in edits:
            raise ParamsError(f"params.yaml: report.edit = {self.edit!r}: no such edit; name one of: {known}")
        for name in self.controls:
            if name not in edits:
                raise ParamsError(f"params.yaml: report.controls = {name!r}: no such edit; name some of: {known}")
        if self.edit in self.controls:
            raise ParamsError(
                f"params.yaml: report.edit = {self.edit!r}: it is in report.controls too; take it out of one"
            )

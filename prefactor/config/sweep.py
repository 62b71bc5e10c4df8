"""``sweep.yaml``: one edit of ``params.yaml``, and the values that its keys are to take."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, TypeAdapter, model_validator

from prefactor.config.base import Config, parse
from prefactor.config.names import EntryName
from prefactor.config.params import read_params
from prefactor.config.plain import short
from prefactor.errors import ParamsError

Values = Annotated[tuple[Any, ...], Field(min_length=1)]


class SweepConfig(Config):
    """Every value of one key with every value of the others, and with every entry of ``together``."""

    name: EntryName  # of the folder with the results
    base: str  # a key of ``edits``
    # By key: of the edit (``guard.ridge``), of its shortlist (``choose.query``), or ``seed``.
    values: dict[str, Values] = Field(default_factory=dict)
    together: tuple[Annotated[dict[str, Any], Field(min_length=1)], ...] = ()  # values that belong to each other
    params: dict[str, Any] = Field(default_factory=dict)  # by key: what counts here in place of params.yaml's

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        if not self.values and not self.together:
            raise ValueError("nothing is swept; write a key with its values under `values`, or entries of `together`")
        lists = {f"values.{key}": values for key, values in self.values.items()} | {"together": self.together}
        for where, values in lists.items():
            for place, value in enumerate(values):
                if any(value == other and type(value) is type(other) for other in values[:place]):
                    raise ValueError(f"{where} has {short(value)} twice; write each once")
        keys = list(self.together[0]) if self.together else []
        for number, entry in enumerate(self.together):
            if set(entry) != set(keys):
                raise ValueError(f"together.{number} has other keys than the first entry; give all of them the same")
        if both := sorted(set(keys) & set(self.values)):
            raise ValueError(f"`{both[0]}` is under values and under together; write it under one of them")
        return self


def read_sweep(path: Path) -> SweepConfig:
    """The sweep that ``path`` describes.

    Raises:
        ParamsError: there is no such file, or something in it is wrong; with the key.
    """
    if not path.is_file():
        raise ParamsError(f"{path} is no file: name the one that says what is swept (docs/sweeps.md has one)")
    value = read_params(path)
    try:
        return parse(TypeAdapter(SweepConfig), value, "")
    except ParamsError as error:
        raise ParamsError(in_file(path, error)) from None


def in_file(path: Path, error: ParamsError) -> str:
    """What ``error`` says, of ``path`` and not of ``params.yaml``."""
    said = str(error).removeprefix("params.yaml: ").removeprefix(": ")  # the second: of the whole
    return said if said.startswith(f"{path}: ") else f"{path}: {said}"

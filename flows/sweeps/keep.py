"""Write an edit of a sweep into ``params.yaml``, so that the DAG makes it again."""

from pathlib import Path

from pydantic import TypeAdapter

from flows.around.errors import FlowError
from flows.sweeps.points import SEED, Point
from prefactor.config.base import parse
from prefactor.config.edits import EditConfig
from prefactor.config.explain import nearest
from prefactor.config.params import PARAMS, read_params
from prefactor.config.shortlists import ShortlistConfig
from prefactor.config.sweep import SweepConfig
from prefactor.export.to_params import check_name, save_entries


def keep(config: SweepConfig, found: list[Point], name: str, params: Path = PARAMS) -> list[str]:
    """Add the edit ``name``, with its shortlist where that is new; returns what of it ``params`` cannot say.

    Raises:
        FlowError: the sweep has no such edit.
        PrefactorError: ``params`` cannot be changed, or has the name.
    """
    by_name = {point.name: point for point in found}
    if name not in by_name:
        raise FlowError(f"--keep {name}: no edit of sweep {config.name}; {nearest(name, by_name)}")
    check_name(params, name)
    point = by_name[name]
    edit = parse(TypeAdapter(EditConfig), point.params["edits"][name], f"edits.{name}")
    shortlist = None
    if point.shortlist not in read_params(params)["shortlists"]:
        value, where = point.params["shortlists"][point.shortlist], f"shortlists.{point.shortlist}"
        shortlist = parse(TypeAdapter(ShortlistConfig), value, where)
    save_entries(params, name, edit, point.shortlist, shortlist)
    others = dict(config.params)
    if "seed" in point.values:
        others[".".join(SEED)] = point.values["seed"]
    return [f"{key} = {value}" for key, value in others.items()]

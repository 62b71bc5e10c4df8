"""Run or schedule the whole pipeline: ``python -m flows.pipeline [--stage NAME ...] [--serve CRON]``.

What it finds around it is settled first (``surroundings``, ``repository``, ``server``), each before what needs it is
imported: Prefect and DVC look at the environment at that moment.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, suppress
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

from flows import surroundings
from flows.environment import environment
from flows.errors import FlowError, Interrupted
from flows.waiting import waiting
from prefactor.errors import PrefactorError
from prefactor.machine.streams import settle_streams
from prefactor.machine.trouble import trouble

TRACE = Path(".runs/traceback.txt")


def run(stages: Sequence[str], agreed: Callable[[Any], bool] | None = None, cron: str | None = None) -> None:
    """Bring ``stages`` (all, if none is named) up to date, or do so by the line ``cron`` until stopped.

    Args:
        agreed: asked with the ``Plan`` before anything is fetched or made; nothing is, if it says no.

    Raises:
        PrefactorError: params, or a variable ``PREFACTOR_*``, are wrong; nothing was begun.
        FlowError: something else to put right, a failed stage or an interruption.
    """
    from flows.repository import alone, check_cache, check_files, free_stale_locks, settle_git

    with waiting("params are read"):
        if Path("params.yaml").is_file():  # else reading it says that this is the wrong folder
            check_files()
        from stages.check import read_pipeline

        read_pipeline()
        notes = surroundings.settle()
        environment()  # the stages' is the one of this moment
        notes += settle_git()
    for note in notes:
        print(f"prefactor: {note}", file=sys.stderr, flush=True)
    if cron:
        _serve(stages, cron)
        return
    with alone():
        free_stale_locks()
        with waiting("DVC looks for what has changed"):
            from flows.dag import check_code
            from flows.supply import supply

            check_code()
        wanted = supply(stages, agreed)
        if wanted is None:
            return
        if not wanted.dag.changed:
            print(f"all {len(wanted.dag.needs)} stages are up to date")
            return
        check_cache()
        with waiting("Prefect is imported"):
            server, pipeline = _prefect()
        with server.server():
            pipeline(stages)


def _serve(stages: Sequence[str], cron: str) -> None:
    server, pipeline = _prefect()
    url = server.PREFECT_API_URL.value()
    if not url:
        raise FlowError(
            "--serve: a schedule needs a Prefect server that stays: run `prefect server start`, "
            "and `prefect config set PREFECT_API_URL=http://127.0.0.1:4200/api`"
        )
    why = server.silence(url)
    if why:
        raise FlowError(f"--serve: {why}")
    pipeline.serve(name="prefactor", cron=cron, parameters={"stages": list(stages)})


def _prefect() -> tuple[ModuleType, Any]:
    """Import what imports Prefect, which reads every setting that it finds.

    Raises:
        FlowError: one of them makes no sense.
    """
    from pydantic import ValidationError
    from pydantic_settings.exceptions import SettingsError

    chatter = StringIO()  # of plugins that stumble over the same setting first
    try:
        with redirect_stderr(chatter):
            from flows import server
            from flows.flow import pipeline
    except (ValidationError, SettingsError) as error:
        raise FlowError(
            f"Prefect's settings: {_first(error)}: put it right where it is set "
            "(environment, .env, prefect.toml, or a profile: `prefect config unset`)"
        ) from None
    print(chatter.getvalue(), end="", file=sys.stderr, flush=True)
    return server, pipeline


def _first(error: Exception) -> str:
    """The first thing wrong: its name and value, where pydantic says them."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    # Without a name it is of all that there are.
    return f"{name} = {first['input']!r}: {first['msg']}" if name else first["msg"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run or schedule the flow; returns the exit code."""
    settle_streams()
    parser = argparse.ArgumentParser(prog="python -m flows.pipeline", description="Run the whole pipeline.")
    parser.add_argument(
        "--stage", action="append", default=[], help="only this stage (edit, edit@NAME) and what it needs"
    )
    parser.add_argument("--serve", metavar="CRON", help='stay and run on a schedule, such as "0 3 * * *"')
    words = parser.parse_args(argv)
    try:
        run(words.stage, cron=words.serve)
        if not words.serve:
            from flows.headline import print_headline

            print_headline()
    except BrokenPipeError:
        return _refuse("nobody reads the output any longer", Interrupted.code)
    except (PrefactorError, FlowError) as error:
        return _refuse(str(error), getattr(error, "code", 2))
    except KeyboardInterrupt:
        return _refuse("interrupted before any stage began", Interrupted.code)
    except Exception as error:
        line = trouble(error) or _from_dvc(error)
        return _refuse(line, 2) if line else _refuse(_unforeseen(error), 1)
    return 0


def _refuse(line: str, code: int) -> int:
    with suppress(OSError):
        print(f"prefactor: error: {line}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # let the last flush, at exit, succeed
    return code


def _from_dvc(error: Exception) -> str | None:
    """What DVC has to say, on one line: what it cannot read, or who keeps it from working."""
    from dvc.config import ConfigError
    from dvc.exceptions import DvcException
    from dvc.utils.strictyaml import YAMLValidationError
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if not isinstance(error, DvcException):
        return None
    said, remedy = str(error), ""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, YAMLValidationError):
            said = f"{error}: {cause.exc}"
        if isinstance(cause, YAMLError | YAMLValidationError):
            remedy = ": put it right, or bring it back (`git checkout`)"
        if isinstance(cause, ConfigError):
            remedy = ": mend .dvc/config, .dvc/config.local or ~/.config/dvc/config"
        if isinstance(cause, MarkedYAMLError) and cause.problem_mark:
            said = f"{error}: line {cause.problem_mark.line + 1}: {cause.problem}"
        cause = cause.__cause__ or cause.__context__
    return f"DVC: {' '.join(said.split()).rstrip('.')}{remedy}"


def _unforeseen(error: Exception) -> str:
    """One line for what nobody thought of; the whole of it is kept for whoever mends it."""
    said = " ".join(str(error).split()) or "no message"
    try:
        TRACE.parent.mkdir(exist_ok=True)
        TRACE.write_text("".join(traceback.format_exception(error)), encoding="utf-8", errors="backslashreplace")
    except OSError:
        traceback.print_exception(error)
        return f"{type(error).__name__}: {said}"
    return f"{type(error).__name__}: {said}; {TRACE} has the traceback; what is finished is kept, run again to go on"


if __name__ == "__main__":
    sys.exit(main())

"""Tell a Prefect server of this folder's work pool, and of the deployments in ``prefect.yaml``."""

import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectAlreadyExists
from prefect.workers.process import ProcessWorker

from flows.around.errors import FlowError
from flows.around.secret import without_secrets
from prefactor.printable import visible

POOL = "prefactor"
TAG = "prefactor"  # which every deployment of prefect.yaml has


def make_pool(client: SyncPrefectClient) -> None:
    """The pool of processes, which runs one flow at a time: two would wait for one another in one folder."""
    template = ProcessWorker.get_default_base_job_template()
    pool = WorkPoolCreate(name=POOL, type="process", base_job_template=template, concurrency_limit=1)
    with suppress(ObjectAlreadyExists):  # with whatever its people have set since
        client.create_work_pool(pool)


def deployments(client: SyncPrefectClient) -> list[DeploymentResponse]:
    """Those of ``prefect.yaml`` that the server has."""
    return client.read_deployments(deployment_filter=DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG])))


def check_owner(client: SyncPrefectClient) -> None:
    """See that the server's deployments are of this folder, or of none.

    Raises:
        FlowError: they run in another.
    """
    here = Path.cwd()
    for deployment in deployments(client):
        where = (deployment.job_variables or {}).get("working_dir")
        if where and Path(where).exists() and not here.samefile(where):
            raise FlowError(
                f"the Prefect server runs {POOL}'s deployments in {visible(where)}: serve from there, or take a server "
                "of this folder's own (unset PREFECT_API_URL, with another PREFECT_SERVER_API_PORT)"
            )


def deploy(env: Mapping[str, str]) -> None:
    """Make the deployments of ``prefect.yaml`` as they are there, with ``prefect deploy --all``.

    Raises:
        FlowError: it refuses.
    """
    words = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    done = subprocess.run(
        words, env={**env, "PWD": str(Path.cwd())}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", check=False,
    )  # fmt: skip
    if done.returncode:
        said = [line.strip() for line in done.stdout.splitlines() if line.strip()] or ["it says nothing"]
        raise FlowError(f"prefect.yaml: `prefect deploy --all` refuses: {visible(without_secrets(said[-1]))}")

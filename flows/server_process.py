"""A Prefect server for one run, which ends with it: ``python -m flows.server_process HOME PORT``."""

import os
import sys

from flows.watch import watch_parent


def main(home: str, port: str) -> None:
    watch_parent()
    os.chdir(home)  # where no `.env` or prefect.toml of the user's lies
    os.environ.update(
        PREFECT_HOME=home, PREFECT_UI_ENABLED="false", PREFECT__SERVER_EPHEMERAL="1", PREFECT__SERVER_FINAL="1"
    )
    import uvicorn

    uvicorn.run(
        "prefect.server.api.server:create_app",
        factory=True, host="127.0.0.1", port=int(port), log_level="error", lifespan="on",
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A Prefect server that ends with whoever starts it: ``python -m flows.serving.server_process HOME PORT [PAGE]``.

With PAGE it is one for people and schedules: it has Prefect's page, its scheduler and the database that its settings
name. Else it is one for a single run.
"""

import os
import sys

from flows.around.watch import watch_parent


def main(home: str, port: str, page: str = "") -> None:
    watch_parent()
    os.chdir(home)  # where no `.env` or prefect.toml of the user's lies
    os.environ.update(PREFECT_HOME=home, PREFECT__SERVER_FINAL="1")
    if page:
        os.environ.update(PREFECT_SERVER_API_HOST="127.0.0.1", PREFECT_SERVER_API_PORT=port)
        if os.environ.get("PREFECT_SERVER_LOGGING_LEVEL") == "CRITICAL":  # as for runs by hand, where nobody reads it
            os.environ["PREFECT_SERVER_LOGGING_LEVEL"] = "ERROR"
        os.environ.setdefault("PREFECT_UI_STATIC_DIRECTORY", os.path.join(home, "page"))  # and not where Prefect lies
        # Else a killed run would hold its accelerator in the database for good.
        os.environ.setdefault(
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE", "prefect.server.concurrency.lease_storage.filesystem"
        )
    else:
        os.environ.update(PREFECT_UI_ENABLED="false", PREFECT__SERVER_EPHEMERAL="1")
    import uvicorn

    uvicorn.run(
        "prefect.server.api.server:create_app",
        factory=True, host="127.0.0.1", port=int(port), log_level="error", lifespan="on",
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])

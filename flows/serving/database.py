"""The database of a Prefect server that stays: SQLite beside it, or the one that a setting names."""

from collections.abc import Mapping

from flows.around.errors import FlowError

URL = "PREFECT_API_DATABASE_CONNECTION_URL"
OTHER = "PREFECT_SERVER_DATABASE_CONNECTION_URL"  # what Prefect calls it now; it reads both
DRIVERS = ("sqlite+aiosqlite", "postgresql+asyncpg")


def check_database(env: Mapping[str, str]) -> str:
    """What the server will keep its history in, in words without a password.

    Raises:
        FlowError: the setting is no address of a database that Prefect works with. Its value is not repeated.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    name = next((name for name in (URL, OTHER) if env.get(name)), None)
    if name is None:
        return "SQLite"
    try:
        url = make_url(env[name])
    except (ArgumentError, ValueError):
        raise FlowError(
            f"{name} is no address of a database: write postgresql+asyncpg://USER:PASSWORD@HOST:5432/NAME, or unset it"
        ) from None
    if url.drivername not in DRIVERS:
        raise FlowError(f"{name} is of {url.drivername}: Prefect works with {' or '.join(DRIVERS)}; write one of them")
    if url.drivername.startswith("sqlite"):
        return f"SQLite in {url.database}"
    return f"PostgreSQL, {url.database} at {url.host or 'this machine'}"


def without_database(env: Mapping[str, str]) -> dict[str, str]:
    """``env`` for those who only speak to the server: they need no password of its database."""
    return {
        name: value
        for name, value in env.items()
        if not name.startswith(("PREFECT_API_DATABASE_", "PREFECT_SERVER_DATABASE_"))
    }

"""The part of asyncpg that the project uses: connections, and the meaning of their errors.

Everything here runs on the asyncio loop that ``database`` confines. Nothing outside this package
awaits it.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol, TypeVar, cast

import asyncpg
import trio

from derhead.dsn import Dsn
from derhead.history.postgres.connections.causes import (
    StoreCause,
    StoreUnreachable,
    Trouble,
    cause_of,
)

CONNECT_S = 10.0
"""Time to make a connection, including name look-up and TLS."""

CLOSE_S = 1.0
"""Time to close a connection in order; then it is cut."""

SETTINGS = {
    "application_name": "derhead",
    # All statements are short: compiling one costs more than running it.
    "jit": "off",
    "timezone": "UTC",
    # A transaction that a killed headend left open must neither hold locks nor delay vacuum.
    "idle_in_transaction_session_timeout": "60000",
    "client_min_messages": "warning",
}
"""Settings of every session."""

Row = tuple[Any, ...]
T_co = TypeVar("T_co", covariant=True)


class PostgresConnection(Protocol):
    """What the project uses of ``asyncpg.Connection``. Call it on the asyncio loop only."""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str: ...
    async def executemany(self, command: str, args: Iterable[Sequence[object]]) -> None: ...
    async def fetch(
        self, query: str, *args: object, timeout: float | None = None
    ) -> Sequence[Sequence[Any]]: ...
    async def fetchval(self, query: str, *args: object) -> Any: ...
    async def copy_records_to_table(
        self, table_name: str, *, records: Iterable[Row], columns: Sequence[str]
    ) -> str: ...
    def is_closed(self) -> bool: ...
    def terminate(self) -> None: ...
    async def close(self, *, timeout: float | None = None) -> None: ...


DRIVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
    trio.TooSlowError,
)
"""Errors of the driver if PostgreSQL, or the way to it, fails."""


@asynccontextmanager
async def transaction(connection: PostgresConnection) -> AsyncIterator[None]:
    """Commits at the end; rolls back on any error.

    Cancellation: does neither, because the server may have stopped answering. The connection must
    then be given up, as its worker does. (The driver's own transaction would wait for the server.)
    """
    await connection.execute("BEGIN")
    try:
        yield
    except Exception:
        with suppress(*DRIVER_ERRORS):
            await connection.execute("ROLLBACK")
        raise
    await connection.execute("COMMIT")


async def connect(dsn: Dsn, password: str | None) -> PostgresConnection:
    """A new connection. ``password`` counts only where the DSN has none.

    Raises: StoreUnreachable for a DSN that asyncpg cannot read; errors of the driver.
    """
    try:
        connection = await asyncpg.connect(
            dsn.text,
            password=None if dsn.password else password,
            target_session_attrs="read-write" if dsn.takes_writes else None,
            timeout=CONNECT_S,
            server_settings=SETTINGS,
            command_timeout=None,
        )
    except ValueError:
        # The error's text may repeat a part of the DSN, and so a part of the password.
        said = "postgres.dsn has a port or parameter that cannot be used"
        raise StoreUnreachable(Trouble(StoreCause.NO_DATABASE, said)) from None
    return cast(PostgresConnection, connection)


WATCHING = (
    "client_connection_check_interval = 2000",
    "tcp_keepalives_idle = 10",
    "tcp_keepalives_interval = 5",
    "tcp_keepalives_count = 3",
    "tcp_user_timeout = 25000",
)
"""Settings by which the server notices within 25 s that its client is gone."""


async def watch_client(connection: PostgresConnection) -> None:
    """Makes the server notice soon that its client is gone without a word. Then it ends the
    client's statement, and lets go of what the session holds.

    Not among ``SETTINGS``: a server on a system without support would refuse the connection.
    """
    for setting in WATCHING:
        with suppress(asyncpg.PostgresError):
            await connection.execute(f"SET {setting}")


async def backend_of(connection: PostgresConnection) -> int:
    """The process of the server that answers the connection now."""
    pid: int = await connection.fetchval("SELECT pg_backend_pid()")
    return pid


def trouble_of(error: Exception) -> Trouble:
    """The meaning of one of ``DRIVER_ERRORS``."""
    match error:
        case asyncpg.PostgresError():
            return Trouble(cause_of(getattr(error, "sqlstate", None)), _said(error))
        case asyncpg.TargetServerAttributeNotMatched():
            return Trouble(StoreCause.READ_ONLY, "no server that takes writes was found")
        case asyncpg.DataError():
            return Trouble(StoreCause.VALUE, _said(error))
        case TimeoutError() | trio.TooSlowError():
            return Trouble(StoreCause.UNREACHABLE, "no answer in time")
        case OSError():
            return Trouble(StoreCause.UNREACHABLE, error.strerror or _said(error))
        case _:
            return Trouble(StoreCause.UNREACHABLE, _said(error))


def _said(error: Exception) -> str:
    text = str(error).strip()
    # Some errors continue with advice to users of the driver.
    return text.splitlines()[0] if text else type(error).__name__

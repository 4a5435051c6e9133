"""PostgreSQL for the rest of the headend: any Trio task may ask.

asyncpg needs an asyncio loop. trio-asyncio opens it here, and only this service's tasks use it. A
job arrives through a bounded channel; the task that owns the connection runs it; the answer returns
as a plain value. Nothing of asyncio gets out.
"""

import random
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import trio
import trio_asyncio

from derhead.dsn import Dsn
from derhead.history.postgres.connections.causes import StoreCause, StoreUnreachable, Trouble
from derhead.history.postgres.connections.driver import (
    PostgresConnection,
    Row,
    backend_of,
    connect,
    watch_client,
)
from derhead.history.postgres.connections.worker import ConnectionWorker, Job, S
from derhead.history.postgres.tables.loader import Gate, Loader
from derhead.history.postgres.tables.schema import check_schema, prepare_schema
from derproto.base.runtime import Runtime
from derproto.stdio.log_events import event_log

log = event_log(__name__)

T = TypeVar("T")

QUERY_CONNECTIONS = 2
"""Connections for questions, beside the feed's own. When both are busy, questions wait."""

QUESTIONS_WAITING = 64
"""Questions that wait for one of two connections to PostgreSQL. When full, the next one waits to
ask, within its own timeout."""

FEED_RETRY_MOST_S = 2.0
"""Longest pause before the feed's connection is tried again. It is short, because the claim on the
database goes with that connection, and another headend may wait for it."""

FETCH_S = 5.0
"""Time for an answer, including the wait for a connection, unless the caller gives another."""


class BareSession:
    """A session for questions: the bare connection."""

    def __init__(self, connection: PostgresConnection) -> None:
        self.connection = connection


class Postgres:
    """The database that ``dsn`` names; ``run`` keeps its connections.

    The database need not be there. A job that cannot be done raises ``StoreUnreachable``: at once
    during the pause between two attempts to connect, otherwise within its time.
    """

    def __init__(
        self,
        dsn: Dsn,
        runtime: Runtime,
        rng: random.Random,
        *,
        password_file: Path | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.dsn = dsn
        self._gate = gate
        self._runtime = runtime
        self._password_file = password_file
        self._feed = ConnectionWorker(partial(self._open, self._loader), rng, FEED_RETRY_MOST_S)
        self._look = ConnectionWorker(partial(self._open, _bare), rng, FEED_RETRY_MOST_S)
        self._queries = [
            ConnectionWorker(partial(self._open, _asker), rng) for _ in range(QUERY_CONNECTIONS)
        ]
        self._ask_feed, self._feed_asked = trio.open_memory_channel[Job[Loader]](0)
        self._ask_look, self._look_asked = trio.open_memory_channel[Job[BareSession]](0)
        self._ask, self._asked = trio.open_memory_channel[Job[BareSession]](QUESTIONS_WAITING)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs the asyncio loop and its workers until cancelled."""
        async with trio_asyncio.open_loop() as loop:
            # The default handler would end the loop, and so the headend, merely because a
            # connection was lost while it was given back.
            loop.set_exception_handler(_log_stray)
            async with trio.open_nursery() as workers:
                workers.start_soon(self._feed.serve, self._feed_asked)
                workers.start_soon(self._look.serve, self._look_asked)
                for worker in self._queries:
                    workers.start_soon(worker.serve, self._asked.clone())
                task_status.started()

    async def fetch(self, sql: str, *args: object, within_s: float = FETCH_S) -> list[Row]:
        """The rows of one statement, as plain tuples.

        When full: waits. Cancellation: also cancels the statement. Raises: StoreUnreachable, also
        after ``within_s``.
        """

        async def ask(session: BareSession) -> list[Row]:
            return list(map(tuple, await session.connection.fetch(sql, *args)))

        return await _run_job(self._ask, ask, within_s)

    async def load(self, work: Callable[[Loader], Awaitable[T]], *, within_s: float) -> T:
        """Runs the coroutine ``work`` on the feed's own connection, as one task.

        Cancellation: the writes of ``work`` may have been committed. Raises: StoreUnreachable, also
        after ``within_s``; its writes may have been committed then, too.
        """
        return await _run_job(self._ask_feed, work, within_s)

    async def look(
        self, work: Callable[[PostgresConnection], Awaitable[T]], *, within_s: float
    ) -> T:
        """Runs ``work`` on a connection that is open whatever the tables are, and whoever claims
        them. Raises: StoreUnreachable, also after ``within_s``.
        """

        async def ask(session: BareSession) -> T:
            return await work(session.connection)

        return await _run_job(self._ask_look, ask, within_s)

    async def _open(self, prepare: Callable[[PostgresConnection], Awaitable[S]]) -> S:
        """A new connection, prepared for its jobs."""
        password = await self._password()

        async def open_session() -> S:
            connection = await connect(self.dsn, password)
            try:
                await watch_client(connection)
                return await prepare(connection)
            except BaseException:
                connection.terminate()
                raise

        session: S = await trio_asyncio.aio_as_trio(open_session)()
        return session

    async def _loader(self, connection: PostgresConnection) -> Loader:
        if self._gate is None:
            return Loader(connection, await prepare_schema(connection))
        await self._refuse_pooler(connection)
        await self._gate.enter(connection)
        prepared = await prepare_schema(connection)
        await self._gate.sign(connection)
        return Loader(connection, prepared, self._gate)

    async def _refuse_pooler(self, connection: PostgresConnection) -> None:
        """Raises: StoreUnreachable if the server's session behind the connection serves others too,
        so that a lock taken in it would be no claim.

        A pooler of transactions gives the session that was used last to whoever asks next. Where
        that is not so, the gate finds the lost lock later.
        """
        look = trio_asyncio.trio_as_aio(partial(self.look, backend_of, within_s=FETCH_S))
        before, other = await backend_of(connection), await look()
        if before == other or before != await backend_of(connection):
            said = "connections share a session of PostgreSQL, as behind a pooler of transactions"
            raise StoreUnreachable(Trouble(StoreCause.POOLER, said))

    async def _password(self) -> str | None:
        """Reads the password for every connection: a secret may change while the headend runs."""
        path = self._password_file
        if path is None:
            return None
        try:
            text = await self._runtime.run_blocking(partial(path.read_text, encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "the file is not UTF-8"
            raise StoreUnreachable(Trouble(StoreCause.PASSWORD, f"{path}: {why}")) from error
        return text.rstrip("\r\n")


async def _asker(connection: PostgresConnection) -> BareSession:
    await check_schema(connection)
    return BareSession(connection)


async def _bare(connection: PostgresConnection) -> BareSession:
    return BareSession(connection)


async def _run_job(
    ask: trio.MemorySendChannel[Job[S]],
    work: Callable[[S], Awaitable[T]],
    within_s: float,
) -> T:
    job: Job[S] = Job(work)
    try:
        with trio.move_on_after(within_s):
            await ask.send(job)
            await job.settled.wait()
    finally:
        # If the job still runs, nobody waits for it any more.
        job.scope.cancel()
    if job.error is not None:
        raise job.error
    if not job.settled.is_set():
        raise StoreUnreachable(Trouble(StoreCause.UNREACHABLE, f"no answer within {within_s:g} s"))
    result: T = job.result
    return result


def _log_stray(_loop: Any, context: dict[str, Any]) -> None:
    """Logs, for debugging, an error that nobody awaited; it has no further effect."""
    log.debug(
        "asyncio reports an error",
        detail=context.get("message"),
        reason=context.get("exception"),
    )

"""A worker: one connection to PostgreSQL, and the jobs that wait for it.

A job is one coroutine, run from its first statement to its last as one task of the asyncio loop: a
transaction is never split. It returns an answer or ``StoreUnreachable``. If its caller leaves, the
job is cancelled and its connection given up, because a cancelled statement may have done anything.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import trio
import trio_asyncio

from derhead.history.postgres.connections.causes import StoreCause, StoreUnreachable, Trouble
from derhead.history.postgres.connections.driver import (
    CLOSE_S,
    CONNECT_S,
    DRIVER_ERRORS,
    PostgresConnection,
    trouble_of,
)
from derproto.base.runtime import shielded_for
from derproto.stdio.log_events import event_log

log = event_log(__name__)

RETRY_LEAST_S = 0.5
RETRY_MOST_S = 15.0
"""Longest pauses after the first failed connection, and after many in a row. Each pause is drawn
between 0 and the longest. Jobs are refused at once until the pause is over."""


class ReadySession(Protocol):
    """A connection that is ready for a worker's jobs."""

    @property
    def connection(self) -> PostgresConnection: ...


S = TypeVar("S", bound=ReadySession)
T = TypeVar("T")


@dataclass(eq=False, slots=True)
class Job(Generic[S]):
    """Work for a connection, and its result."""

    work: Callable[[S], Awaitable[Any]]
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    settled: trio.Event = field(default_factory=trio.Event)
    result: Any = None
    error: Exception | None = None


class ConnectionWorker(Generic[S]):
    """Runs jobs one after the other on one connection, made when it is needed."""

    def __init__(
        self,
        open_session: Callable[[], Awaitable[S]],
        rng: random.Random,
        retry_most_s: float = RETRY_MOST_S,
    ) -> None:
        self._retry_most_s = retry_most_s
        self._trouble = Trouble(StoreCause.STARTING, "there is no connection yet")
        self._open_session = open_session
        self._rng = rng
        self._session: S | None = None
        self._failures = 0
        self._retry_at_s = float("-inf")

    async def serve(self, jobs: trio.MemoryReceiveChannel[Job[S]]) -> None:
        """Runs jobs until cancelled. Call it in the asyncio loop's context."""
        try:
            async for job in jobs:
                await self._answer(job)
        finally:
            await self._close()

    async def _answer(self, job: Job[S]) -> None:
        if job.scope.cancel_called:
            return
        finished = False
        try:
            with job.scope:
                session = await self._connected()
                job.result = await trio_asyncio.aio_as_trio(job.work)(session)
                finished = True
        except StoreUnreachable as error:
            job.error = error
        except DRIVER_ERRORS as error:
            job.error = StoreUnreachable(trouble_of(error))
        except Exception as error:  # noqa: BLE001 - whoever asked raises it
            job.error = error
        finally:
            job.settled.set()
            if not finished or (self._session and self._session.connection.is_closed()):
                # Close even after an error of a statement: after a failover, or a change of rights,
                # only a new connection finds the server as it is.
                await self._close()

    async def _connected(self) -> S:
        if self._session is not None:
            return self._session
        if trio.current_time() < self._retry_at_s:
            raise StoreUnreachable(self._trouble)
        try:
            with trio.fail_after(CONNECT_S + CLOSE_S):
                session = await self._open_session()
        except StoreUnreachable as error:
            self._failed(error.trouble)
            raise
        except DRIVER_ERRORS as error:
            self._failed(trouble_of(error))
            raise StoreUnreachable(self._trouble) from error
        self._session, self._failures = session, 0
        return session

    def _failed(self, trouble: Trouble) -> None:
        most_s = min(RETRY_LEAST_S * 2**self._failures, self._retry_most_s)
        self._failures = min(self._failures + 1, 16)
        self._retry_at_s = trio.current_time() + self._rng.uniform(0, most_s)
        self._trouble = trouble

    async def _close(self) -> None:
        """Closes the connection, in order if that takes at most ``CLOSE_S``. An orderly close also
        makes the server cancel an abandoned statement, which a mere cut would leave running."""
        if self._session is None:
            return
        connection, self._session = self._session.connection, None
        try:
            with shielded_for(CLOSE_S):
                await trio_asyncio.aio_as_trio(connection.close)()
        except DRIVER_ERRORS as error:
            log.debug("connection to PostgreSQL was not closed properly", reason=error)
        finally:
            connection.terminate()

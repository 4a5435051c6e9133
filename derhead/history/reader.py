"""The journal's questions as async calls: each runs on the reading connection, one at a time."""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import trio

from derhead.dispatch import Dispatch, DispatchGroup, Reading, State, Stretch, UsedKey
from derhead.errors import JournalError
from derhead.events import LoggedEvent, LogSpan
from derhead.history import eventlog, orders, queries
from derhead.history.buckets import telemetry_buckets
from derhead.history.page import Page
from derhead.sessions import HeartbeatRecord, SessionRecord
from derhead.telemetry import Bucket, Sample
from derproto.base.runtime import Runtime

T = TypeVar("T")

MAX_STEP_OR_LIMIT = 10**16
"""Beyond it (as microseconds, 300 years) a sum would leave the store's integers."""


class Reader:
    """All histories newest first, in pages that have no hole and no repeat while rows are added.

    Units: ``from_us`` (inclusive) and ``to_us`` (exclusive) are microseconds since the
    epoch; None = open. Cancellation: a query that has begun is waited for.
    Raises: BadCursor for a ``cursor`` that the same query did not give out; ValueError for
    a ``limit`` or ``step_us`` out of range; JournalError if the file cannot be read.
    """

    def __init__(self, con: sqlite3.Connection, runtime: Runtime) -> None:
        self._reader = con
        self._runtime = runtime
        self._reader_limiter = trio.CapacityLimiter(1)

    # --- what a headend needs at its start ------------------------------------------

    async def latest_samples(self) -> list[Sample]:
        """The newest sample, by its time, of each asset that ever spoke."""
        return await self._read(queries.latest_samples)

    async def latest_heartbeats(self) -> list[HeartbeatRecord]:
        """The newest heartbeat of each agent."""
        return await self._read(queries.latest_heartbeats)

    async def last_sessions(self) -> list[SessionRecord]:
        """The newest session of each agent."""
        return await self._read(queries.last_sessions)

    async def open_dispatches(self) -> list[Dispatch]:
        """The dispatches that have not ended, with all their states, oldest first."""
        return await self._read(queries.open_dispatches)

    async def open_groups(self) -> list[DispatchGroup]:
        """The orders to sites of which a part has not ended, oldest first."""
        return await self._read(orders.open_groups)

    async def count_keys(self) -> int:
        """How many idempotency keys are kept."""
        return await self._read(orders.count_keys)

    # --- histories ------------------------------------------------------------------

    async def telemetry_history(
        self,
        asset_id: str,
        *,
        from_us: int | None = None,
        to_us: int | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Page[Sample]:
        """Samples of an asset by when they were measured."""
        _check_positive(limit=limit)
        return await self._read(
            partial(
                queries.telemetry_history,
                asset_id=asset_id,
                from_us=from_us,
                to_us=to_us,
                limit=limit,
                cursor=cursor,
            )
        )

    async def telemetry_buckets(
        self,
        asset_id: str,
        *,
        step_us: int,
        from_us: int | None = None,
        to_us: int | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Page[Bucket]:
        """Samples of an asset gathered by steps of time; steps without any are left out.

        A bucket cut by ``from_us`` or ``to_us`` tells of its samples in the range only.
        ``last_mw`` is the known power with the greatest (time, boot, sequence).
        """
        _check_positive(limit=limit, step_us=step_us)
        return await self._read(
            partial(
                telemetry_buckets,
                asset_id=asset_id,
                step_us=step_us,
                from_us=from_us,
                to_us=to_us,
                limit=limit,
                cursor=cursor,
            )
        )

    async def dispatch_history(
        self,
        *,
        asset_id: str | None = None,
        asset_ids: Sequence[str] | None = None,
        state: State | None = None,
        from_us: int | None = None,
        to_us: int | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Page[Dispatch]:
        """Dispatches by when they were created, of one asset, several or all, in one state or
        any."""
        _check_positive(limit=limit)
        return await self._read(
            partial(
                queries.dispatch_history,
                asset_id=asset_id,
                asset_ids=asset_ids,
                state=state,
                from_us=from_us,
                to_us=to_us,
                limit=limit,
                cursor=cursor,
            )
        )

    async def dispatch(self, dispatch_id: str) -> Dispatch | None:
        """The dispatch of that id, with all its states."""
        return await self._read(partial(queries.dispatch, dispatch_id=dispatch_id))

    async def group(self, group_id: str) -> tuple[DispatchGroup, list[Dispatch]] | None:
        """The order to a site of that id, and its parts, oldest first."""
        return await self._read(partial(orders.group, group_id=group_id))

    async def used_key(self, key: str) -> UsedKey | None:
        """What that idempotency key led to."""
        return await self._read(partial(orders.used_key, key=key))

    async def unjudged(self, after: tuple[int, str] | None = None, *, limit: int) -> list[Dispatch]:
        """Ended dispatches that have no verdict, oldest first by (created_us, id)."""
        _check_positive(limit=limit)
        return await self._read(partial(orders.unjudged, after=after, limit=limit))

    async def readings(self, stretches: Sequence[Stretch], *, limit: int) -> list[list[Reading]]:
        """Active power, newest first: of each stretch at most ``limit``."""
        _check_positive(limit=limit)
        return await self._read(partial(orders.readings, stretches=stretches, limit=limit))

    async def sessions(
        self, agent_id: str, *, limit: int, cursor: str | None = None
    ) -> Page[SessionRecord]:
        """Sessions of an agent by when they began."""
        _check_positive(limit=limit)
        return await self._read(
            partial(queries.sessions, agent_id=agent_id, limit=limit, cursor=cursor)
        )

    async def heartbeats(
        self,
        agent_id: str,
        *,
        from_us: int | None = None,
        to_us: int | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Page[HeartbeatRecord]:
        """Heartbeats of an agent by when they were received."""
        _check_positive(limit=limit)
        return await self._read(
            partial(
                queries.heartbeats,
                agent_id=agent_id,
                from_us=from_us,
                to_us=to_us,
                limit=limit,
                cursor=cursor,
            )
        )

    async def event_span(self) -> LogSpan:
        """Which events the journal holds."""
        return await self._read(eventlog.span)

    async def events_after(self, after: int, *, limit: int) -> list[LoggedEvent] | None:
        """Events with greater numbers, oldest first; None if some of them are gone."""
        _check_positive(limit=limit)
        return await self._read(partial(eventlog.events_after, after=after, limit=limit))

    async def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await self._runtime.run_blocking(
                partial(query, self._reader), limiter=self._reader_limiter
            )
        except sqlite3.Error as error:
            raise JournalError(f"the journal cannot be read: {error}") from error


def _check_positive(**values: int) -> None:
    for name, value in values.items():
        if not 1 <= value <= MAX_STEP_OR_LIMIT:
            raise ValueError(f"{name} is {value}; it must be 1..{MAX_STEP_OR_LIMIT}")

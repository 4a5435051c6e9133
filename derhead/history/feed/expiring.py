"""Deletes old rows from PostgreSQL, between batches."""

from typing import TYPE_CHECKING

import trio

from derhead.audit import AUDIT_DAYS
from derhead.history.feed.batch_loading import LOAD_S
from derhead.history.feed.feed_health import RETRY_MOST_S, FeedHealth
from derhead.history.postgres.connections.causes import StoreCause, StoreUnreachable
from derhead.history.postgres.tables.days import DAY_US
from derproto.base.runtime import Runtime
from derproto.stdio.log_events import event_log

if TYPE_CHECKING:
    from derhead.history.postgres.database import Postgres

log = event_log(__name__)

EXPIRE_S = 600.0
"""Interval of deleting old rows from PostgreSQL."""

STEP_S = 0.2
"""Pause between two steps of one deletion."""

IN_THE_WAY = frozenset({StoreCause.INTERRUPTED, StoreCause.RIGHTS, StoreCause.OTHER})
"""Causes that may keep old rows from being deleted, but not new ones from being fed."""


class Expiring:
    """Has PostgreSQL delete what it has kept for ``keep_days``."""

    def __init__(
        self, postgres: "Postgres", runtime: Runtime, health: FeedHealth, keep_days: int
    ) -> None:
        self._postgres = postgres
        self._runtime = runtime
        self._health = health
        self._keep_us = keep_days * DAY_US
        self._audit_us = max(keep_days, AUDIT_DAYS) * DAY_US
        self._fails = False
        self._due_s = float("-inf")

    def due_in_s(self, now_s: float) -> float:
        return max(self._due_s - now_s, 0)

    async def run_if_due(self) -> None:
        """Deletes some old rows. Raises: StoreUnreachable, if nothing can be fed either."""
        if trio.current_time() < self._due_s:
            return
        now_us = self._runtime.wall_us()
        cut_us, audit_us = now_us - self._keep_us, now_us - self._audit_us
        try:
            more = await self._postgres.load(
                lambda loader: loader.expire(cut_us, audit_us), within_s=LOAD_S
            )
        except StoreUnreachable as error:
            if error.trouble.cause not in IN_THE_WAY:
                raise
            # A long reader of an old partition must not delay the feed.
            if not self._fails:
                log.warning("PostgreSQL does not delete old rows", reason=error)
            self._fails = True
            self._health.note_obstacle(error.trouble)
            self._due_s = trio.current_time() + RETRY_MOST_S
            return
        self._fails = False
        self._due_s = trio.current_time() + (STEP_S if more else EXPIRE_S)
        self._health.note_success(self._runtime.wall_us())

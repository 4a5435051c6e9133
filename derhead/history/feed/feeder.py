"""The feed's task: brings commits from the spool to PostgreSQL.

It takes commits from the spool, merges several into one transaction of PostgreSQL, and drops them
from the spool after PostgreSQL's commit. After any failure the commits are still in the spool and
are fed again, so every step may be repeated.
"""

import random
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import trio

from derhead.errors import JournalError
from derhead.history.feed import table_pages
from derhead.history.feed.backlog import Backlog
from derhead.history.feed.batch_loading import BATCH_ROWS, BatchLoading
from derhead.history.feed.expiring import EXPIRE_S, Expiring
from derhead.history.feed.feed_health import FeedHealth, FeedStatistics, retry_s
from derhead.history.feed.pace import Course, Pace
from derhead.history.journal.embedded import Journal
from derhead.history.postgres.connections.causes import StoreCause, StoreUnreachable, Trouble
from derhead.history.spool import unfed
from derhead.history.spool.feed_batch import FeedBatch, has_ordered, merged
from derhead.history.spool.payload import BrokenPayload, Payload, unpack
from derhead.history.spool.unfed import Spooled
from derproto.base.runtime import Runtime
from derproto.stdio.log_events import event_log

if TYPE_CHECKING:
    from derhead.history.postgres.database import Postgres

log = event_log(__name__)

COMPANY_S = 0.2
"""How long a commit waits for others to share a transaction."""

HELD_BACK = 100
"""Commits with a value that PostgreSQL refuses, left in the spool while others go on. When full,
the feed stops and the spool grows: more than a value is wrong."""

FOREVER = 2**63 - 1


class Feed:
    """Feeds the database behind ``postgres`` from the journal, until cancelled.

    ``keep_days``: how long the database keeps rows. ``catch_up_rows_s``: how fast a backlog is fed,
    so that it delays no new rows. Resource handling: reads the journal in short queries, in turn
    with the others.
    """

    def __init__(
        self,
        journal: Journal,
        postgres: "Postgres",
        runtime: Runtime,
        rng: random.Random,
        *,
        keep_days: int,
        catch_up_rows_s: float,
    ) -> None:
        assert journal.spooling is not None
        self._journal = journal
        self._spooling = journal.spooling
        self.postgres = postgres
        self._runtime = runtime
        self._rng = rng
        self._pace = Pace(catch_up_rows_s)
        self._course = Course()
        self._held_back: set[int] = set()
        self._backlog = Backlog(journal.spooling)
        self._fed_rows = self._batches = 0
        self._health = FeedHealth(str(postgres.dsn))
        self._loading = BatchLoading(journal, postgres, runtime, self._health, keep_days)
        self._expiring = Expiring(postgres, runtime, self._health, keep_days)

    # --- what others ask --------------------------------------------------------------

    def statistics(self) -> FeedStatistics:
        oldest_us = self._backlog.oldest_us
        lag_us = 0 if oldest_us is None else self._runtime.wall_us() - oldest_us
        return FeedStatistics(
            lag_rows=self._backlog.rows,
            lag_s=max(0.0, lag_us / 1e6),
            fed_rows=self._fed_rows,
            fed_batches=self._batches,
            failed_batches=self._health.failed,
            held_back=len(self._held_back),
            catching_up=not self._course.in_order,
            walking=not self._loading.is_whole,
            trouble=None if self._health.trouble is None else str(self._health.trouble),
            failing_since_us=self._health.failing_since_us,
        )

    async def wait_passed(self, before_us: int, within_s: float) -> bool:
        """Whether PostgreSQL has every sample from before ``before_us`` that the journal ever had.

        Waits for it at most ``within_s``. Raises: JournalError.
        """
        with trio.move_on_after(within_s):
            # Wait only for commits up to this one: newer ones keep coming.
            newest = await self._journal.inspect(unfed.newest)
            while True:
                moves = self._loading.moves
                if await self._passed(before_us, newest):
                    return True
                # If the position moved during the look, wait for no wake-up: look again.
                if self._loading.moves == moves:
                    await self._loading.moved.park()
        return False

    async def wait_fed(self) -> None:
        """Returns once PostgreSQL has everything that waits now. Raises: JournalError."""
        newest = await self._journal.inspect(unfed.newest)
        while True:
            moves = self._loading.moves
            if not await self._journal.inspect(partial(unfed.holds_any, up_to=newest)):
                return
            if self._loading.moves == moves:
                await self._loading.moved.park()

    async def _passed(self, before_us: int, up_to: int) -> bool:
        if not self._loading.is_whole:
            return False
        older = partial(unfed.holds_older, than_us=before_us, up_to=up_to)
        return not await self._journal.inspect(older)

    # --- the task -----------------------------------------------------------------------

    async def run(self) -> None:
        """Feeds until cancelled.

        Cancellation: a batch on its way may have been committed, and is fed again.
        """
        while True:
            try:
                await self._begin()
                while True:
                    await self._turn()
            except StoreUnreachable as error:
                self._health.note_failure(error.trouble, self._runtime.wall_us())
            except JournalError as error:
                log.warning("the feed of PostgreSQL waits for the journal", reason=error)
                self._health.failures += 1
            except Exception:
                # The border: no fault of a driver or server ends the headend.
                log.exception("the feed of PostgreSQL failed: it begins again")
                fault = Trouble(StoreCause.OTHER, "the feed failed, see the headend's log")
                self._health.note_failure(fault, self._runtime.wall_us())
            # While the feed searches for a refused value, the server is well: keep pauses short.
            failures = 1 if self._loading.most_rows < BATCH_ROWS else self._health.failures
            await trio.sleep(retry_s(failures, self._rng.random()))

    async def _begin(self) -> None:
        if self._loading.position is not None:
            return
        await self._journal.maintain(self._backlog.measure)
        await self._loading.begin()

    async def _turn(self) -> None:
        """Feeds one batch, or waits until there is something to feed."""
        seen_id = self._spooling.newest_id
        self._backlog.look()
        await self._expiring.run_if_due()
        self._course.look(self._backlog.rows, self._backlog.newest_id)
        fed = await (self._feed_in_order() if self._course.in_order else self._catch_up())
        if not fed:
            await self._wait(seen_id)

    async def _feed_in_order(self) -> bool:
        """Feeds commits, then perhaps a page; returns whether there may be more to feed at once."""
        found = await self._read(0, FOREVER)
        if found:
            await self._feed_spooled(found)
            if sum(spooled.rows for spooled in found) >= BATCH_ROWS // 2:
                return True
        elif not self._held_back:
            self._backlog.empty()
        if self._loading.is_whole or self._must_wait():
            return False
        await self._feed_page()
        return True

    async def _catch_up(self) -> bool:
        assert self._course.backlog_before is not None
        live = await self._read(self._course.live_after, FOREVER)
        if live:
            await self._feed_spooled(live, ordered=False)
            self._course.live_after = live[-1].id
        if self._must_wait():
            return bool(live)
        backlog = await self._read(0, self._course.backlog_before)
        if not backlog:
            self._course.caught_up()
            log.info("PostgreSQL has caught up with the journal")
            return True
        await self._feed_spooled(backlog)
        self._pace.spent(sum(spooled.rows for spooled in backlog), trio.current_time())
        return True

    def _must_wait(self) -> bool:
        return self._pace.wait_s(trio.current_time()) > 0

    async def _wait(self, seen_id: int) -> None:
        """Waits until something new is in the spool and others had time to join it, or until the
        backlog's next batch may go."""
        busy = not self._course.in_order or not self._loading.is_whole
        now_s = trio.current_time()
        pause_s = self._pace.wait_s(now_s) if busy else EXPIRE_S
        with trio.move_on_after(min(pause_s, self._expiring.due_in_s(now_s))):
            await self._journal.wait_spooled(seen_id)
            await trio.sleep(COMPANY_S)

    # --- batches ------------------------------------------------------------------------

    async def _read(self, after_id: int, before_id: int) -> list[Spooled]:
        while True:
            found = await self._journal.inspect(
                partial(
                    unfed.read,
                    after_id=after_id,
                    before_id=before_id,
                    at_most_rows=self._loading.most_rows,
                )
            )
            kept = [spooled for spooled in found if spooled.id not in self._held_back]
            if kept or not found:
                return kept
            after_id = found[-1].id

    async def _feed_spooled(self, found: Sequence[Spooled], *, ordered: bool = True) -> None:
        """Feeds these commits and drops them.

        Without ``ordered``, commits with changes that must wait for their turn stay in the spool,
        and are fed whole later.
        """
        self._backlog.found(found[0].committed_us)
        unpacking = partial(_unpack_all, found, ordered)
        payloads, batch = await self._runtime.run_blocking(unpacking)
        broken = [spooled.id for spooled, payload in payloads if payload is None]
        for spool_id in broken:
            self._hold_back(spool_id, "its payload cannot be read")
        try:
            number = await self._loading.load(batch)
        except StoreUnreachable as error:
            guilty = self._loading.is_guilty(error.trouble, batch, alone=len(found) == 1)
            if not guilty or len(self._held_back) >= HELD_BACK:
                raise
            self._hold_back(found[0].id, error.trouble.said)
            return
        done = [
            spooled
            for spooled, payload in payloads
            if payload is not None and (ordered or not has_ordered(payload))
        ]
        ids = [spooled.id for spooled in done]
        await self._journal.maintain(partial(unfed.drop, ids=ids, number=number))
        self._loading.move_to(number)
        oldest_us = await self._journal.inspect(unfed.oldest_us)
        self._backlog.drop(sum(spooled.rows for spooled in done), oldest_us)
        self._fed_rows += batch.rows
        self._batches += 1

    async def _feed_page(self) -> None:
        """Feeds the next page of the tables."""
        before = self._loading.position
        assert before is not None
        most_rows = self._loading.most_rows
        page = await self._journal.inspect(
            partial(table_pages.read_page, position=before.walk, at_most=most_rows)
        )
        number = before.number
        if page.payload is None:
            log.info("PostgreSQL has all older rows of the journal")
        else:
            batch = merged([page.payload])
            try:
                number = await self._loading.load(batch)
            except StoreUnreachable as error:
                if not self._loading.is_guilty(error.trouble, batch, alone=page.rows == 1):
                    raise
                log.error(
                    "PostgreSQL refuses a row, which stays in the journal only",
                    reason=error.trouble.said,
                )
            if self._loading.position is None or self._loading.position.database != before.database:
                # It was another database: its walk through the tables begins anew.
                return
            self._pace.spent(page.rows, trio.current_time())
            self._fed_rows += page.rows
        await self._loading.walk_to(page.next, number)

    def _hold_back(self, spool_id: int, why: str) -> None:
        log.error(
            "commit of the spool cannot be fed to PostgreSQL: the next start tries it again",
            commit=spool_id,
            reason=why,
        )
        self._held_back.add(spool_id)


def _unpack_all(
    found: Sequence[Spooled], ordered: bool
) -> tuple[list[tuple[Spooled, Payload | None]], FeedBatch]:
    """Each commit with its payload, None if it is broken; and all payloads in one batch."""
    payloads: list[tuple[Spooled, Payload | None]] = []
    for spooled in found:
        try:
            payloads.append((spooled, unpack(spooled.payload)))
        except BrokenPayload:
            payloads.append((spooled, None))
    return payloads, merged((each for _, each in payloads if each is not None), ordered=ordered)

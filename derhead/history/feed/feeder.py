"""The feed's task: brings commits from the spool to PostgreSQL.

It takes commits from the spool, merges several into one transaction of PostgreSQL, and drops them
from the spool after PostgreSQL's commit. Whatever fails, they are still in the spool and are fed
again: every step may be repeated.
"""

import logging
import random
import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import trio

from derhead.errors import JournalError
from derhead.history.feed import position, table_pages
from derhead.history.feed.backlog import Backlog
from derhead.history.feed.feed_health import RETRY_MOST_S, FeedHealth, retry_s
from derhead.history.feed.feed_statistics import FeedStatistics
from derhead.history.feed.pace import Course, Pace
from derhead.history.feed.position import FeedPosition
from derhead.history.journal.embedded import Journal
from derhead.history.postgres.causes import StoreCause, StoreUnreachable, Trouble
from derhead.history.postgres.fed_database import Stranger, Target
from derhead.history.spool import unfed
from derhead.history.spool.feed_batch import FeedBatch, has_ordered, merged
from derhead.history.spool.payload import BrokenPayload, Payload, unpack
from derhead.history.spool.unfed import Spooled, Spooling, SpoolSize
from derproto.base.runtime import Runtime

if TYPE_CHECKING:
    from derhead.history.postgres.database import Postgres
    from derhead.history.postgres.loader import Loader

log = logging.getLogger(__name__)

COMPANY_S = 0.2
"""How long a commit waits for others to share a transaction."""

BATCH_ROWS = 5_000
"""Rows in about one transaction of PostgreSQL; a single commit may have more. When full, the rest
go into the next; the spool is bounded by the journal's size."""

LOAD_S = 60.0
"""Time for PostgreSQL to commit a batch; then it is cancelled and fed again."""

EXPIRE_S = 600.0
"""Interval of deleting old rows from PostgreSQL."""

HELD_BACK = 100
"""Commits with a value that PostgreSQL refuses, left in the spool while others go on. When full,
the feed stops and the spool grows: more than a value is wrong."""

IN_THE_WAY = frozenset({StoreCause.INTERRUPTED, StoreCause.RIGHTS, StoreCause.OTHER})
"""Causes that may keep old rows from being deleted, but not new ones from being fed."""

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
        self._journal = journal
        self.postgres = postgres
        self._runtime = runtime
        self._rng = rng
        self._keep_days = keep_days
        self._pace = Pace(catch_up_rows_s)
        self._course = Course()
        self._standing: FeedPosition | None = None
        self._held_back: set[int] = set()
        self._most_rows = BATCH_ROWS
        self._backlog = Backlog()
        self._fed_rows = self._batches = 0
        self._health = FeedHealth(str(postgres.dsn))
        self._expiry_fails = False
        self._expire_at_s = float("-inf")
        self._moved = trio.lowlevel.ParkingLot()

    # --- what others ask --------------------------------------------------------------

    def statistics(self) -> FeedStatistics:
        oldest_us = self._backlog.oldest_us
        lag_us = 0 if oldest_us is None else self._runtime.wall_us() - oldest_us
        return FeedStatistics(
            lag_rows=self._waiting_rows(),
            lag_s=max(0.0, lag_us / 1e6),
            fed_rows=self._fed_rows,
            fed_batches=self._batches,
            failed_batches=self._health.failed,
            held_back=len(self._held_back),
            catching_up=not self._course.in_order,
            walking=self._standing is None or not self._standing.whole,
            trouble=None if self._health.trouble is None else str(self._health.trouble),
            failing_since_us=self._health.failing_since_us,
        )

    async def wait_passed(self, before_us: int, within_s: float) -> bool:
        """Whether PostgreSQL has every sample from before that time that the journal ever had.

        Waits for it at most ``within_s``. Raises: JournalError.
        """
        with trio.move_on_after(within_s):
            # Without an end, there would always be something newer.
            newest = await self._journal.inspect(unfed.newest)
            while not await self._passed(before_us, newest):
                await self._moved.park()
            return True
        return False

    async def _passed(self, before_us: int, up_to: int) -> bool:
        if self._standing is None or not self._standing.whole:
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
                self._health.went_wrong(error.trouble, self._runtime.wall_us())
            except JournalError as error:
                log.warning("the feed waits for the journal: %s", error)
                self._health.failures += 1
            except Exception:
                # The border: no fault of a driver or server ends the headend.
                log.exception("the feed failed; it is tried again")
                fault = Trouble(StoreCause.OTHER, "the feed failed, see the log")
                self._health.went_wrong(fault, self._runtime.wall_us())
            # While a refused value is searched, the server is well.
            failures = 1 if self._most_rows < BATCH_ROWS else self._health.failures
            await trio.sleep(retry_s(failures, self._rng.random()))

    async def _begin(self) -> None:
        if self._standing is not None:
            return
        assert self._journal.spooling is not None
        # On the writer's connection: a commit between the two would be counted twice.
        measure = partial(_measure, spooling=self._journal.spooling)
        size, added_rows = await self._journal.maintain(measure)
        self._backlog.begin(size, added_rows)
        self._standing = await self._journal.maintain(position.begin)

    async def _turn(self) -> None:
        """Feeds one batch, or waits until there is something to feed."""
        assert self._journal.spooling is not None
        seen_id = self._journal.spooling.newest_id
        self._backlog.look(self._journal.spooling.added_rows)
        await self._expire()
        self._course.look(self._waiting_rows(), self._newest_id())
        fed = await (self._feed_in_order() if self._course.in_order else self._catch_up())
        if not fed:
            await self._wait(seen_id)

    async def _feed_in_order(self) -> bool:
        """Whether there may be more to feed at once."""
        found = await self._read(0, FOREVER)
        if found:
            await self._feed_spooled(found)
            if sum(spooled.rows for spooled in found) >= BATCH_ROWS // 2:
                return True
        else:
            self._nothing_waits()
        if self._standing is None or self._standing.whole or self._must_wait():
            return False
        await self._feed_page(self._standing)
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
        busy = not self._course.in_order or (self._standing and not self._standing.whole)
        now_s = trio.current_time()
        pause_s = self._pace.wait_s(now_s) if busy else EXPIRE_S
        with trio.move_on_after(min(pause_s, max(self._expire_at_s - now_s, 0))):
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
                    at_most_rows=self._most_rows,
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
        payloads = await self._runtime.run_blocking(partial(_unpacked, found))
        batch = await self._runtime.run_blocking(partial(_merged, payloads, ordered))
        broken = [spooled.id for spooled, payload in payloads if payload is None]
        for spool_id in broken:
            self._hold_back(spool_id, "it cannot be read")
        try:
            number = await self._load(batch)
        except StoreUnreachable as error:
            guilty = self._is_guilty(error.trouble, batch, alone=len(found) == 1)
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
        self._moved_on(number)
        oldest_us = await self._journal.inspect(unfed.oldest_us)
        self._backlog.drop(sum(spooled.rows for spooled in done), oldest_us)
        self._fed_rows += batch.rows
        self._batches += 1

    async def _feed_page(self, stands: FeedPosition) -> None:
        """Feeds the next page of the tables."""
        page = await self._journal.inspect(
            partial(table_pages.read_page, position=stands.walk, at_most=self._most_rows)
        )
        number = stands.number
        if page.payload is None:
            log.info("PostgreSQL has all older rows of the journal")
        else:
            batch = merged([page.payload])
            try:
                number = await self._load(batch)
            except StoreUnreachable as error:
                if not self._is_guilty(error.trouble, batch, alone=page.rows == 1):
                    raise
                log.error("a row stays in the journal alone: %s", error.trouble.said)
            if self._standing is None or self._standing.database != stands.database:
                # It was another database: its walk through the tables begins anew.
                return
            self._pace.spent(page.rows, trio.current_time())
            self._fed_rows += page.rows
        await self._journal.maintain(partial(position.put_walk, position=page.next, number=number))
        self._standing = FeedPosition(
            stands.journal, stands.database, number, page.next, whole=page.next is None
        )
        self._moved.unpark_all()

    async def _load(self, batch: FeedBatch) -> int:
        """Commits the batch in PostgreSQL; returns its number. Raises: StoreUnreachable."""
        while True:
            stands = self._standing
            assert stands is not None
            target = Target(stands.database or "", stands.journal, stands.number + 1)
            work = partial(_load, batch, target, self._runtime.wall_us(), self._keep_days)
            stranger = await self.postgres.load(work, within_s=LOAD_S)
            self._health.went_well(self._runtime.wall_us())
            if stranger is None:
                self._most_rows = min(self._most_rows * 2, BATCH_ROWS)
                return target.number
            await self._adopt(stranger)

    async def _adopt(self, stranger: Stranger) -> None:
        prepared = stranger.prepared
        assert self._standing is not None
        if self._standing.database is not None:
            log.warning(
                "PostgreSQL is another database than the one fed so far, or has lost rows: "
                "everything in the journal is fed again"
            )
        self._standing = await self._journal.maintain(
            partial(position.adopt, database=prepared.identity, fed=dict(prepared.fed))
        )

    def _is_guilty(self, trouble: Trouble, batch: FeedBatch, *, alone: bool) -> bool:
        """Whether this batch alone holds a value that PostgreSQL refuses. Otherwise smaller batches
        are tried, until the value is found."""
        if trouble.cause is not StoreCause.VALUE:
            return False
        self._most_rows = BATCH_ROWS if alone else max(1, batch.rows // 2)
        return alone

    def _hold_back(self, spool_id: int, why: str) -> None:
        log.error(
            "commit %d of the spool cannot be fed (%s); it stays in the journal, and is tried "
            "again at the next start",
            spool_id,
            why,
        )
        self._held_back.add(spool_id)

    async def _expire(self) -> None:
        """Deletes old rows from PostgreSQL, from time to time."""
        if self._standing is None or trio.current_time() < self._expire_at_s:
            return
        cut_us = self._runtime.wall_us() - self._keep_days * 86_400_000_000
        try:
            more = await self.postgres.load(partial(_expire, cut_us), within_s=LOAD_S)
        except StoreUnreachable as error:
            if error.trouble.cause not in IN_THE_WAY:
                raise
            # A long reader of an old partition must not delay the feed.
            if not self._expiry_fails:
                log.warning("PostgreSQL does not delete old rows: %s", error)
            self._expiry_fails = True
            self._health.stood_in_the_way(error.trouble)
            self._expire_at_s = trio.current_time() + RETRY_MOST_S
            return
        self._expiry_fails = False
        self._expire_at_s = trio.current_time() + (COMPANY_S if more else EXPIRE_S)
        self._health.went_well(self._runtime.wall_us())

    # --- how it goes --------------------------------------------------------------------

    def _waiting_rows(self) -> int:
        assert self._journal.spooling is not None
        return self._backlog.rows(self._journal.spooling.added_rows)

    def _newest_id(self) -> int:
        assert self._journal.spooling is not None
        return self._backlog.newest_id(self._journal.spooling.newest_id)

    def _nothing_waits(self) -> None:
        """Everything that waited when the turn began is fed."""
        if not self._held_back:
            self._backlog.empty()

    def _moved_on(self, number: int) -> None:
        stands = self._standing
        assert stands is not None
        self._standing = FeedPosition(
            stands.journal, stands.database, number, stands.walk, stands.whole
        )
        self._moved.unpark_all()


async def _load(
    batch: FeedBatch, target: Target, now_us: int, keep_days: int, loader: "Loader"
) -> Stranger | None:
    return await loader.load(batch, target, now_us, keep_days)


async def _expire(cut_us: int, loader: "Loader") -> bool:
    return await loader.expire(cut_us)


def _measure(con: sqlite3.Connection, spooling: Spooling) -> tuple[SpoolSize, int]:
    """What waits, and how much of it was added since the journal was opened."""
    return unfed.measure(con), spooling.added_rows


def _unpacked(found: Sequence[Spooled]) -> list[tuple[Spooled, Payload | None]]:
    unpacked: list[tuple[Spooled, Payload | None]] = []
    for spooled in found:
        try:
            unpacked.append((spooled, unpack(spooled.payload)))
        except BrokenPayload:
            unpacked.append((spooled, None))
    return unpacked


def _merged(payloads: Sequence[tuple[Spooled, Payload | None]], ordered: bool) -> FeedBatch:
    return merged((each for _, each in payloads if each is not None), ordered=ordered)

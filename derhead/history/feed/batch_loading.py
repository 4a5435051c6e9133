"""Loading a batch as the feed sees it: the database that it is for, and the position after it."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import trio

from derhead.history.feed import position
from derhead.history.feed.feed_health import FeedHealth
from derhead.history.feed.position import FeedPosition
from derhead.history.journal.embedded import Journal
from derhead.history.postgres.connections.causes import StoreCause, Trouble
from derhead.history.postgres.tables.fed_database import Stranger, Target
from derhead.history.spool.feed_batch import FeedBatch
from derproto.base.runtime import Runtime
from derproto.stdio.log_events import event_log

if TYPE_CHECKING:
    from derhead.history.postgres.database import Postgres
    from derhead.history.postgres.tables.loader import Loader

log = event_log(__name__)

BATCH_ROWS = 5_000
"""Rows in about one transaction of PostgreSQL; a single commit may have more. When full, the rest
go into the next; the spool is bounded by the journal's size."""

LOAD_S = 60.0
"""Time for PostgreSQL to commit a batch; after it the batch is cancelled and fed again."""


class BatchLoading:
    """Has PostgreSQL commit batches, and keeps the feed's position in the journal."""

    def __init__(
        self,
        journal: Journal,
        postgres: "Postgres",
        runtime: Runtime,
        health: FeedHealth,
        keep_days: int,
    ) -> None:
        self._journal = journal
        self._postgres = postgres
        self._runtime = runtime
        self._health = health
        self._keep_days = keep_days
        self.most_rows = BATCH_ROWS
        """Rows of the next batch; fewer while the feed searches for a refused value."""
        self.position: FeedPosition | None = None
        """None = not read yet."""
        self.moves = 0
        """How often the position moved."""
        self.moved = trio.lowlevel.ParkingLot()
        """Woken whenever the position moves."""

    @property
    def is_whole(self) -> bool:
        """Everything from before PostgreSQL was configured is fed."""
        return self.position is not None and self.position.whole

    async def begin(self) -> None:
        """Reads the position. Raises: JournalError."""
        self.position = await self._journal.maintain(position.begin)

    async def load(self, batch: FeedBatch) -> int:
        """Commits the batch in PostgreSQL; returns its number. Raises: StoreUnreachable."""
        while True:
            at = self.position
            assert at is not None
            target = Target(at.database or "", at.journal, at.number + 1)
            work = partial(_load, batch, target, self._runtime.wall_us(), self._keep_days)
            stranger = await self._postgres.load(work, within_s=LOAD_S)
            self._health.note_success(self._runtime.wall_us())
            if stranger is None:
                self.most_rows = min(self.most_rows * 2, BATCH_ROWS)
                return target.number
            await self._adopt(stranger)

    def is_guilty(self, trouble: Trouble, batch: FeedBatch, *, alone: bool) -> bool:
        """Whether PostgreSQL refuses a value of this batch, and the batch cannot be split
        (``alone``). If it can be split, the next batches are smaller, until the value is found."""
        if trouble.cause is not StoreCause.VALUE:
            return False
        self.most_rows = BATCH_ROWS if alone else max(1, batch.rows // 2)
        return alone

    def move_to(self, number: int) -> None:
        """Notes that PostgreSQL committed the batch of that number; the journal has stored this
        already."""
        assert self.position is not None
        self.position = replace(self.position, number=number)
        self._note_move()

    async def walk_to(self, walk: str | None, number: int) -> None:
        """Stores that PostgreSQL has the tables up to there; None = all. Raises: JournalError."""
        await self._journal.maintain(partial(position.put_walk, position=walk, number=number))
        assert self.position is not None
        self.position = replace(self.position, number=number, walk=walk, whole=walk is None)
        self._note_move()

    def _note_move(self) -> None:
        self.moves += 1
        self.moved.unpark_all()

    async def _adopt(self, stranger: Stranger) -> None:
        prepared = stranger.prepared
        assert self.position is not None
        if self.position.database is not None:
            log.warning(
                "this PostgreSQL is not the one that was fed so far, or it has lost rows: the feed "
                "sends everything in the journal again"
            )
        self.position = await self._journal.maintain(
            partial(position.adopt, database=prepared.identity, fed=dict(prepared.fed))
        )


async def _load(
    batch: FeedBatch, target: Target, now_us: int, keep_days: int, loader: "Loader"
) -> Stranger | None:
    return await loader.load(batch, target, now_us, keep_days)

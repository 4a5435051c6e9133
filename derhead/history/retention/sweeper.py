"""Retention's task: measures the journal, deletes old rows, gives room back."""

from dataclasses import replace
from functools import partial

import trio

from derhead.errors import JournalError
from derhead.history.file import facts
from derhead.history.journal.embedded import Journal
from derhead.history.retention import deleting, measuring, policy
from derhead.history.retention.policy import Cutoff, RetentionLimits, RetentionStatistics, Sizes
from derproto.base.runtime import Runtime
from derproto.stdio.log_events import event_log

log = event_log(__name__)

LOOK_S = 10.0
"""Interval of measuring the file. At 3 MB/s, the most ever measured, it grows by 30 MB."""


class Retention:
    """Keeps the journal within its limits; ``policy`` decides what goes when.

    Resource handling: works on the journal's writer for some 25 ms at a time, in turn with the
    commits, and leaves it alone for at least as long.
    """

    def __init__(self, journal: Journal, limits: RetentionLimits, runtime: Runtime) -> None:
        self._journal = journal
        self._limits = limits
        self._runtime = runtime
        self._sizes: Sizes | None = None
        self._from_us: int | None = None
        self._deleted = dict.fromkeys(deleting.DELETES, 0)
        self._truncated = self._failed = 0
        self._rows = 2_000
        self._swept_us: int | None = None
        self._wal_is_long = False

    async def run(self) -> None:
        """Runs until cancelled. A failed look is counted, and the next one tries again.

        Cancellation: a transaction that has begun ends normally.
        """
        while True:
            try:
                await self._look()
            except JournalError as error:
                self._failed += 1
                log.warning("old rows are not deleted yet", reason=error)
            await trio.sleep(LOOK_S)

    def statistics(self) -> RetentionStatistics:
        return RetentionStatistics(
            sizes=self._sizes,
            max_bytes=self._limits.max_bytes,
            telemetry_from_us=self._from_us,
            deleted=dict(self._deleted),
            truncated_wals=self._truncated,
            failed_looks=self._failed,
        )

    async def _look(self) -> None:
        self._sizes = sizes = await self._journal.inspect(measuring.read_sizes)
        if self._journal.statistics().failing_since_us is not None:
            # Deleting also needs room, and the disk has none.
            return
        now_us = self._runtime.wall_us()
        cut = policy.by_age(self._limits, now_us)
        above = policy.is_above(self._limits, sizes)
        if above:
            await self._drop_or_hold(sizes, cut, now_us)
        elif self._swept_us is None or self._swept_us < cut.records_us:
            self._journal.hold_telemetry(None)
            await self._sweep(cut)
            self._swept_us = cut.records_us
        else:
            self._journal.hold_telemetry(None)
        self._from_us = await self._journal.inspect(
            partial(facts.get_int, key=facts.TELEMETRY_FROM_US)
        )
        await self._give_back()

    async def _drop_or_hold(self, sizes: Sizes, cut: Cutoff, now_us: int) -> None:
        oldest_us = await self._journal.inspect(measuring.read_oldest)
        spared = await self._journal.inspect(partial(measuring.read_spared, fed=self._limits.fed))
        if oldest_us is not None:
            from_us = await self._journal.inspect(
                partial(facts.get_int, key=facts.TELEMETRY_FROM_US)
            )
            oldest_us = policy.oldest_left(oldest_us, from_us, now_us)
            cut = policy.by_size(self._limits, sizes, oldest_us, cut, now_us)
        droppable = oldest_us is not None and oldest_us < cut.sparing(spared).samples_us
        self._journal.hold_telemetry(
            policy.why_hold(self._limits, sizes, spared, droppable=droppable)
        )
        await self._sweep(cut)

    async def _sweep(self, cut: Cutoff) -> None:
        assets = await self._journal.inspect(measuring.count_gap_assets)
        cut = replace(cut, gaps_kept=policy.gaps_kept(self._limits, assets))
        for table in deleting.DELETES:
            position: deleting.Position = ()
            done = False
            while not done:
                work = partial(
                    deleting.delete,
                    table=table,
                    cut=cut,
                    fed=self._limits.fed,
                    position=position,
                    at_most=self._rows,
                )
                began_s = trio.current_time()
                step = await self._journal.maintain(work)
                took_s = trio.current_time() - began_s
                self._deleted[table] += step.rows
                position, done = step.position, step.done
                if step.rows >= self._rows:
                    self._rows = policy.next_rows(self._rows, took_s)
                await trio.sleep(took_s)

    async def _give_back(self) -> None:
        sizes = await self._journal.inspect(measuring.read_sizes)
        pages = policy.pages_to_give_back(sizes)
        while pages > 0:
            began_s = trio.current_time()
            step = min(pages, deleting.VACUUM_PAGES)
            await self._journal.maintain(partial(deleting.vacuum, pages=step))
            pages -= step
            await trio.sleep(trio.current_time() - began_s)
        if sizes.wal_bytes > policy.WAL_BYTES:
            cut = await self._journal.truncate_wal()
            self._truncated += cut
            if not cut and not self._wal_is_long:
                log.warning(
                    "the journal's WAL cannot be truncated: another program, perhaps a backup, has "
                    "been reading the journal for long; end that program",
                    wal_bytes=sizes.wal_bytes,
                )
            self._wal_is_long = not cut
        self._sizes = await self._journal.inspect(measuring.read_sizes)

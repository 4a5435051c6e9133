"""The committer: the task that turns waiting records into group commits.

``waiting`` decides what waits and when a commit is due. ``writing.record_store`` turns a group into
a transaction. This module handles failing commits. Telemetry stays in memory and is tried again
every second. Writes are tried alone, and refused if they do not fit. After damage nothing more is
stored.
"""

import math
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import trio

from derhead.audit import AuditRecord
from derhead.errors import JournalError
from derhead.gaps import GapRecord
from derhead.history.file.damage import UNREADABLE, is_damage, is_foul_text
from derhead.history.file.room import FREE_BYTES
from derhead.history.file.schema import JournalFiles
from derhead.history.journal.journal_statistics import JournalStatistics
from derhead.history.journal.waiting import Taken, WaitingRecords
from derhead.history.spool.unfed import Spooling
from derhead.history.writing.record_store import CommitOutcome, Group, Store
from derhead.service_levels import LevelHour
from derhead.sessions import HeartbeatRecord, SessionRecord
from derproto.base.runtime import Runtime, shielded_for
from derproto.metrics.histogram import QUICK_S, Histogram
from derproto.stdio.log_events import event_log

log = event_log(__name__)

T = TypeVar("T")

RETRY_S = 1.0
"""Pause before telemetry is tried again after a commit failed."""

NO_ROOM = f"the disk is full: less than {FREE_BYTES // 2**20} MiB are free"

FLUSH_S = 4.0
"""Time that closing gives to records still in memory."""


class Committer:
    """Commits the records in ``waiting`` over the journal's writing connection.

    All other work on that connection goes through ``run``.
    """

    def __init__(
        self,
        files: JournalFiles,
        runtime: Runtime,
        waiting: WaitingRecords,
        spooling: Spooling | None,
    ) -> None:
        self.store = Store(files.writer, spooling)
        self.limiter = trio.CapacityLimiter(1)
        self.failing_since_us: int | None = None
        """When commits began to fail; None = they work."""
        self.failing_reason = ""
        self.newest_event = 0
        """The number of the newest event stored since the journal was opened."""
        self.committed = trio.lowlevel.ParkingLot()
        """Wakes its waiters after every commit, and when the journal is closed."""
        self._files = files
        self._runtime = runtime
        self._waiting = waiting
        self._wake = trio.Event()
        self._sleeps_until_s = float("-inf")
        self._held_reason: str | None = None
        self._is_damaged = self._is_fouled = False
        self._commits = self._failed_commits = 0
        self._rows = self._duplicate_rows = self._refused_rows = self._refused_notes = 0
        self._last_commit_s = 0.0
        self._commit_s = Histogram(QUICK_S)
        if not files.room.is_secured:
            self._fails(NO_ROOM)

    async def run(self, work: Callable[[], T]) -> T:
        """Runs other work on the writing connection, in turn with the commits.

        Cancellation: waits for work that has begun. Raises: sqlite3.Error.
        """
        return await self._runtime.run_blocking(work, limiter=self.limiter)

    def hold_telemetry(self, reason: str | None) -> None:
        """Holds telemetry and notes back, for that reason; None lifts the hold.

        Held records wait in memory, as on a full disk. Writes are stored.
        """
        if reason is not None and self._held_reason is None:
            log.error("telemetry is not acknowledged", reason=reason)
        if reason is None and self._held_reason is not None:
            log.warning("telemetry is taken again")
        self._held_reason = reason
        if self.failing_since_us is None and not self._is_damaged:
            self._let_go()
            self.poke()

    def statistics(self) -> JournalStatistics:
        return JournalStatistics(
            commits=self._commits,
            failed_commits=self._failed_commits,
            rows=self._rows,
            duplicate_rows=self._duplicate_rows,
            refused_rows=self._refused_rows,
            refused_notes=self._refused_notes,
            buffered_rows=self._waiting.rows,
            dropped_heartbeats=self._waiting.dropped[HeartbeatRecord],
            dropped_sessions=self._waiting.dropped[SessionRecord],
            dropped_gaps=self._waiting.dropped[GapRecord],
            dropped_audit=self._waiting.dropped[AuditRecord],
            dropped_levels=self._waiting.dropped[LevelHour],
            last_commit_s=self._last_commit_s,
            commit_s=self._commit_s.counts(),
            failing_since_us=self.failing_since_us,
            failing_reason=self.failing_reason,
            held_reason=self._held_reason,
        )

    async def keep_committing(self) -> None:
        """Commits whenever something is due, until cancelled."""
        while True:
            self._wake = trio.Event()
            self._sleeps_until_s = self._waiting.due_s()
            with trio.move_on_at(self._sleeps_until_s):
                await self._wake.wait()
            if self._waiting.due_s() <= trio.current_time():
                await self._commit()

    def poke(self) -> None:
        """Wakes the task if a new record is due before the task would wake by itself."""
        # The task is woken only for what is due before it would wake by itself.
        if self._waiting.due_s() < self._sleeps_until_s:
            self._wake.set()

    async def _commit(self) -> None:
        if self._is_damaged:
            for write in self._waiting.take_writes():
                write.settle(JournalError(self.failing_reason))
            return
        began_s = trio.current_time()
        if self.failing_since_us is not None and not await self._may_retry():
            self._waiting.hold_until(trio.current_time() + RETRY_S)
        elif self._held_reason is not None:
            # Retention holds telemetry: after a failure's pause, too, only writes or a probe go.
            self._waiting.hold_until(math.inf)
        taken = self._waiting.take(trio.current_time())
        if taken.empty and not self._files.room.is_secured:
            return
        group = taken.as_group(self._runtime.wall_us())
        work = partial(self._store_group, None if taken.empty else group, taken.only_writes)
        settled = False
        try:
            outcome = await self._runtime.run_blocking(work, limiter=self.limiter)
            settled = True
        except UNREADABLE as error:
            self._failed(error)
            # Writes that failed together with others are tried once more alone: they may fit.
            if taken.only_writes:
                settled = True
                for write in taken.writes:
                    write.settle(error)
        else:
            self._last_commit_s = trio.current_time() - began_s
            self._commit_s.take(self._last_commit_s)
            self._committed(taken, outcome)
        finally:
            if not settled:
                self._waiting.put_back(taken, trio.current_time())

    def _committed(self, taken: Taken, outcome: CommitOutcome) -> None:
        self._commits += 1
        self._rows += outcome.inserted_rows
        self._duplicate_rows += outcome.duplicate_rows
        self._waiting.settle(taken)
        if outcome.newest_event is not None:
            self.newest_event = outcome.newest_event
        self.committed.unpark_all()
        # A write may fit where telemetry does not: its commit proves nothing while others wait.
        alone = taken.only_writes and self._waiting.others and self._held_reason is None
        if self.failing_since_us is not None and self._files.room.is_secured and not alone:
            self._recovered(self.failing_since_us)
        for place, batch in enumerate(taken.batches):
            refusal = outcome.refused_batches.get(place)
            if refusal is None:
                _call(batch.on_durable)
            else:
                self._refused_rows += len(batch.samples)
                log.error("rows cannot be stored", rows=len(batch.samples), reason=refusal)
        for refusal in outcome.refused_notes.values():
            self._refused_notes += 1
            log.error("a record that was noted cannot be stored", reason=refusal)
        for place, write in enumerate(taken.writes):
            write.settle(outcome.refused_writes.get(place))

    async def _may_retry(self) -> bool:
        """False if the pause after a failure is over but the disk has no room: it pauses again."""
        if self._waiting.is_held_at(trio.current_time()):
            return True
        return await self._runtime.run_blocking(self._files.room.secure)

    def _store_group(self, group: Group | None, only_writes: bool) -> CommitOutcome:
        """Makes one commit in the writer's thread; without a group it only probes."""
        if not only_writes and not self._files.room.has_room():
            raise sqlite3.OperationalError(NO_ROOM)
        return self.store.probe() if group is None else self.store.commit(group)

    def _failed(self, error: Exception) -> None:
        self._failed_commits += 1
        if is_damage(error) or is_foul_text(error):
            self._met_damage(error)
            return
        self._files.room.is_secured = False
        self._fails(str(error))

    def _fails(self, why: str) -> None:
        self.failing_reason = f"the journal cannot write to its disk: {why}"
        self._waiting.hold_until(trio.current_time() + RETRY_S)
        if self.failing_since_us is None:
            self.failing_since_us = self._runtime.wall_us()
            log.error(
                "commits fail: telemetry stays in memory, not acknowledged, and is tried again; "
                "orders are refused; changes of open dispatches are stored while the WAL has room",
                reason=why,
                retry_in_s=RETRY_S,
            )

    def note_error(self, error: Exception) -> None:
        """Reports an error of any statement: after damage nothing more is stored.

        A text that is not UTF-8 spoils its row alone: the next start leaves it out.
        """
        if is_damage(error):
            self._met_damage(error)
        elif is_foul_text(error) and not self._is_fouled:
            self._is_fouled = True
            self._files.mark_damaged()
            log.error(
                "a text in the journal is damaged: restart the headend, which salvages the rest",
                reason=error,
            )

    def _met_damage(self, error: Exception) -> None:
        """Stops storing: records written to a damaged file might be lost with it."""
        if self._is_damaged:
            return
        self._is_damaged = True
        self._waiting.hold_until(math.inf)
        self.failing_since_us = self.failing_since_us or self._runtime.wall_us()
        self.failing_reason = (
            f"the journal's file is damaged ({error}); nothing more is stored. Restart the "
            "headend: it moves the file aside and salvages what can be read of it"
        )
        log.critical("the journal is damaged", reason=self.failing_reason)
        self._files.mark_damaged()
        self._wake.set()

    def _recovered(self, since_us: int) -> None:
        self.failing_since_us = None
        self.failing_reason = ""
        self._let_go()
        failed_s = (self._runtime.wall_us() - since_us) / 1e6
        log.warning("commits work again", failed_s=round(failed_s, 1))

    def _let_go(self) -> None:
        """Ends the pause after a failure, but not a hold by retention."""
        self._waiting.hold_until(None if self._held_reason is None else math.inf)

    # --- the end --------------------------------------------------------------------

    async def close(self) -> None:
        """Commits waiting records within ``FLUSH_S``, and refuses the writes that are left."""
        self.committed.unpark_all()
        with shielded_for(FLUSH_S):
            await self._flush()
        if self._waiting.rows:
            log.error(
                "closing with rows of telemetry not stored: they were not acknowledged, so their "
                "agents still hold them",
                rows=self._waiting.rows,
            )
        for write in self._waiting.take_writes():
            write.settle(JournalError("the journal was closed"))

    async def _flush(self) -> None:
        """Commits waiting records; gives up on telemetry at the first failure."""
        if self._is_damaged:
            return
        self._waiting.hold_until(None)
        while self._waiting.writes or (self._waiting.others and not self._waiting.held):
            await self._commit()


def _call(on_durable: Callable[[], None]) -> None:
    try:
        on_durable()
    except Exception:
        # A fault of one session must not end the journal.
        log.exception("acknowledgement failed with a bug: its rows are stored")

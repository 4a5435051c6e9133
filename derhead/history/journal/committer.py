"""The committer: the one task that turns what waits into group commits.

What waits and when a commit is due is decided in ``waiting``. How a group becomes a transaction
is ``writing.record_store``. Here is what happens when commits fail: telemetry stays in memory and
is tried again every second, writes are tried alone and refused if they do not fit, and after
damage nothing more is stored.
"""

import logging
import math
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import trio

from derhead.errors import JournalError
from derhead.history.file.damage import is_damage
from derhead.history.file.room import FREE_BYTES
from derhead.history.file.schema import JournalFiles
from derhead.history.journal.journal_statistics import JournalStatistics
from derhead.history.journal.waiting import Taken, WaitingRecords
from derhead.history.spool.unfed import Spooling
from derhead.history.writing.record_store import CommitOutcome, Group, Store
from derproto.base.runtime import Runtime, shielded_for

log = logging.getLogger(__name__)

T = TypeVar("T")

RETRY_S = 1.0
"""Pause before telemetry is tried again after a commit failed."""

NO_ROOM = f"the disk is full: less than {FREE_BYTES // 2**20} MiB are free"

FLUSH_S = 4.0
"""Time that closing gives to what is still in memory."""


class Committer:
    """Commits what is in ``waiting`` over the journal's writing connection.

    All work on that connection holds ``limiter``.
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
        """The number of the newest event that was stored since the journal was opened."""
        self.committed = trio.lowlevel.ParkingLot()
        """Woken after every commit, and when the journal is closed."""
        self._files = files
        self._runtime = runtime
        self._waiting = waiting
        self._wake = trio.Event()
        self._sleeps_until_s = float("-inf")
        self._held_reason: str | None = None
        self._is_damaged = False
        self._commits = self._failed_commits = 0
        self._rows = self._duplicate_rows = self._refused_rows = self._refused_notes = 0
        self._last_commit_s = 0.0
        if not files.room.is_secured:
            self._fails(NO_ROOM)

    async def run(self, work: Callable[[], T]) -> T:
        """Runs other work of the writing connection, in turn with the commits.

        Cancellation: work that has begun is waited for. Raises: sqlite3.Error.
        """
        return await self._runtime.run_blocking(work, limiter=self.limiter)

    def hold_telemetry(self, reason: str | None) -> None:
        """Keeps telemetry and notes from being stored, for that reason, until told None.

        Meanwhile they wait in memory as they do while the disk is full; writes are stored.
        """
        if reason is not None and self._held_reason is None:
            log.error("telemetry is not acknowledged: %s", reason)
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
            dropped_heartbeats=self._waiting.dropped_heartbeats,
            dropped_sessions=self._waiting.dropped_sessions,
            dropped_gaps=self._waiting.dropped_gaps,
            last_commit_s=self._last_commit_s,
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
        """Something was added to what waits."""
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
            # Only a probe then, when a failure's pause is over.
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
        except sqlite3.Error as error:
            self._failed(error)
            # Writes together with others are tried once more alone: they may still fit.
            if taken.only_writes:
                settled = True
                for write in taken.writes:
                    write.settle(error)
        else:
            self._last_commit_s = trio.current_time() - began_s
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
        # A write may fit where telemetry does not: it proves nothing, unless nothing else is due.
        alone = taken.only_writes and self._waiting.others and self._held_reason is None
        if self.failing_since_us is not None and self._files.room.is_secured and not alone:
            self._recovered(self.failing_since_us)
        for place, batch in enumerate(taken.batches):
            refusal = outcome.refused_batches.get(place)
            if refusal is None:
                _call(batch.on_durable)
            else:
                self._refused_rows += len(batch.samples)
                log.error("%d rows cannot be stored: %s", len(batch.samples), refusal)
        for refusal in outcome.refused_notes.values():
            self._refused_notes += 1
            log.error("a session's, heartbeat's or gap's record cannot be stored: %s", refusal)
        for place, write in enumerate(taken.writes):
            write.settle(outcome.refused_writes.get(place))

    async def _may_retry(self) -> bool:
        """Whether more than writes may be tried again: their pause is over, and there is room."""
        if self._waiting.is_held_at(trio.current_time()):
            return True
        return await self._runtime.run_blocking(self._files.room.secure)

    def _store_group(self, group: Group | None, only_writes: bool) -> CommitOutcome:
        """One commit, in the writer's thread; without a group one that only tries."""
        if not only_writes and not self._files.room.has_room():
            raise sqlite3.OperationalError(NO_ROOM)
        return self.store.probe() if group is None else self.store.commit(group)

    def _failed(self, error: sqlite3.Error) -> None:
        self._failed_commits += 1
        if is_damage(error):
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
                "commits fail (%s): telemetry stays in memory, not acknowledged, and is tried "
                "again every %g s; orders are refused, what runs is controlled as long as it fits",
                why,
                RETRY_S,
            )

    def note_error(self, error: sqlite3.Error) -> None:
        """Some statement failed: if the file is damaged, nothing more is stored."""
        if is_damage(error):
            self._met_damage(error)

    def _met_damage(self, error: sqlite3.Error) -> None:
        """The file is damaged: what would be written to it now might be lost with it."""
        if self._is_damaged:
            return
        self._is_damaged = True
        self._waiting.hold_until(math.inf)
        self.failing_since_us = self.failing_since_us or self._runtime.wall_us()
        self.failing_reason = (
            f"the journal's file is damaged ({error}); nothing more is stored. Restart the "
            "headend: it moves the file aside and salvages what can be read of it"
        )
        log.critical("%s", self.failing_reason)
        self._files.mark_damaged()
        self._wake.set()

    def _recovered(self, since_us: int) -> None:
        self.failing_since_us = None
        self.failing_reason = ""
        self._let_go()
        failed_s = (self._runtime.wall_us() - since_us) / 1e6
        log.warning("commits work again after %.1f s", failed_s)

    def _let_go(self) -> None:
        """Ends the pause after a failure, but not what retention asked for."""
        self._waiting.hold_until(None if self._held_reason is None else math.inf)

    # --- the end --------------------------------------------------------------------

    async def close(self) -> None:
        """Commits what waits, for at most ``FLUSH_S``; whoever still waits for a write is told."""
        self.committed.unpark_all()
        with shielded_for(FLUSH_S):
            await self._flush()
        if self._waiting.rows:
            log.error(
                "closing with %d rows of telemetry not stored; they were not acknowledged, so "
                "their agents still hold them",
                self._waiting.rows,
            )
        for write in self._waiting.take_writes():
            write.settle(JournalError("the journal was closed"))

    async def _flush(self) -> None:
        """Commits what still waits; gives up on telemetry at the first failure."""
        if self._is_damaged:
            return
        self._waiting.hold_until(None)
        while self._waiting.writes or (self._waiting.others and not self._waiting.held):
            await self._commit()


def _call(on_durable: Callable[[], None]) -> None:
    try:
        on_durable()
    except Exception:
        # One session's fault is not the journal's end.
        log.exception("an acknowledgement failed; its rows are stored")

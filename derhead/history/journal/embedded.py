"""The embedded journal: everything the headend must remember goes here first.

Tasks hand records in; one task, ``_keep_committing``, turns what waits into group commits.
What waits and when a commit is due is decided in ``waiting``, how a group becomes a
transaction in ``writing.record_store``, both without Trio's help.

Telemetry is acknowledged through ``on_durable``, after the commit that holds it; ``write``
returns after it. Rows leave memory only once the disk has them: while commits fail,
telemetry stays and is tried again every second, until the bound is reached and
``append_telemetry`` makes its callers wait, and flow control their agents.
"""

import logging
import math
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import trio

from derhead.errors import JournalError
from derhead.gaps import GapRecord
from derhead.history.file.damage import is_damage
from derhead.history.file.room import FREE_BYTES, truncate_wal
from derhead.history.file.salvage import Salvaged
from derhead.history.file.schema import JournalFiles
from derhead.history.journal.journal_statistics import JournalStatistics
from derhead.history.journal.waiting import SampleBatch, Taken, WaitingRecords, Write
from derhead.history.queries.query_connection import QueryConnection
from derhead.history.queries.reader import Reader
from derhead.history.spool.unfed import Spooling
from derhead.history.writing.record_store import CommitOutcome, Group, Note, Record, Store
from derhead.history.writing.recovery import close_lost_sessions
from derhead.telemetry import Sample
from derproto.base.runtime import Runtime, shielded_for

log = logging.getLogger(__name__)

T = TypeVar("T")

GROUP_MS = 100
"""Time that telemetry and notes wait for others to share their commit. When over, the commit is
due."""

BATCH_ROWS = 5_000
"""Rows of telemetry in about one commit: some 50 ms, for which a dispatch may wait. When full,
the commit is due at once and the rest go into the next."""

BUFFER_ROWS = 50_000
"""Rows of telemetry in memory, not yet durable. When full, ``append_telemetry`` waits, first come
first served, and flow control holds the agents."""

RETRY_S = 1.0
"""Pause before telemetry is tried again after a commit failed."""

NO_ROOM = f"the disk is full: less than {FREE_BYTES // 2**20} MiB are free"

FLUSH_S = 4.0
"""Time that closing gives to what is still in memory."""


class Journal(Reader):
    """The open journal; see ``opening.open_journal``."""

    def __init__(
        self,
        files: JournalFiles,
        runtime: Runtime,
        waiting: WaitingRecords,
        spooling: Spooling | None = None,
    ) -> None:
        super().__init__(
            QueryConnection(files.reader, runtime, self._found_damage),
            QueryConnection(files.order_reader, runtime, self._found_damage),
        )
        self._files = files
        self._runtime = runtime
        self._writer = files.writer
        self.spooling = spooling
        """What was spooled for PostgreSQL; None = it is not configured."""
        self._spooled = trio.lowlevel.ParkingLot()
        self._store = Store(files.writer, spooling)
        self._writer_limiter = trio.CapacityLimiter(1)
        self._waiting = waiting
        self._turn = trio.Lock()
        self._room = trio.Event()
        self._wake = trio.Event()
        self._sleeps_until_s = float("-inf")
        self._closed = False
        self._failing_since_us: int | None = None
        self._failing_reason = ""
        self._held_reason: str | None = None
        self._is_damaged = False
        self._commits = self._failed_commits = 0
        self._rows = self._duplicate_rows = self._refused_rows = self._refused_notes = 0
        self._last_commit_s = 0.0
        self._newest_event = 0
        self._event_stored = trio.lowlevel.ParkingLot()
        if not files.room.is_secured:
            self._fails(NO_ROOM)

    # --- records come in ------------------------------------------------------------

    async def append_telemetry(
        self,
        samples: Sequence[Sample],
        on_durable: Callable[[], None],
        gaps: Sequence[GapRecord] = (),
    ) -> None:
        """Takes the samples; calls ``on_durable()`` once they are on disk.

        Returns as soon as they wait in memory, where they stay at most 100 ms unless
        commits fail. A sample that is there already, by asset, time, boot and sequence, is
        not stored again, and is not an error. ``gaps`` are stored in the very commit of the
        samples, which may be none. ``on_durable`` runs in the journal's task: it
        must not block. It is never called if the journal is closed first.

        When full: waits, first come, first served. Cancellation: then nothing was taken.
        Raises: JournalError if the journal is closed.
        """
        async with self._turn:
            while not self._closed and not self._waiting.has_room(len(samples) + len(gaps)):
                self._room = trio.Event()
                await self._room.wait()
            self._check_open()
            self._waiting.add_batch(SampleBatch(samples, on_durable, trio.current_time(), gaps))
            self._poke()

    def append_telemetry_nowait(
        self,
        samples: Sequence[Sample],
        on_durable: Callable[[], None],
        gaps: Sequence[GapRecord] = (),
    ) -> bool:
        """As ``append_telemetry`` if there is room and nobody waits for it; else False.

        Raises: JournalError if the journal is closed.
        """
        self._check_open()
        if self._turn.locked() or not self._waiting.has_room(len(samples) + len(gaps)):
            return False
        self._waiting.add_batch(SampleBatch(samples, on_durable, trio.current_time(), gaps))
        self._poke()
        return True

    async def write(self, *records: Record) -> None:
        """Stores all the records in one transaction, and returns when they are on disk.

        Writes that wait at the same time share a commit. A dispatch is stored with its
        whole list of states, over what is there under its id; a session likewise, except
        that its end, once stored, stays.

        Cancellation: the records may or may not be stored.
        Raises: JournalError, and then none of them is stored.
        """
        self._check_open()
        settled = trio.Event()
        write = Write(records, settled.set)
        self._waiting.add_write(write)
        self._poke()
        await settled.wait()
        if write.error is not None:
            raise JournalError(f"the journal could not store it: {write.error}") from write.error

    def note(self, record: Note) -> None:
        """Stores the record with the next group commit; nobody waits for it.

        When full: of a session or gap only the newest record waits; beyond 10,000 the oldest
        heartbeat, and apart from them the oldest session and the oldest gap, is dropped and
        counted.
        Raises: JournalError if the journal is closed.
        """
        self._check_open()
        self._waiting.add_note(record, trio.current_time())
        self._poke()

    async def close_lost_sessions(self, ended_us: int, reason: str) -> int:
        """Ends the sessions that a crash left open; returns how many.

        Each is ended when its agent was last heard, by its heartbeats and samples, or at
        ``ended_us`` if it never was. Call it at the start, before there are live sessions.

        Raises: JournalError, and then nothing was changed.
        """
        work = partial(close_lost_sessions, self._store, ended_us, reason)
        try:
            return await self._runtime.run_blocking(work, limiter=self._writer_limiter)
        except sqlite3.Error as error:
            raise JournalError(f"the journal could not close lost sessions: {error}") from error

    async def wait_event(self, after: int) -> None:
        """Returns once an event with a greater number was stored since the journal was opened."""
        while self._newest_event <= after:
            await self._event_stored.park()

    async def wait_spooled(self, after: int) -> None:
        """Returns once the spool was given a row of a greater number, since the journal was
        opened with one."""
        while self.spooling is None or self.spooling.newest_id <= after:
            await self._spooled.park()

    # --- upkeep ---------------------------------------------------------------------

    async def maintain(self, work: Callable[[sqlite3.Connection], T], *, alone: bool = False) -> T:
        """Runs upkeep on the writing connection, in turn with the commits, which wait for it.

        ``alone``: and while none of the headend's own queries runs.
        Cancellation: work that has begun is waited for. Raises: JournalError; also while
        commits fail, since what room there is, is kept for what runs.
        """
        if self._failing_since_us is not None:
            raise JournalError(self._failing_reason)
        call = partial(work, self._writer)
        try:
            if not alone:
                return await self._runtime.run_blocking(call, limiter=self._writer_limiter)
            async with self._histories.limiter, self._orders.limiter:
                return await self._runtime.run_blocking(call, limiter=self._writer_limiter)
        except sqlite3.Error as error:
            self._found_damage(error)
            raise JournalError(f"the journal cannot be maintained: {error}") from error

    async def truncate_wal(self) -> bool:
        """Cuts the WAL to the length that is kept; False if some other program reads it.

        Raises: JournalError.
        """
        is_cut = await self.maintain(truncate_wal, alone=True)
        await self._runtime.run_blocking(self._files.room.secure)
        return is_cut

    async def inspect(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs upkeep that changes nothing, in turn with the queries. Raises: JournalError."""
        return await self._read(work)

    def hold_telemetry(self, reason: str | None) -> None:
        """Keeps telemetry and notes from being stored, for that reason, until told None.

        Meanwhile they wait in memory as they do while the disk is full; writes are stored.
        """
        if reason is not None and self._held_reason is None:
            log.error("telemetry is not acknowledged: %s", reason)
        if reason is None and self._held_reason is not None:
            log.warning("telemetry is taken again")
        self._held_reason = reason
        if self._failing_since_us is None and not self._is_damaged:
            self._let_go()
            self._poke()

    @property
    def salvaged(self) -> Salvaged | None:
        """What was lost and kept when the file was found damaged, before this start or at it;
        None once a headend that could tell of it was stopped in order."""
        return self._files.salvaged

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
            failing_since_us=self._failing_since_us,
            failing_reason=self._failing_reason,
            held_reason=self._held_reason,
        )

    # --- groups go out --------------------------------------------------------------

    async def keep_committing(self) -> None:
        while True:
            self._wake = trio.Event()
            self._sleeps_until_s = self._waiting.due_s()
            with trio.move_on_at(self._sleeps_until_s):
                await self._wake.wait()
            if self._waiting.due_s() <= trio.current_time():
                await self._commit()

    def _poke(self) -> None:
        # The task is woken only for what is due before it would wake by itself.
        if self._waiting.due_s() < self._sleeps_until_s:
            self._wake.set()

    async def _commit(self) -> None:
        if self._is_damaged:
            for write in self._waiting.take_writes():
                write.settle(JournalError(self._failing_reason))
            return
        began_s = trio.current_time()
        if self._failing_since_us is not None and not await self._may_retry():
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
            outcome = await self._runtime.run_blocking(work, limiter=self._writer_limiter)
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
        self._room.set()
        self._spooled.unpark_all()
        if outcome.newest_event is not None:
            self._newest_event = outcome.newest_event
            self._event_stored.unpark_all()
        # A write may fit where telemetry does not: it proves nothing, unless nothing else is due.
        alone = taken.only_writes and self._waiting.others and self._held_reason is None
        if self._failing_since_us is not None and self._files.room.is_secured and not alone:
            self._recovered(self._failing_since_us)
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
        return self._store.probe() if group is None else self._store.commit(group)

    def _failed(self, error: sqlite3.Error) -> None:
        self._failed_commits += 1
        if is_damage(error):
            self._met_damage(error)
            return
        self._files.room.is_secured = False
        self._fails(str(error))

    def _fails(self, why: str) -> None:
        self._failing_reason = f"the journal cannot write to its disk: {why}"
        self._waiting.hold_until(trio.current_time() + RETRY_S)
        if self._failing_since_us is None:
            self._failing_since_us = self._runtime.wall_us()
            log.error(
                "commits fail (%s): telemetry stays in memory, not acknowledged, and is tried "
                "again every %g s; orders are refused, what runs is controlled as long as it fits",
                why,
                RETRY_S,
            )

    def _found_damage(self, error: sqlite3.Error) -> None:
        if is_damage(error):
            self._met_damage(error)

    def _met_damage(self, error: sqlite3.Error) -> None:
        """The file is damaged: what would be written to it now might be lost with it."""
        if self._is_damaged:
            return
        self._is_damaged = True
        self._waiting.hold_until(math.inf)
        self._failing_since_us = self._failing_since_us or self._runtime.wall_us()
        self._failing_reason = (
            f"the journal's file is damaged ({error}); nothing more is stored. Restart the "
            "headend: it moves the file aside and salvages what can be read of it"
        )
        log.critical("%s", self._failing_reason)
        self._files.mark_damaged()
        self._wake.set()

    def _recovered(self, since_us: int) -> None:
        self._failing_since_us = None
        self._failing_reason = ""
        self._let_go()
        failed_s = (self._runtime.wall_us() - since_us) / 1e6
        log.warning("commits work again after %.1f s", failed_s)

    def _let_go(self) -> None:
        """Ends the pause after a failure, but not what retention asked for."""
        self._waiting.hold_until(None if self._held_reason is None else math.inf)

    # --- the end --------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._closed:
            raise JournalError("the journal is closed")

    async def _flush(self) -> None:
        """Commits what still waits; gives up on telemetry at the first failure."""
        if self._is_damaged:
            return
        self._waiting.hold_until(None)
        while self._waiting.writes or (self._waiting.others and not self._waiting.held):
            await self._commit()

    async def close(self) -> None:
        """Commits what waits, for a while, and takes no more."""
        self._closed = True
        self._room.set()
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


def _call(on_durable: Callable[[], None]) -> None:
    try:
        on_durable()
    except Exception:
        # One session's fault is not the journal's end.
        log.exception("an acknowledgement failed; its rows are stored")

"""The embedded journal: the headend writes everything it must remember here first.

Tasks hand records in; the ``committer`` commits them in groups.

``on_durable`` acknowledges telemetry after its commit, and ``write`` returns after its commit. Rows
leave memory only once they are on disk: while commits fail, telemetry stays and is tried again
every second. At the bound ``append_telemetry`` makes its callers wait, and flow control makes their
agents wait.
"""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import trio

from derhead.errors import JournalError
from derhead.gaps import GapRecord
from derhead.history.file.damage import UNREADABLE
from derhead.history.file.room import truncate_wal
from derhead.history.file.salvage import Salvaged
from derhead.history.file.schema import JournalFiles
from derhead.history.journal.committer import Committer
from derhead.history.journal.journal_statistics import JournalStatistics
from derhead.history.journal.waiting import SampleBatch, WaitingRecords, Write
from derhead.history.queries.query_connection import QueryConnection
from derhead.history.queries.reader import Reader
from derhead.history.spool.unfed import Spooling
from derhead.history.writing.record_store import Note, Record
from derhead.history.writing.recovery import close_lost_sessions
from derhead.telemetry import Sample
from derproto.base.runtime import Runtime

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


class Journal(Reader):
    """The open journal; see ``opening.open_journal``."""

    def __init__(
        self,
        files: JournalFiles,
        runtime: Runtime,
        waiting: WaitingRecords,
        spooling: Spooling | None = None,
    ) -> None:
        self._committer = Committer(files, runtime, waiting, spooling)
        super().__init__(
            QueryConnection(files.reader, runtime, self._committer.note_error),
            QueryConnection(files.order_reader, runtime, self._committer.note_error),
        )
        self.keep_committing = self._committer.keep_committing
        self.spooling = spooling
        """The spool for PostgreSQL; None = PostgreSQL is not configured."""
        self._files = files
        self._runtime = runtime
        self._waiting = waiting
        self._turn = trio.Lock()
        self._closed = False

    @property
    def buffer_rows(self) -> int:
        """Bound of the telemetry rows that wait in memory."""
        return self._waiting.buffer_rows

    # --- records come in ------------------------------------------------------------

    async def append_telemetry(
        self,
        samples: Sequence[Sample],
        on_durable: Callable[[], None],
        gaps: Sequence[GapRecord] = (),
    ) -> None:
        """Takes the samples, and calls ``on_durable()`` once they are on disk.

        Returns as soon as they are in memory, where they stay at most 100 ms unless commits fail. A
        sample that exists already (same asset, time, boot and sequence) is not stored again; that
        is no error. ``gaps`` are stored in the same commit as ``samples``, which may be empty.
        ``on_durable`` runs in the journal's task and must not block. If the journal is closed
        first, it is never called.

        When full: waits, first come, first served. Cancellation: then nothing was taken. Raises:
        JournalError if the journal is closed.
        """
        async with self._turn:
            while not self._closed and not self._waiting.has_room(len(samples) + len(gaps)):
                await self._committer.committed.park()
            self._check_open()
            self._waiting.add_batch(SampleBatch(samples, on_durable, trio.current_time(), gaps))
            self._committer.poke()

    def append_telemetry_nowait(
        self,
        samples: Sequence[Sample],
        on_durable: Callable[[], None],
        gaps: Sequence[GapRecord] = (),
    ) -> bool:
        """As ``append_telemetry``, if there is room and nobody waits for it; otherwise False.

        Raises: JournalError if the journal is closed.
        """
        self._check_open()
        if self._turn.locked() or not self._waiting.has_room(len(samples) + len(gaps)):
            return False
        self._waiting.add_batch(SampleBatch(samples, on_durable, trio.current_time(), gaps))
        self._committer.poke()
        return True

    async def write(self, *records: Record) -> None:
        """Stores all the records in one transaction, and returns when they are on disk.

        Writes that wait at the same time share a commit. A dispatch replaces the stored one of its
        id, with all its states. A session replaces the stored one, too, but a stored end stays.

        Cancellation: the records may or may not be stored. Raises: JournalError; then none of them
        is stored.
        """
        self._check_open()
        settled = trio.Event()
        write = Write(records, settled.set)
        self._waiting.add_write(write)
        self._committer.poke()
        await settled.wait()
        if write.error is not None:
            raise JournalError(
                f"the journal could not store a record: {write.error}"
            ) from write.error

    def note(self, record: Note) -> None:
        """Stores the record with the next group commit; nobody waits for it.

        When full: only the newest record of a session or gap waits. Beyond 10,000 of a kind
        (heartbeats, sessions, gaps) the oldest is dropped and counted. Raises: JournalError if the
        journal is closed.
        """
        self._check_open()
        self._waiting.add_note(record, trio.current_time())
        self._committer.poke()

    async def close_lost_sessions(self, ended_us: int, reason: str) -> int:
        """Ends the sessions that a crash left open; returns how many.

        A session ends when its agent was last heard, by heartbeats and samples, or at ``ended_us``
        if it never was. Call it at the start, before there are live sessions.

        Raises: JournalError; then nothing was changed.
        """
        work = partial(close_lost_sessions, self._committer.store, ended_us, reason)
        try:
            return await self._committer.run(work)
        except UNREADABLE as error:
            self._committer.note_error(error)
            raise JournalError(f"the journal could not close lost sessions: {error}") from error

    async def wait_event(self, after: int) -> None:
        """Returns once the newest event stored since the journal was opened is above ``after``."""
        while self._committer.newest_event <= after:
            await self._committer.committed.park()

    async def wait_spooled(self, after: int) -> None:
        """Returns once the newest id spooled since the journal was opened is above ``after``.
        Without a spool it never returns."""
        while self.spooling is None or self.spooling.newest_id <= after:
            await self._committer.committed.park()

    # --- upkeep ---------------------------------------------------------------------

    async def maintain(self, work: Callable[[sqlite3.Connection], T], *, alone: bool = False) -> T:
        """Runs maintenance on the writing connection; commits wait meanwhile.

        ``alone``: waits until none of the headend's own queries runs, and keeps them waiting.
        Cancellation: waits for work that has begun. Raises: JournalError, also while commits fail,
        because the remaining room is for running dispatches.
        """
        if self._committer.failing_since_us is not None:
            raise JournalError(self._committer.failing_reason)
        call = partial(work, self._files.writer)
        try:
            if not alone:
                return await self._committer.run(call)
            async with self._histories.limiter, self._orders.limiter:
                return await self._committer.run(call)
        except UNREADABLE as error:
            self._committer.note_error(error)
            raise JournalError(f"the journal cannot be maintained: {error}") from error

    async def truncate_wal(self) -> bool:
        """Truncates the WAL to its allocated length; False if another program reads it.

        Raises: JournalError.
        """
        is_cut = await self.maintain(truncate_wal, alone=True)
        await self._runtime.run_blocking(self._files.room.secure)
        return is_cut

    async def inspect(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs a maintenance query, in turn with the other queries. Raises: JournalError."""
        return await self._read(work)

    def hold_telemetry(self, reason: str | None) -> None:
        """Holds telemetry and notes back, for that reason; None lifts the hold.

        Held records wait in memory, as on a full disk. Writes are stored.
        """
        self._committer.hold_telemetry(reason)

    @property
    def salvaged(self) -> Salvaged | None:
        """What was lost and kept when the file was found damaged, at this start or before. None
        once a headend that reported the damage was stopped in order."""
        return self._files.salvaged

    def statistics(self) -> JournalStatistics:
        return self._committer.statistics()

    # --- the end --------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._closed:
            raise JournalError("the journal is closed")

    async def close(self) -> None:
        """Commits waiting records for a while, and takes no more."""
        self._closed = True
        await self._committer.close()

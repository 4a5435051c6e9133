"""The outbox: samples that the headend has not acknowledged. Pure, and bounded.

Every sample gets the next sequence number of this boot, from 1. Rows leave the outbox when
they are acknowledged or refused, or when a bound forces out the oldest; sending alone removes
nothing. No clock orders them, so one that jumps neither loses nor reorders any.

*Sessions.* A session begins with ``begin_session``: rows measured from then on are *live*, rows
from before are *backfill*, also those that an earlier session had sent without hearing of them
again. Within a session each row is handed out once.

*The file.* Rows stay in memory while acknowledgements come. Once the oldest has waited for
``SPILL_AFTER_S``, all go to the file, if there is one, and from then on each that has waited for
``SPILL_SOON_S``; until acknowledgements have come in time for ``CALM_AFTER_S``. What the file is
to do stands in a ``FileWork``; it is begun, done by whoever has the file, and then told to have
succeeded or failed. Rows stay in memory until the file has them, so all rows of this boot in the
file are older than those in memory. The file alone knows rows of earlier boots.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deragent.devices.device import Measurement
from deragent.outbox.gap_book import DeliveredRows, GapBook, MissingRows, Unsaved
from deragent.outbox.held_rows import HeldRows, OutboxRow, unbroken
from deragent.outbox.seq_spans import SeqSpan, SeqSpans
from derproto.der.v1 import GapCause

MEMORY_ROWS = 10_000
"""Rows in memory that nobody has acknowledged (configurable), 4 MB. When full, the oldest is
forced out, counted and reported as a gap; with a data folder, half as many go to the file at
once."""
FILE_ROWS = 1_000_000
"""Rows in the file that nobody has acknowledged (configurable). When full, the oldest are forced
out, counted and reported as gaps; Register, Heartbeat and an event say so."""
FILE_MB = 256
"""Size of the file in units of 10^6 bytes (configurable); its WAL takes a few more. When full, as
for ``FILE_ROWS``."""
ROW_BYTES = 96
"""What a row takes in the file at the most."""
SPILL_AFTER_S = 9.0
"""How long a row waits for its acknowledgement before rows go to the file, seconds: with a
pause of WORK_PAUSE_S and the writing itself, a kill costs no more than 10 s."""
SPILL_SOON_S = 1.0
"""The same once they do."""
CALM_AFTER_S = 10.0
"""How long acknowledgements come in time before rows stay in memory again, seconds."""
WORK_PAUSE_S = 1.0
"""Least time between two writings of the file, seconds, unless memory is half full."""
UNSENT_SPANS = 1000
"""Runs of rows that a session's backfill has still to send, earlier boots apart. When full, the
last run is widened over the rows between, which are sent twice."""
MARK_S = 1.0
EVER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """How much may wait."""

    memory_rows: int = MEMORY_ROWS
    file_rows: int = FILE_ROWS
    file_mb: int = FILE_MB

    def excess(self, rows: int, size: int, adding: int) -> int:
        """How many of its rows a file of ``size`` bytes gives up for those it is to add."""
        room = min(self.file_rows, max(1, self.file_mb * 1_000_000 // ROW_BYTES))
        over = size - self.file_mb * 1_000_000
        too_big = math.ceil(rows * over / size) + adding if over > 0 else 0
        return max(0, rows + adding - room, too_big)


@dataclass(frozen=True, slots=True)
class FileState:
    """What the file holds."""

    rows: int
    oldest_ts_us: int
    """Time of the first of its rows, in the order of boots and numbers; 0 without any."""
    newest_ts_us: int


@dataclass(frozen=True, slots=True)
class BackfillBatch:
    """Rows of one boot with consecutive sequence numbers, at least one."""

    boot_id: int
    rows: Sequence[OutboxRow]


@dataclass(frozen=True, slots=True)
class FileLookup:
    """What is to be looked up in the file: the oldest rows of a range, ``most`` at the most."""

    boot_id: int
    first: int
    last: int
    most: int


@dataclass(frozen=True, slots=True)
class FileWork:
    """What the file is to do, all or nothing, in this order."""

    acked: tuple[SeqSpan, ...]
    """Rows to be taken out."""
    refused: tuple[SeqSpan, ...]
    """The same, with an account of what is missing."""
    rows: Sequence[OutboxRow]
    """Rows of this boot to be added; then as many of the oldest are given up as the limits
    ask, with an account of them too."""
    gaps: Unsaved
    account: bool
    """Whether it matters what was in ``acked``."""


@dataclass(frozen=True, slots=True)
class FileWorkDone:
    """What came of it."""

    state: FileState
    acked: int
    dropped: int
    refused: int
    missing: tuple[MissingRows, ...]
    delivered: tuple[DeliveredRows, ...]


class Outbox:
    """Rows in the order of boots and sequence numbers.

    When full: the oldest rows are forced out and counted in ``dropped_rows``, whether they
    were sent or not, and noted in ``gaps``.
    """

    def __init__(self, boot_id: int, limits: OutboxLimits | None = None) -> None:
        limits = OutboxLimits() if limits is None else limits
        if limits.memory_rows < 2 or limits.file_rows < 1 or limits.file_mb < 1:
            raise ValueError(f"{limits} leave no room")
        self.boot_id = boot_id
        self.limits = limits
        self.gaps = GapBook(boot_id)
        self.dropped_rows = 0
        """Rows that a bound forced out since this boot."""
        self.refused_rows = 0
        """Rows that the headend refused since this boot."""
        self.acked_rows = 0
        """Rows that it acknowledged since this boot."""
        self.spilling = False
        """Whether rows go to the file as they come."""
        self.file: FileState | None = None
        """None without a file."""
        self._rows = HeldRows()
        self._next_seq = 1
        self._next_live = 1
        self._unsent: deque[SeqSpan] = deque()
        """What is still to be handed out as backfill in this session."""
        self._earlier: tuple[int, ...] = ()
        """Earlier boots with rows in the file, the oldest first."""
        self._acked, self._refused = SeqSpans(), SeqSpans()
        """Rows to be taken out of the file."""
        self._spilled_to = 0
        """All rows of this boot up to here have left memory."""
        self._writing_to: int | None = None
        """The last row that is being written, 0 if none; None while nothing is."""
        self._worked_s = -math.inf
        self._failing = False
        self._marks: deque[tuple[int, float]] = deque()
        """(first row from then on, when), a mark a second, back to SPILL_AFTER_S ago."""
        self._in_time_s: tuple[float, float] | None = None
        """Since when, and last when, acknowledgements came in time."""

    def __len__(self) -> int:
        return len(self._rows) + (self.file.rows if self.file is not None else 0)

    @property
    def memory_rows(self) -> int:
        return len(self._rows)

    @property
    def oldest_ts_us(self) -> int:
        """Time of the first row; 0 without any."""
        if self.file is not None and self.file.rows:
            return self.file.oldest_ts_us
        oldest = self._rows.oldest
        return 0 if oldest is None else oldest.ts_us

    @property
    def newest_ts_us(self) -> int:
        """Time of the last row; 0 without any."""
        newest = self._rows.newest
        if newest is not None:
            return newest.ts_us
        return 0 if self.file is None else self.file.newest_ts_us

    @property
    def is_full(self) -> bool:
        """Whether the next row forces out another."""
        if self.file is not None and not self._failing:
            return self.file.rows >= self.limits.file_rows
        return len(self._rows) >= self.limits.memory_rows

    def append(
        self,
        asset_index: int,
        ts_us: int,
        measurement: Measurement,
        quality: int = 0,
        *,
        now_s: float,
    ) -> bool:
        """Adds a sample; tells whether there was room without forcing out another.

        Units: ``ts_us`` by the agent's clock, ``now_s`` monotonic.
        """
        fits = len(self._rows) < self.limits.memory_rows
        if not fits:
            # What is being written is not lost, and so is not given up.
            row = self._rows.drop_oldest(self._writing_to or 0)
            self.dropped_rows += 1
            self.gaps.note_missing(self._missing(row, GapCause.OVERFLOW))
        self._mark(now_s)
        self._rows.append(
            OutboxRow(self._next_seq, asset_index, ts_us, measurement, quality, now_s)
        )
        self._next_seq += 1
        return fits

    # --- to the headend -----------------------------------------------------------------

    def begin_session(self) -> None:
        """From here on new rows are live; all that is here is backfill, and unsent again."""
        self._next_live = self._next_seq
        self._unsent = deque(SeqSpan(boot_id, 1, EVER) for boot_id in self._earlier)
        self._unsent.append(SeqSpan(self.boot_id, 1, self._next_seq - 1))
        self._in_time_s = None
        self.gaps.begin_session()

    def take_live(self, most: int) -> Sequence[OutboxRow]:
        """The oldest live rows not yet handed out: one unbroken run, empty if there are none."""
        run = self._rows.run(self._next_live, EVER, most)
        if run:
            self._next_live = run[-1].seq + 1
        return run

    def next_backfill(self, most: int) -> BackfillBatch | FileLookup | None:
        """The oldest rows from before the session not yet handed out, one unbroken run; or what
        to look up in the file and give to ``take_found``, to find it; None if there are none."""
        while self._unsent:
            boot_id, first, last = self._unsent[0]
            here = boot_id == self.boot_id
            if not here or first <= self._spilled_to:
                in_file = FileLookup(
                    boot_id, first, min(last, self._spilled_to) if here else last, most
                )
                if self.file is not None and self.file.rows:
                    return in_file
                self._went_on(in_file.last)
                continue
            run = self._rows.run(first, last, most)
            self._went_on(run[-1].seq if run else last)
            if run:
                return BackfillBatch(boot_id, run)
        return None

    def take_found(self, read: FileLookup, rows: Sequence[OutboxRow]) -> BackfillBatch | None:
        """The rows of a look-up that are to be sent; None if there is nothing in its range."""
        run = unbroken(list(rows))
        if not self._unsent or self._unsent[0][:2] != (read.boot_id, read.first):
            return None
        self._went_on(run[-1].seq if run else read.last)
        return BackfillBatch(read.boot_id, run) if run else None

    def _went_on(self, to: int) -> None:
        boot_id, _first, last = self._unsent.popleft()
        if to < last:
            self._unsent.appendleft(SeqSpan(boot_id, to + 1, last))

    def ack(self, boot_id: int, ranges: Iterable[tuple[int, int]], now_s: float) -> None:
        """Drops rows that are durable at the headend.

        Ranges are (first, last), both included; what they name beyond the rows that are
        here is ignored.
        """
        for first, last in ranges:
            for row in self._leave(self._acked, boot_id, first, last):
                self.acked_rows += 1
                if self.gaps.grows:
                    self.gaps.note_delivered(
                        DeliveredRows(row.asset_index, boot_id, row.seq, row.seq)
                    )
            if boot_id == self.boot_id:
                self._note_in_time(last, now_s)

    def refuse(self, boot_id: int, ranges: Iterable[tuple[int, int]]) -> None:
        """Drops, counts and notes rows that the headend will never take; else as ``ack``."""
        for first, last in ranges:
            for row in self._leave(self._refused, boot_id, first, last):
                self.refused_rows += 1
                self.gaps.note_missing(self._missing(row, GapCause.REFUSED))

    def _leave(self, of_file: SeqSpans, boot_id: int, first: int, last: int) -> list[OutboxRow]:
        """Takes a range out of memory, and notes it for the file; returns what memory had."""
        if boot_id != self.boot_id:
            if boot_id in self._earlier:
                of_file.add(SeqSpan(boot_id, first, last))
            return []
        if self.file is not None:
            of_file.add(SeqSpan(boot_id, first, min(last, self._spilled_to)))
            # These are accounted for here, and on their way into the file.
            being_written = SeqSpan(
                boot_id, max(first, self._spilled_to + 1), min(last, self._writing_to or 0)
            )
            self._acked.add(being_written)
        return self._rows.drop(first, last)

    # --- to the file --------------------------------------------------------------------

    def attach(self, state: FileState, earlier: Sequence[int]) -> None:
        """There is a file; ``earlier`` are the boots with rows in it, the oldest first."""
        self.file, self._earlier = state, tuple(earlier)
        self._failing = False
        self._unsent.extendleft(SeqSpan(boot_id, 1, EVER) for boot_id in reversed(earlier))

    def lose_file(self) -> int:
        """All that was in the file is lost; returns how many rows that were."""
        lost = 0 if self.file is None else self.file.rows
        self.dropped_rows += lost
        self.file, self._earlier, self._writing_to = None, (), None
        self._acked, self._refused = SeqSpans(), SeqSpans()
        self.gaps.save_all()
        return lost

    def due_s(self) -> float:
        """When there will be work for the file, monotonic seconds; infinite if for nothing that
        is known yet."""
        if self.file is None or self._writing_to is not None:
            return math.inf
        due_s = math.inf
        if self._acked or self._refused or self.gaps.has_unsaved:
            due_s = self._worked_s
        oldest = self._rows.oldest
        if oldest is not None:
            if self._is_pressed and not self._failing:
                return self._worked_s
            wait_s = SPILL_SOON_S if self.spilling else SPILL_AFTER_S
            due_s = min(due_s, oldest.taken_s + wait_s)
        if self.spilling and self._in_time_s is not None:
            due_s = min(due_s, self._in_time_s[0] + CALM_AFTER_S)
        return max(due_s, self._worked_s + WORK_PAUSE_S)

    def begin_work(self, now_s: float, *, everything: bool = False) -> FileWork | None:
        """What the file is to do now, if anything; ``everything`` that is in memory, if asked.

        Until ``finish_work`` or ``fail_work`` there is no other.
        """
        if self.file is None or self._writing_to is not None:
            return None
        self._worked_s = now_s
        rows = self._rows_to_spill(now_s, everything)
        if not (rows or self._acked or self._refused or self.gaps.has_unsaved):
            return None
        self._writing_to = rows[-1].seq if rows else 0
        return FileWork(
            self._acked.take(),
            self._refused.take(),
            rows,
            self.gaps.take_unsaved(),
            self.gaps.grows,
        )

    def finish_work(self, work: FileWork, done: FileWorkDone) -> bool:
        """It is on disk; tells whether rows have become backfill by it."""
        self._writing_to, self._failing = None, False
        self.file = done.state
        self.acked_rows += done.acked
        self.dropped_rows += done.dropped
        self.refused_rows += done.refused
        for delivered in done.delivered:
            self.gaps.note_delivered(delivered)
        for missing in done.missing:
            self.gaps.note_missing(missing)
        if not work.rows:
            return False
        self._spilled_to = work.rows[-1].seq
        self._rows.drop(1, self._spilled_to)
        late = SeqSpan(self.boot_id, self._next_live, self._spilled_to)
        if late.first > late.last:
            return False
        self._next_live = late.last + 1
        self._add_unsent(late)
        return True

    def fail_work(self, work: FileWork) -> None:
        """It was not done, and is tried again."""
        self._writing_to, self._failing = None, True
        self._acked.put_back(work.acked)
        self._refused.put_back(work.refused)
        self.gaps.put_back(work.gaps)

    @property
    def _is_pressed(self) -> bool:
        return len(self._rows) * 2 > self.limits.memory_rows

    def _rows_to_spill(self, now_s: float, everything: bool) -> list[OutboxRow]:
        oldest = self._rows.oldest
        if oldest is None or now_s < oldest.taken_s + SPILL_AFTER_S:
            self._calm_down(now_s)
        elif not self.spilling:
            self.spilling, self._in_time_s, everything = True, None, True
        # So much is left that a full memory has something to give up meanwhile.
        most = self.limits.memory_rows // 2
        if everything or self._is_pressed:
            return self._rows.front(now_s, most)
        if self.spilling:
            return self._rows.front(now_s - SPILL_SOON_S, most)
        return []

    def _calm_down(self, now_s: float) -> None:
        if not self.spilling or self._in_time_s is None:
            return
        since_s, last_s = self._in_time_s
        if now_s < since_s + CALM_AFTER_S:
            return
        if now_s <= last_s + CALM_AFTER_S + WORK_PAUSE_S:
            self.spilling = False
        self._in_time_s = None

    def _mark(self, now_s: float) -> None:
        if not self._marks or now_s >= self._marks[-1][1] + MARK_S:
            self._marks.append((self._next_seq, now_s))
        while self._marks[0][1] < now_s - SPILL_AFTER_S:
            self._marks.popleft()

    def _note_in_time(self, acked: int, now_s: float) -> None:
        for seq, taken_s in self._marks:
            if taken_s >= now_s - SPILL_AFTER_S:
                if acked >= seq:
                    since_s = now_s if self._in_time_s is None else self._in_time_s[0]
                    self._in_time_s = (since_s, now_s)
                return

    def _add_unsent(self, span: SeqSpan) -> None:
        if self._unsent:
            boot_id, first, last = self._unsent[-1]
            meets = boot_id == span.boot_id and last + 1 == span.first
            if meets or len(self._unsent) >= UNSENT_SPANS:
                self._unsent[-1] = SeqSpan(boot_id, first, span.last)
                return
        self._unsent.append(span)

    def _missing(self, row: OutboxRow, cause: GapCause) -> MissingRows:
        return MissingRows(
            row.asset_index, cause, self.boot_id, row.seq, row.seq, row.ts_us, row.ts_us, 1
        )

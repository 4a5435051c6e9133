"""The outbox: samples that the headend has not acknowledged. Pure, and bounded.

Every sample gets the next sequence number of this boot, from 1. Rows leave the outbox when
they are acknowledged or refused, or when a bound forces out the oldest; sending alone removes
nothing. No clock orders the rows, so a clock that jumps neither loses nor reorders any.

*Sessions.* A session begins with ``begin_session``. Rows measured from then on are *live*. Older
rows are *backfill*, even if an earlier session sent them without an acknowledgement. Within a
session the outbox hands out each row once.

*The file.* ``timing`` decides which rows go to the file, if there is one. ``begin_work`` returns
the changes to make, a ``FileWork``. The file's owner makes them, and then calls ``finish_work`` or
``fail_work``. Rows stay in memory until the file has them, so all rows of this boot in the file
are older than those in memory. Only the file knows rows of earlier boots.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deragent.devices import Measurement
from deragent.outbox.file_work import FileLookup, FileState, FileWork, FileWorkDone, OutboxLimits
from deragent.outbox.gap_book import DeliveredRows, GapBook, MissingRows
from deragent.outbox.held_rows import HeldRows, OutboxRow, unbroken
from deragent.outbox.seq_spans import SeqSpan, SeqSpans
from deragent.outbox.spill_timing import SPILL_SOON_S, WORK_PAUSE_S, SpillTiming
from derproto.der.v1 import GapCause

UNSENT_SPANS = 1000
"""Runs of rows that a session's backfill has still to send, earlier boots apart. When full, the
last run is widened, and the rows between the two runs are sent twice."""
EVER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class BackfillBatch:
    """At least one row of one boot, with consecutive sequence numbers."""

    boot_id: int
    rows: Sequence[OutboxRow]


class Outbox:
    """Rows in the order of boots and sequence numbers.

    When full: the oldest rows are forced out, counted in ``dropped_rows`` and noted in ``gaps``,
    whether they were sent or not.
    """

    def __init__(self, boot_id: int, limits: OutboxLimits | None = None) -> None:
        limits = OutboxLimits() if limits is None else limits
        if limits.memory_rows < 2 or limits.file_rows < 1 or limits.file_mb < 1:
            raise ValueError(f"{limits} leave no room")
        self.boot_id = boot_id
        self.limits = limits
        self.gaps = GapBook(boot_id)
        self.timing = SpillTiming()
        self.dropped_rows = 0
        """Rows that a bound forced out since this boot."""
        self.refused_rows = 0
        """Rows that the headend refused since this boot."""
        self.acked_rows = 0
        """Rows that the headend acknowledged since this boot."""
        self.file: FileState | None = None
        """None without a file."""
        self._rows = HeldRows()
        self._next_seq = 1
        self._next_live = 1
        self._unsent: deque[SeqSpan] = deque()
        """Backfill that is still to be sent in this session."""
        self._earlier: tuple[int, ...] = ()
        """Earlier boots with rows in the file, the oldest first."""
        self._acked, self._refused = SeqSpans(), SeqSpans()
        """Rows to remove from the file."""
        self._spilled_to = 0
        """All rows of this boot up to this one have left memory."""
        self._writing_to: int | None = None
        """The last row of the current write, 0 if it adds none; None between writes."""
        self._worked_s = -math.inf
        self._failing = False

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
        """Whether the next row would force out another."""
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
        """Adds a sample; returns whether it fitted without forcing out another.

        Units: ``ts_us`` by the agent's clock, ``now_s`` monotonic.
        """
        fits = len(self._rows) < self.limits.memory_rows
        if not fits:
            # Rows that are being written are not lost, so they stay.
            row = self._rows.drop_oldest(self._writing_to or 0)
            self.dropped_rows += 1
            self.gaps.note_missing(self._missing(row, GapCause.OVERFLOW))
        self.timing.note_row(self._next_seq, now_s)
        self._rows.append(
            OutboxRow(self._next_seq, asset_index, ts_us, measurement, quality, now_s)
        )
        self._next_seq += 1
        return fits

    # --- to the headend -----------------------------------------------------------------

    def begin_session(self) -> None:
        """Begins a session: new rows are live; all present rows are backfill still to be sent."""
        self._next_live = self._next_seq
        self._unsent = deque(SeqSpan(boot_id, 1, EVER) for boot_id in self._earlier)
        self._unsent.append(SeqSpan(self.boot_id, 1, self._next_seq - 1))
        self.timing.begin_session()
        self.gaps.begin_session()

    def take_live(self, most: int) -> Sequence[OutboxRow]:
        """The oldest live rows not yet sent, without a hole; empty if there are none."""
        run = self._rows.run(self._next_live, EVER, most)
        if run:
            self._next_live = run[-1].seq + 1
        return run

    def next_backfill(self, most: int) -> BackfillBatch | FileLookup | None:
        """The oldest backfill not yet sent, without a hole; None if there is none.

        If the rows may be in the file, returns a query. Its result goes to ``take_looked_up``.
        """
        while self._unsent:
            boot_id, first, last = self._unsent[0]
            here = boot_id == self.boot_id
            if not here or first <= self._spilled_to:
                in_file = FileLookup(
                    boot_id, first, min(last, self._spilled_to) if here else last, most
                )
                if self.file is not None and self.file.rows:
                    return in_file
                self._advance_backfill(in_file.last)
                continue
            run = self._rows.run(first, last, most)
            self._advance_backfill(run[-1].seq if run else last)
            if run:
                return BackfillBatch(boot_id, run)
        return None

    def take_looked_up(self, lookup: FileLookup, rows: Sequence[OutboxRow]) -> BackfillBatch | None:
        """The rows of a query that are to be sent; None if there are none in its range."""
        run = unbroken(list(rows))
        if not self._unsent or self._unsent[0][:2] != (lookup.boot_id, lookup.first):
            return None
        self._advance_backfill(run[-1].seq if run else lookup.last)
        return BackfillBatch(lookup.boot_id, run) if run else None

    def _advance_backfill(self, to: int) -> None:
        boot_id, _first, last = self._unsent.popleft()
        if to < last:
            self._unsent.appendleft(SeqSpan(boot_id, to + 1, last))

    def ack(self, boot_id: int, ranges: Iterable[tuple[int, int]], now_s: float) -> None:
        """Drops rows that are durable at the headend.

        Ranges are (first, last), ends included; unknown rows in them are ignored.
        """
        for first, last in ranges:
            for row in self._remove(self._acked, boot_id, first, last):
                self.acked_rows += 1
                if self.gaps.grows:
                    self.gaps.note_delivered(
                        DeliveredRows(row.asset_index, boot_id, row.seq, row.seq)
                    )
            if boot_id == self.boot_id:
                self.timing.note_acked(last, now_s)

    def refuse(self, boot_id: int, ranges: Iterable[tuple[int, int]]) -> None:
        """Drops and counts rows that the headend will never take, and notes them as missing."""
        for first, last in ranges:
            for row in self._remove(self._refused, boot_id, first, last):
                self.refused_rows += 1
                self.gaps.note_missing(self._missing(row, GapCause.REFUSED))

    def _remove(self, of_file: SeqSpans, boot_id: int, first: int, last: int) -> list[OutboxRow]:
        """Removes a range from memory, and later from the file; returns the rows from memory."""
        if boot_id != self.boot_id:
            if boot_id in self._earlier:
                of_file.add(SeqSpan(boot_id, first, last))
            return []
        if self.file is not None:
            of_file.add(SeqSpan(boot_id, first, min(last, self._spilled_to)))
            # Memory counts the rows being written, so the file only removes them, as acknowledged.
            being_written = SeqSpan(
                boot_id, max(first, self._spilled_to + 1), min(last, self._writing_to or 0)
            )
            self._acked.add(being_written)
        return self._rows.drop(first, last)

    # --- to the file --------------------------------------------------------------------

    def attach(self, state: FileState, earlier: Sequence[int]) -> None:
        """Takes over a file; ``earlier`` are the boots with rows in it, oldest first."""
        self.file, self._earlier = state, tuple(earlier)
        self._failing = False
        self._unsent.extendleft(SeqSpan(boot_id, 1, EVER) for boot_id in reversed(earlier))

    def lose_file(self) -> int:
        """Gives up the file and the rows in it; returns how many rows are lost."""
        lost = 0 if self.file is None else self.file.rows
        self.dropped_rows += lost
        self.file, self._earlier, self._writing_to = None, (), None
        self._acked, self._refused = SeqSpans(), SeqSpans()
        self.gaps.save_all()
        return lost

    def due_s(self) -> float:
        """When there will be work for the file, monotonic seconds; infinite if none is in sight."""
        if self.file is None or self._writing_to is not None:
            return math.inf
        due_s = math.inf
        if self._acked or self._refused or self.gaps.has_unsaved:
            due_s = self._worked_s
        oldest = self._rows.oldest
        if oldest is not None:
            if self._is_pressed and not self._failing:
                return self._worked_s
            due_s = min(due_s, self.timing.row_due_s(oldest.taken_s))
        return max(min(due_s, self.timing.calm_due_s()), self._worked_s + WORK_PAUSE_S)

    def begin_work(self, now_s: float, *, everything: bool = False) -> FileWork | None:
        """The changes that the file must make now; None if there are none.

        ``everything`` writes all rows of memory. No other work begins before ``finish_work`` or
        ``fail_work``.
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
        """Notes that work is on disk; returns whether that turned rows into backfill."""
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
        """Notes that work failed. A later ``begin_work`` includes it again."""
        self._writing_to, self._failing = None, True
        self._acked.put_back(work.acked)
        self._refused.put_back(work.refused)
        self.gaps.put_back(work.gaps)

    @property
    def _is_pressed(self) -> bool:
        return len(self._rows) * 2 > self.limits.memory_rows

    def _rows_to_spill(self, now_s: float, everything: bool) -> list[OutboxRow]:
        oldest = self._rows.oldest
        everything |= self.timing.turn(None if oldest is None else oldest.taken_s, now_s)
        # Half of the rows stay in memory, so that a full memory has rows to force out.
        most = self.limits.memory_rows // 2
        if everything or self._is_pressed:
            return self._rows.front(now_s, most)
        if self.timing.spilling:
            return self._rows.front(now_s - SPILL_SOON_S, most)
        return []

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

"""The outbox: samples that the headend has not acknowledged. Pure, and bounded.

Every sample gets the next sequence number of this boot, from 1. Rows leave the outbox when
they are acknowledged or refused, or when the bound forces out the oldest; sending alone
removes nothing. A session begins with ``begin_session``: rows measured from then on are
*live*, rows from before are *backfill*, also those that an earlier session had sent without
hearing of them again. Within a session each row is handed out once.

Rows stand in a list ordered by sequence number, so that an acknowledged range is two binary
searches and one deletion. Its front is given up by moving a mark, and cut off now and then:
dropping the oldest of a million rows costs no more than of ten.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter

from deragent.devices.port import Measurement

OUTBOX_ROWS = 10_000
"""Default bound, rows. When full, the oldest row is forced out, and counted."""


@dataclass(frozen=True, slots=True)
class Row:
    """One sample of one asset."""

    seq: int
    """Sequence number within this boot, from 1."""
    asset_index: int
    ts_us: int
    """When it was measured, microseconds since the epoch, by the agent's clock."""
    measurement: Measurement
    quality: int = 0
    """Bits as in ``der.v1.QualityBit``."""


GIVEN_UP_SHARE = 8
"""The list's front is cut off once it is an eighth of the bound."""

_seq = attrgetter("seq")


class Outbox:
    """Rows in the order of their sequence numbers.

    When full: the oldest row is forced out and counted in ``dropped_rows``, whether it was
    sent or not.
    """

    def __init__(self, max_rows: int = OUTBOX_ROWS) -> None:
        if max_rows < 1:
            raise ValueError(f"an outbox of {max_rows} rows holds nothing")
        self.max_rows = max_rows
        self.dropped_rows = 0
        """Rows that the bound forced out since this boot."""
        self.refused_rows = 0
        """Rows that the headend refused since this boot."""
        self._rows: list[Row] = []
        self._head = 0
        self._next_seq = 1
        self._live_from = 1
        # What is still to be handed out in this session starts at these two.
        self._next_live = 1
        self._next_backfill = 1

    def __len__(self) -> int:
        return len(self._rows) - self._head

    @property
    def oldest(self) -> Row | None:
        return self._rows[self._head] if len(self) else None

    @property
    def newest(self) -> Row | None:
        return self._rows[-1] if len(self) else None

    def append(
        self, asset_index: int, ts_us: int, measurement: Measurement, quality: int = 0
    ) -> bool:
        """Adds a sample; tells whether there was room without forcing out another."""
        self._rows.append(Row(self._next_seq, asset_index, ts_us, measurement, quality))
        self._next_seq += 1
        if len(self) <= self.max_rows:
            return True
        self._give_up(self._head + 1)
        self.dropped_rows += 1
        return False

    def begin_session(self) -> None:
        """From here on new rows are live; all that is here is backfill, and unsent again."""
        self._live_from = self._next_live = self._next_seq
        self._next_backfill = 1

    def take_live(self, max_rows: int) -> tuple[Row, ...]:
        """The oldest live rows not yet handed out: one unbroken run, empty if there are none."""
        run = self._run(self._next_live, self._next_seq, max_rows)
        if run:
            self._next_live = run[-1].seq + 1
        return run

    def take_backfill(self, max_rows: int) -> tuple[Row, ...]:
        """The oldest rows from before the session not yet handed out, as ``take_live``."""
        run = self._run(self._next_backfill, self._live_from, max_rows)
        if run:
            self._next_backfill = run[-1].seq + 1
        return run

    def ack(self, ranges: Iterable[tuple[int, int]]) -> int:
        """Drops rows that are durable at the headend; returns how many were here.

        Ranges are (first, last), both included; what they name beyond the rows that are
        here is ignored.
        """
        return sum(self._drop(first, last) for first, last in ranges)

    def refuse(self, ranges: Iterable[tuple[int, int]]) -> int:
        """Drops and counts rows that the headend will never take; else as ``ack``."""
        refused = self.ack(ranges)
        self.refused_rows += refused
        return refused

    def _run(self, first: int, stop: int, max_rows: int) -> tuple[Row, ...]:
        start = bisect_left(self._rows, first, self._head, key=_seq)
        end = min(start + max_rows, len(self._rows))
        if start >= end or self._rows[start].seq >= stop:
            return ()
        # Sequence numbers without a hole grow as fast as positions do.
        offset = self._rows[start].seq - start
        length = bisect_left(
            range(start, end),
            True,
            key=lambda i: self._rows[i].seq - i > offset or self._rows[i].seq >= stop,
        )
        return tuple(self._rows[start : start + length])

    def _drop(self, first: int, last: int) -> int:
        start = bisect_left(self._rows, first, self._head, key=_seq)
        end = bisect_left(self._rows, last + 1, start, key=_seq)
        if start == self._head:
            self._give_up(end)
        else:
            del self._rows[start:end]
        return end - start

    def _give_up(self, head: int) -> None:
        self._head = head
        if head == len(self._rows) or head * GIVEN_UP_SHARE > self.max_rows:
            del self._rows[:head]
            self._head = 0

"""Samples in memory, in the order of their sequence numbers. Pure.

The rows are a list ordered by sequence number, so that an acknowledged range costs two binary
searches and one deletion. Dropping the oldest row only moves an index, however long the list is;
the list itself is cut now and then.
"""

from bisect import bisect_left
from dataclasses import dataclass
from operator import attrgetter

from deragent.devices.device import Measurement

FRONT_SHARE = 8
"""The dropped front is cut off once it is an eighth of the list."""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One sample of one asset."""

    seq: int
    """Sequence number within its boot, from 1."""
    asset_index: int
    ts_us: int
    """When the sample was measured, microseconds since the epoch, by the agent's clock."""
    measurement: Measurement
    quality: int = 0
    """Bits as in ``der.v1.QualityBit``."""
    taken_s: float = 0.0
    """When the sample was measured, monotonic seconds; 0 for a row from the file."""


_seq = attrgetter("seq")
_taken_s = attrgetter("taken_s")


def unbroken(rows: list[OutboxRow]) -> list[OutboxRow]:
    """The leading rows with consecutive sequence numbers."""
    if not rows:
        return rows
    # Consecutive sequence numbers grow as fast as positions.
    offset = rows[0].seq
    return rows[: bisect_left(range(len(rows)), True, key=lambda i: rows[i].seq - i > offset)]


class HeldRows:
    """Rows of one boot, appended in the order of their sequence numbers."""

    def __init__(self) -> None:
        self._rows: list[OutboxRow] = []
        self._head = 0

    def __len__(self) -> int:
        return len(self._rows) - self._head

    @property
    def oldest(self) -> OutboxRow | None:
        return self._rows[self._head] if len(self) else None

    @property
    def newest(self) -> OutboxRow | None:
        return self._rows[-1] if len(self) else None

    def append(self, row: OutboxRow) -> None:
        self._rows.append(row)

    def run(self, first: int, last: int, most: int) -> tuple[OutboxRow, ...]:
        """The oldest consecutive rows of a range, ends included; at most ``most``."""
        start = self._place(first)
        return tuple(unbroken(self._rows[start : min(start + most, self._place(last + 1))]))

    def front(self, taken_s: float, most: int) -> list[OutboxRow]:
        """The oldest rows, taken at that time or before; at most ``most``."""
        end = bisect_left(self._rows, True, self._head, key=lambda row: row.taken_s > taken_s)
        return self._rows[self._head : min(end, self._head + most)]

    def drop(self, first: int, last: int) -> list[OutboxRow]:
        """Removes a range, ends included; returns the rows that were in it."""
        start, end = self._place(first), self._place(last + 1)
        gone = self._rows[start:end]
        if start == self._head:
            self._give_up(end)
        else:
            del self._rows[start:end]
        return gone

    def drop_oldest(self, after: int) -> OutboxRow:
        """Removes and returns the oldest row above sequence number ``after``; there must be one."""
        row = self._rows[self._place(after + 1)]
        self.drop(row.seq, row.seq)
        return row

    def _place(self, seq: int) -> int:
        return bisect_left(self._rows, seq, self._head, key=_seq)

    def _give_up(self, head: int) -> None:
        self._head = head
        if head * FRONT_SHARE > len(self._rows):
            del self._rows[:head]
            self._head = 0

"""Telemetry in time steps: mean, minimum, maximum and last power, and the number of samples. Pure.

A history is read backwards from its newest row, in *pieces* of a limited number of rows. The store
aggregates each piece by steps. A step may span two pieces or two stores: then its parts are merged
here. So no statement runs long, however long the step is, and only sums leave a store.

Both stores must give the same mean. Their sums of floating-point numbers differ in the last digits,
or in all digits if generation and consumption cancel out. So each power is summed in two parts: a
multiple of 2^-20 MW (about a watt) and the small remainder. Sums of the multiples are exact up to
2^33 MW.

A power beyond ±10^12 MW counts as unknown, because PostgreSQL refuses a sum that overflows.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from derhead.history.sql.cursors import Key, Page, decode_cursor, encode_cursor
from derhead.history.sql.page_request import PageRequest, check_positive
from derhead.history.sql.row_types import Row
from derhead.telemetry import Bucket

# A power of two: multiplying by it rounds nothing.
_GRID = 2.0**20

_ASSET = "(SELECT id FROM assets WHERE asset_id = $1)"

# Rounds down for times before the epoch, too.
_START = "(ts_us - (ts_us % $4 + $4) % $4)"

_KNOWN = "p_mw > -1e12 AND p_mw < 1e12"

_ROWS = f"FROM telemetry WHERE asset = {_ASSET} AND ts_us >= $2 AND ts_us < $3"

EDGES = f"""
SELECT (SELECT max(ts_us) {_ROWS}),
    (SELECT ts_us {_ROWS} ORDER BY ts_us DESC LIMIT 1 OFFSET $4),
    (SELECT ts_us {_ROWS} ORDER BY ts_us DESC LIMIT 1 OFFSET $5)
"""
"""The newest row's time in a range, and the times of the rows ``$4`` and ``$5`` places older."""

# SQLite uses the first of several conditions on a time for its index: here the ends of a step.
SUMS = f"""
SELECT spans.*, (
    SELECT t.p_mw FROM telemetry t JOIN boots b ON b.id = t.boot
    WHERE t.asset = {_ASSET} AND t.ts_us >= spans.start_us AND t.ts_us < spans.start_us + $4
    AND t.ts_us >= $2 AND t.ts_us < $3 AND t.{_KNOWN}
    ORDER BY t.ts_us DESC, b.agent_id DESC, b.boot_id DESC, t.seq DESC LIMIT 1
)
FROM (
    SELECT start_us, count(*), count(p_mw), sum(round(p_mw * {_GRID})),
        sum(p_mw * {_GRID} - round(p_mw * {_GRID})), min(p_mw), max(p_mw)
    FROM (SELECT {_START} AS start_us, CASE WHEN {_KNOWN} THEN p_mw END AS p_mw {_ROWS}) AS known
    GROUP BY start_us
) AS spans ORDER BY spans.start_us DESC
"""
"""A range by steps, newest first: each row is a ``BucketPart``."""


@dataclass(frozen=True, slots=True)
class BucketPart:
    """What one piece of history contributes to one step."""

    start_us: int
    count: int
    known: int
    whole: float | None
    """The sums of the two parts of the powers, both times 2^20; None if no power is known."""
    rest: float | None
    least: float | None
    greatest: float | None
    last: float | None

    def with_older(self, older: "BucketPart") -> "BucketPart":
        """Merges a part of the same step whose samples are all older."""
        if not self.known or not older.known:
            ours = self if self.known else older
            return replace(ours, count=self.count + older.count)
        return BucketPart(
            self.start_us,
            self.count + older.count,
            self.known + older.known,
            _add(self.whole, older.whole),
            _add(self.rest, older.rest),
            min(_num(self.least), _num(older.least)),
            max(_num(self.greatest), _num(older.greatest)),
            self.last,
        )

    def bucket(self) -> Bucket:
        mean = None
        if self.known:
            mean = math.fsum((_num(self.whole), _num(self.rest))) / _GRID / self.known
        return Bucket(self.start_us, self.count, mean, self.least, self.greatest, self.last)


@dataclass(frozen=True, slots=True)
class Steps:
    """One page of a history in time steps, newest first."""

    asset_id: str
    step_us: int
    low_us: int
    high_us: int
    limit: int

    @property
    def scope(self) -> Key:
        return ("buckets", self.asset_id, self.step_us)

    def page(self, parts: Sequence[BucketPart]) -> Page[Bucket]:
        """The page, from the parts that ``Gathering`` collected."""
        kept = parts[: self.limit]
        more = encode_cursor(self.scope, (kept[-1].start_us,)) if len(parts) > self.limit else None
        return Page(tuple(part.bucket() for part in kept), more)


def steps(asset_id: str, step_us: int, page: PageRequest) -> Steps:
    """The page request as steps. Raises: BadCursor, ValueError."""
    check_positive(step_us=step_us)
    asked = Steps(asset_id, step_us, page.within.low_us, page.within.high_us, page.limit)
    if page.cursor is None:
        return asked
    (start_us,) = decode_cursor(page.cursor, asked.scope, (int,))
    return replace(asked, high_us=min(asked.high_us, int(start_us)))


class Gathering:
    """Collects a page from pieces, newest first: it asks for a piece, takes the answer, and goes
    on."""

    def __init__(self, asked: Steps, piece_rows: int) -> None:
        self._asked = asked
        self.piece_rows = piece_rows
        self._parts: list[BucketPart] = []
        self.high_us = asked.high_us
        """Everything from this time on was collected."""

    @property
    def done(self) -> bool:
        # Older rows can still change the last part, but no other.
        return self.high_us <= self._asked.low_us or len(self._parts) > self._asked.limit

    @property
    def parts(self) -> Sequence[BucketPart]:
        return self._parts

    def ask_edges(self, low_us: int) -> tuple[object, ...]:
        """Parameters of ``EDGES``; the piece begins at ``low_us`` or later."""
        return (self._asked.asset_id, low_us, self.high_us, self.piece_rows, self._wanted)

    def find_low(self, low_us: int, edges: Row) -> int | None:
        """Where the piece begins, according to the answer of ``EDGES``; None if there are no
        rows."""
        newest_us, after_rows_us, after_wanted_us = edges
        if newest_us is None:
            self.high_us = low_us
            return None
        # A piece has at most ``piece_rows`` rows, and covers about the wanted steps. If rows are
        # dense, the time of those steps is enough. If rows are sparse, the piece takes a row for
        # each step.
        step_us = self._asked.step_us
        stretch_us = newest_us - newest_us % step_us - self._wanted * step_us
        enough_us = low_us if after_wanted_us is None else min(stretch_us, after_wanted_us)
        return int(max(low_us, enough_us, low_us if after_rows_us is None else after_rows_us))

    def ask_sums(self, low_us: int) -> tuple[object, ...]:
        """Parameters of ``SUMS``."""
        return (self._asked.asset_id, low_us, self.high_us, self._asked.step_us)

    def take(self, low_us: int, found: Iterable[Row]) -> None:
        """Takes the answer of ``SUMS`` for the piece that began at ``low_us``."""
        for row in found:
            part = BucketPart(*row)
            if self._parts and self._parts[-1].start_us == part.start_us:
                self._parts[-1] = self._parts[-1].with_older(part)
            else:
                self._parts.append(part)
        self.high_us = low_us

    @property
    def _wanted(self) -> int:
        return self._asked.limit + 1 - len(self._parts) + 1


def _num(value: float | None) -> float:
    assert value is not None
    return value


def _add(one: float | None, other: float | None) -> float:
    return math.fsum((_num(one), _num(other)))

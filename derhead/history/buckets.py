"""Telemetry by steps of time: mean, least, greatest and last power, and how many samples.

The statement first hops backwards from bucket to bucket that holds anything, one index
look-up each, until it has as many as the page takes; then it groups only their rows. Sparse
history costs no more than dense, and no page reads more than ``limit`` steps. Plain SQL on
integer microseconds, the same in SQLite and PostgreSQL.
"""

import sqlite3

from derhead.history.page import Key, Page, decode_cursor
from derhead.history.queries import cut_page, time_range
from derhead.history.rows import Row
from derhead.telemetry import Bucket

# Rounds down for times before the epoch, too.
_START = "({ts} - (({ts} % :step) + :step) % :step)"

_NEWEST = (
    "SELECT max(ts_us) AS ts_us FROM telemetry"
    " WHERE asset = (SELECT id FROM assets WHERE asset_id = :asset)"
    " AND ts_us >= :low AND ts_us < {end}"
)

_LAST = """
    SELECT p_mw FROM telemetry
    WHERE asset = (SELECT id FROM assets WHERE asset_id = :asset)
    AND ts_us >= spans.low_us AND ts_us < spans.high_us AND p_mw IS NOT NULL
    ORDER BY ts_us DESC, boot DESC, seq DESC LIMIT 1
"""

_BUCKETS = f"""
WITH RECURSIVE starts(n, start_us) AS (
    SELECT 1, {_START.format(ts="newest.ts_us")}
    FROM ({_NEWEST.format(end=":high")}) AS newest
    UNION ALL
    SELECT starts.n + 1,
        (SELECT {_START.format(ts="newest.ts_us")}
         FROM ({_NEWEST.format(end="starts.start_us")}) AS newest)
    FROM starts WHERE starts.n < :wanted AND starts.start_us IS NOT NULL
), spans(start_us, low_us, high_us) AS (
    SELECT start_us,
        CASE WHEN start_us < :low THEN :low ELSE start_us END,
        CASE WHEN start_us + :step > :high THEN :high ELSE start_us + :step END
    FROM starts WHERE start_us IS NOT NULL
)
SELECT spans.start_us, count(*), avg(t.p_mw), min(t.p_mw), max(t.p_mw), ({_LAST})
FROM spans JOIN telemetry t
    ON t.asset = (SELECT id FROM assets WHERE asset_id = :asset)
    AND t.ts_us >= spans.low_us AND t.ts_us < spans.high_us
GROUP BY spans.start_us ORDER BY spans.start_us DESC
"""


def telemetry_buckets(
    con: sqlite3.Connection,
    asset_id: str,
    step_us: int,
    from_us: int | None,
    to_us: int | None,
    limit: int,
    cursor: str | None,
) -> Page[Bucket]:
    """Newest first; buckets without samples are left out. Last = greatest (ts_us, boot, seq)."""
    scope: Key = ("buckets", asset_id, step_us)
    low_us, high_us = time_range(from_us, to_us)
    if cursor is not None:
        (start_us,) = decode_cursor(cursor, scope, (int,))
        high_us = min(high_us, int(start_us))
    found: list[Row] = con.execute(
        _BUCKETS,
        {"asset": asset_id, "step": step_us, "low": low_us, "high": high_us, "wanted": limit + 1},
    ).fetchall()
    return cut_page(found, limit, lambda row: Bucket(*row), scope, lambda row: (row[0],))

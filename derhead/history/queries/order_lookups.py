"""SQL about orders: groups, idempotency keys, dispatches without a verdict.

Synchronous.
"""

import sqlite3
from collections.abc import Sequence

from derhead.dispatch import Dispatch, DispatchGroup, Reading, ReadingRange, UsedKey
from derhead.history.sql import mapping, row_types
from derhead.history.sql.listings import DISPATCHES, GROUPS, OPEN, OVER
from derhead.history.sql.page_request import END_US, MIN_US, TimeRange


def open_groups(con: sqlite3.Connection) -> list[DispatchGroup]:
    """Groups with a part that has not ended, oldest first."""
    found = con.execute(
        f"{GROUPS} WHERE g.id IN (SELECT group_id FROM dispatches"
        f" WHERE state IN ({OPEN}) AND group_id IS NOT NULL) ORDER BY g.created_us, g.id"
    ).fetchall()
    return [mapping.to_group(row) for row in found]


def used_key(con: sqlite3.Connection, key: str) -> UsedKey | None:
    found = con.execute(
        f"SELECT {', '.join(row_types.USED_KEYS)} FROM idempotency_keys WHERE key = ?", (key,)
    ).fetchone()
    return None if found is None else mapping.to_used_key(found)


def count_keys(con: sqlite3.Connection) -> int:
    return int(con.execute("SELECT count(*) FROM idempotency_keys").fetchone()[0])


def unjudged(con: sqlite3.Connection, after: tuple[int, str] | None, limit: int) -> list[Dispatch]:
    """Ended dispatches without a verdict, oldest first."""
    found = con.execute(
        # The plus makes SQLite use the index of dispatches without a verdict.
        f"{DISPATCHES} WHERE d.verdict IS NULL AND +d.state IN ({OVER})"
        " AND (d.created_us, d.id) > (?, ?) ORDER BY d.created_us, d.id LIMIT ?",
        (*(after or (MIN_US, "")), limit),
    ).fetchall()
    return list(map(mapping.to_dispatch, found))


def readings(
    con: sqlite3.Connection, stretches: Sequence[ReadingRange], limit: int
) -> list[list[Reading]]:
    """The newest readings of each stretch, at most ``limit``."""
    return [_readings(con, stretch, limit) for stretch in stretches]


def _readings(con: sqlite3.Connection, stretch: ReadingRange, limit: int) -> list[Reading]:
    within = TimeRange(stretch.from_us, stretch.to_us)
    before = stretch.before or (END_US, 0, 0)
    found = con.execute(
        "SELECT ts_us, boot, seq, p_mw, quality FROM telemetry"
        " WHERE asset = (SELECT id FROM assets WHERE asset_id = ?)"
        " AND ts_us >= ? AND ts_us < ? AND (ts_us, boot, seq) < (?, ?, ?)"
        " ORDER BY ts_us DESC, boot DESC, seq DESC LIMIT ?",
        (stretch.asset_id, within.low_us, within.high_us, *before, limit),
    ).fetchall()
    return [Reading((ts, boot, seq), p_mw, quality) for ts, boot, seq, p_mw, quality in found]

"""What the journal answers about orders: sites' groups, callers' keys, dispatches to be judged.

Synchronous, as ``queries.py`` is. Two of them write, inside the store's transaction.
"""

import sqlite3
from collections.abc import Sequence
from itertools import chain, islice

from derhead.dispatch import ENDED, Dispatch, DispatchGroup, Reading, State, Stretch, UsedKey
from derhead.history import rows
from derhead.history.inserts import MAX_PARAMETERS
from derhead.history.listings import (
    DISPATCHES,
    END_US,
    GROUP,
    GROUPS,
    MIN_US,
    PARTS,
    named,
    time_range,
)

_OVER = ",".join(f"'{state.value}'" for state in State if state in ENDED)
_OPEN = ",".join(f"'{state.value}'" for state in State if state not in ENDED)


def group(con: sqlite3.Connection, group_id: str) -> tuple[DispatchGroup, list[Dispatch]] | None:
    """An order to a site and its parts, oldest first."""
    with con:
        con.execute("BEGIN")
        found = con.execute(GROUP, named((group_id,))).fetchone()
        parts = con.execute(PARTS, named((group_id,))).fetchall()
    return None if found is None else (rows.to_group(found), list(map(rows.to_dispatch, parts)))


def open_groups(con: sqlite3.Connection) -> list[DispatchGroup]:
    """Those of which a part has not ended, oldest first."""
    found = con.execute(
        f"{GROUPS} WHERE g.id IN (SELECT group_id FROM dispatches"
        f" WHERE state IN ({_OPEN}) AND group_id IS NOT NULL) ORDER BY g.created_us, g.id"
    ).fetchall()
    return [rows.to_group(row) for row in found]


def used_key(con: sqlite3.Connection, key: str) -> UsedKey | None:
    found = con.execute(
        f"SELECT {', '.join(rows.USED_KEYS)} FROM idempotency_keys WHERE key = ?", (key,)
    ).fetchone()
    return None if found is None else rows.to_used_key(found)


def count_keys(con: sqlite3.Connection) -> int:
    return int(con.execute("SELECT count(*) FROM idempotency_keys").fetchone()[0])


def forget_keys(con: sqlite3.Connection, before_us: int, at_most: int) -> None:
    """Deletes the oldest keys from before that time."""
    con.execute(
        "DELETE FROM idempotency_keys WHERE key IN (SELECT key FROM idempotency_keys"
        " WHERE created_us < ? ORDER BY created_us LIMIT ?)",
        (before_us, at_most),
    )


def unjudged(con: sqlite3.Connection, after: tuple[int, str] | None, limit: int) -> list[Dispatch]:
    """Ended dispatches without a verdict, oldest first."""
    found = con.execute(
        # The plus keeps to the index of those without a verdict.
        f"{DISPATCHES} WHERE d.verdict IS NULL AND +d.state IN ({_OVER})"
        " AND (d.created_us, d.id) > (?, ?) ORDER BY d.created_us, d.id LIMIT ?",
        (*(after or (MIN_US, "")), limit),
    ).fetchall()
    return list(map(rows.to_dispatch, found))


def readings(
    con: sqlite3.Connection, stretches: Sequence[Stretch], limit: int
) -> list[list[Reading]]:
    """Of each stretch its newest, at most ``limit``."""
    return [_readings(con, stretch, limit) for stretch in stretches]


def _readings(con: sqlite3.Connection, stretch: Stretch, limit: int) -> list[Reading]:
    low_us, high_us = time_range(stretch.from_us, stretch.to_us)
    found = con.execute(
        "SELECT ts_us, boot, seq, p_mw, quality FROM telemetry"
        " WHERE asset = (SELECT id FROM assets WHERE asset_id = ?)"
        " AND ts_us >= ? AND ts_us < ? AND (ts_us, boot, seq) < (?, ?, ?)"
        " ORDER BY ts_us DESC, boot DESC, seq DESC LIMIT ?",
        (stretch.asset_id, low_us, high_us, *(stretch.before or (END_US, 0, 0)), limit),
    ).fetchall()
    return [Reading((ts, boot, seq), p_mw, quality) for ts, boot, seq, p_mw, quality in found]


def keep_verdicts(con: sqlite3.Connection, judged: Sequence[tuple[str, str]]) -> None:
    """Keeps each (dispatch id, verdict), many in a statement."""
    remaining = iter(judged)
    while chunk := list(islice(remaining, MAX_PARAMETERS // 2)):
        marks = ",".join(["(?,?)"] * len(chunk))
        con.execute(
            f"WITH judged(id, verdict) AS (VALUES {marks})"
            " UPDATE dispatches SET verdict = judged.verdict FROM judged"
            " WHERE dispatches.id = judged.id",
            list(chain.from_iterable(chunk)),
        )

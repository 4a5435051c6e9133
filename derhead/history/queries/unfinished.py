"""Gaps that samples may still fill, as a headend needs them at its start.

Synchronous.
"""

import json
import sqlite3

from derhead.gaps import GapRecord, HoleCause, Origin, Unfinished
from derhead.history.sql import mapping, row_types
from derhead.sessions import silence_after


def _origin(within: str) -> str:
    # The origin of the sample at a gap's edge. A reported gap may have none there: then the next
    # sample beyond the edge counts.
    return (
        "(SELECT json_array(b.agent_id, b.boot_id) FROM telemetry t JOIN boots b ON b.id = t.boot"
        " WHERE t.asset = (SELECT id FROM assets WHERE asset_id = g.asset_id)"
        f" AND t.ts_us {within} LIMIT 1)"
    )


_UNFINISHED = (
    f"SELECT {', '.join('g.' + name for name in row_types.GAPS)},"
    f" {_origin('<= coalesce(g.filled_us, g.start_us) ORDER BY t.ts_us DESC')},"
    f" {_origin('>= g.end_us ORDER BY t.ts_us')}"
    " FROM (SELECT *, row_number()"
    " OVER (PARTITION BY asset_id ORDER BY start_us DESC, id DESC) AS place"
    " FROM gaps WHERE (end_us IS NULL OR backfilled = 0)"
    f" AND cause IN ({mapping.SHOWN_CAUSES})) g"
    " WHERE g.place <= :at_most ORDER BY g.asset_id, g.start_us, g.id"
)

_LAST_END = (
    "SELECT end_reason FROM sessions WHERE agent_id = :agent_id AND boot_id = :boot_id"
    " ORDER BY connected_us DESC LIMIT 1"
)


def unfinished_gaps(con: sqlite3.Connection, at_most: int) -> list[Unfinished]:
    """The newest such gaps, at most ``at_most`` of each asset, ordered by asset and time."""
    found = con.execute(_UNFINISHED, {"at_most": at_most}).fetchall()
    unfinished = []
    for row in found:
        record, low = mapping.to_gap(row[:-2]), _to_origin(row[-2])
        stopped_by = _stopped_by(con, record, low)
        unfinished.append(Unfinished(record, low, _to_origin(row[-1]), stopped_by))
    return unfinished


def _stopped_by(con: sqlite3.Connection, record: GapRecord, low: Origin | None) -> HoleCause:
    if record.cause is not HoleCause.AGENT_RESTART or low is None:
        return record.cause
    # The boot before the restart may have lost its link long before it ended.
    row = con.execute(_LAST_END, {"agent_id": low.agent_id, "boot_id": str(low.boot_id)}).fetchone()
    return record.cause if row is None else silence_after(row[0])


def _to_origin(text: str | None) -> Origin | None:
    if text is None:
        return None
    agent_id, boot_id = json.loads(text)
    return Origin(agent_id, int(boot_id))

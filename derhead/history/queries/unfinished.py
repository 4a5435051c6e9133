"""Gaps that samples may still fill, as a headend needs them at its start.

Synchronous.
"""

import json
import sqlite3

from derhead.gaps import Origin, Unfinished
from derhead.history.sql import mapping, row_types


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
    " FROM gaps WHERE end_us IS NULL OR backfilled = 0) g"
    " WHERE g.place <= :at_most ORDER BY g.asset_id, g.start_us, g.id"
)


def unfinished_gaps(con: sqlite3.Connection, at_most: int) -> list[Unfinished]:
    """The newest such gaps, at most ``at_most`` of each asset, ordered by asset and time."""
    found = con.execute(_UNFINISHED, {"at_most": at_most}).fetchall()
    return [
        Unfinished(mapping.to_gap(row[:-2]), _to_origin(row[-2]), _to_origin(row[-1]))
        for row in found
    ]


def _to_origin(text: str | None) -> Origin | None:
    if text is None:
        return None
    agent_id, boot_id = json.loads(text)
    return Origin(agent_id, int(boot_id))

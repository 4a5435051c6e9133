"""Closes at the start what a crash left open."""

import json
import sqlite3

from derhead.history.sql import row_types
from derhead.history.sql.listings import SESSIONS
from derhead.history.writing import eventlog
from derhead.history.writing.record_store import Store

# The newest sample of an asset, if this boot of this agent measured it.
_LAST_SAMPLE = """
SELECT t.received_us FROM telemetry t JOIN boots b ON b.id = t.boot
WHERE b.agent_id = :agent_id AND b.boot_id = :boot_id AND (t.asset, t.ts_us, t.boot, t.seq) = (
    SELECT asset, ts_us, boot, seq FROM telemetry
    WHERE asset = (SELECT id FROM assets WHERE asset_id = :asset_id)
    ORDER BY ts_us DESC, boot DESC, seq DESC LIMIT 1)
"""

_LAST_HEARTBEAT = """
SELECT max(received_us) FROM heartbeats WHERE agent_id = :agent_id AND received_us < :before_us
"""

_NEXT_SESSION = """
SELECT min(connected_us) FROM sessions WHERE agent_id = :agent_id AND connected_us > :connected_us
"""


def close_lost_sessions(store: Store, ended_us: int, reason: str) -> int:
    """Ends every open session at the time when its agent was last heard; returns how many.

    If neither heartbeats nor samples tell, the end is ``ended_us``. The end is never later than
    ``ended_us``, nor than the start of the agent's next session. All in one transaction.
    """
    with store.transaction(ended_us) as con:
        open_sessions = con.execute(
            "SELECT session_id, agent_id, boot_id, connected_us, asset_ids FROM sessions"
            " WHERE ended_us IS NULL"
        ).fetchall()
        closed: list[row_types.Row] = []
        for session_id, agent_id, boot_id, connected_us, asset_ids in open_sessions:
            names = {"agent_id": agent_id, "boot_id": boot_id, "connected_us": connected_us}
            limit_us = min(_one(con, _NEXT_SESSION, **names) or ended_us, ended_us)
            heard = [
                _one(con, _LAST_HEARTBEAT, before_us=limit_us, **names),
                *(_one(con, _LAST_SAMPLE, asset_id=a, **names) for a in json.loads(asset_ids)),
            ]
            within = [us for us in heard if us is not None and connected_us <= us <= limit_us]
            con.execute(
                "UPDATE sessions SET ended_us = ?, end_reason = ? WHERE session_id = ?",
                (max(within, default=max(limit_us, connected_us)), reason, session_id),
            )
            closed += con.execute(f"{SESSIONS} WHERE s.session_id = ?", (session_id,)).fetchall()
        store.spool("sessions", closed)
        eventlog.log_ended(con, [session_id for session_id, *_ in open_sessions])
    return len(open_sessions)


def _one(con: sqlite3.Connection, query: str, **values: object) -> int | None:
    row = con.execute(query, values).fetchone()
    return None if row is None else row[0]

"""The questions that the journal answers.

Synchronous; each is one SELECT, so one short read transaction. Pages are cut by key, never
by offset: a page starts strictly after the last key of the one before, so rows that are
added meanwhile make neither a hole nor a repeat.
"""

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import TypeVar

from derhead.dispatch import ENDED, Dispatch, State
from derhead.history import rows
from derhead.history.page import Key, Page, decode_cursor, encode_cursor
from derhead.sessions import HeartbeatRecord, SessionRecord
from derhead.telemetry import Sample

T = TypeVar("T")

MIN_US, END_US = -(2**62), 2**62
"""All times lie between; what ``None`` stands for at either end of a range."""

SAMPLES = (
    f"SELECT {rows.SAMPLE_COLUMNS}, t.boot FROM telemetry t"
    " JOIN boots b ON b.id = t.boot JOIN assets a ON a.id = t.asset"
)
DISPATCHES = f"SELECT {', '.join(rows.DISPATCHES)} FROM dispatches"
SESSIONS = f"SELECT {', '.join('s.' + name for name in rows.SESSIONS)} FROM sessions s"
HEARTBEATS = f"SELECT {', '.join('h.' + name for name in rows.HEARTBEATS)} FROM heartbeats h"


def time_range(from_us: int | None, to_us: int | None) -> tuple[int, int]:
    """Both ends as integers that every engine takes."""
    low_us = MIN_US if from_us is None else from_us
    high_us = END_US if to_us is None else to_us
    return min(max(low_us, MIN_US), END_US), min(max(high_us, MIN_US), END_US)


def cut_page(
    found: Sequence[rows.Row],
    limit: int,
    read: Callable[[rows.Row], T],
    scope: Key,
    key: Callable[[rows.Row], Key],
) -> Page[T]:
    """A page of ``limit`` rows from a query that was asked for one more."""
    kept = found[:limit]
    more = encode_cursor(scope, key(kept[-1])) if len(found) > limit else None
    return Page(tuple(read(row) for row in kept), more)


def telemetry_history(
    con: sqlite3.Connection,
    asset_id: str,
    from_us: int | None,
    to_us: int | None,
    limit: int,
    cursor: str | None,
) -> Page[Sample]:
    """Newest first by (ts_us, boot, seq)."""
    scope: Key = ("telemetry", asset_id)
    low_us, high_us = time_range(from_us, to_us)
    # A key above all others where there is no cursor keeps the statement the same.
    after = decode_cursor(cursor, scope, (int, int, int)) if cursor is not None else (END_US, 0, 0)
    found = con.execute(
        f"{SAMPLES} WHERE t.asset = (SELECT id FROM assets WHERE asset_id = ?)"
        " AND t.ts_us >= ? AND t.ts_us < ? AND (t.ts_us, t.boot, t.seq) < (?, ?, ?)"
        " ORDER BY t.ts_us DESC, t.boot DESC, t.seq DESC LIMIT ?",
        (asset_id, low_us, high_us, *after, limit + 1),
    ).fetchall()
    return cut_page(
        found, limit, lambda row: rows.to_sample(row[:-1]), scope, lambda r: (r[4], r[-1], r[3])
    )


def dispatch_history(
    con: sqlite3.Connection,
    asset_id: str | None,
    state: State | None,
    from_us: int | None,
    to_us: int | None,
    limit: int,
    cursor: str | None,
    asset_ids: Sequence[str] | None = None,
) -> Page[Dispatch]:
    """Newest first by (created_us, id); ``asset_ids`` are those of a site."""
    few: Key = () if asset_ids is None else (*sorted(asset_ids)[:1], len(asset_ids))
    scope: Key = ("dispatch", asset_id or "", state.value if state else "", *few)
    conditions = ["created_us >= ?", "created_us < ?"]
    values: list[object] = list(time_range(from_us, to_us))
    if asset_id is not None:
        conditions.append("asset_id = ?")
        values.append(asset_id)
    if asset_ids is not None:
        # The plus keeps to the index by time: a site's newest are soon found among all.
        conditions.append("+asset_id IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(list(asset_ids)))
    if state is not None:
        conditions.append("state = ?")
        values.append(state.value)
    if cursor is not None:
        conditions.append("(created_us, id) < (?, ?)")
        values.extend(decode_cursor(cursor, scope, (int, str)))
    order = "ORDER BY created_us DESC, id DESC LIMIT ?"
    where = " AND ".join(conditions)
    found, states = with_states(con, f"{where} {order}", (*values, limit + 1))
    return cut_page(
        found,
        limit,
        lambda row: rows.to_dispatch(row, states[row[0]]),
        scope,
        lambda row: (row[3], row[0]),
    )


def dispatch(con: sqlite3.Connection, dispatch_id: str) -> Dispatch | None:
    found, states = with_states(con, "id = ?", (dispatch_id,))
    return rows.to_dispatch(found[0], states[dispatch_id]) if found else None


def open_dispatches(con: sqlite3.Connection) -> list[Dispatch]:
    """Those that have not ended, oldest first."""
    unended = [state.value for state in State if state not in ENDED]
    marks = ",".join("?" * len(unended))
    found, states = with_states(con, f"state IN ({marks}) ORDER BY created_us, id", tuple(unended))
    return [rows.to_dispatch(row, states[row[0]]) for row in found]


def sessions(
    con: sqlite3.Connection, agent_id: str, limit: int, cursor: str | None
) -> Page[SessionRecord]:
    """Newest first by (connected_us, session_id)."""
    scope: Key = ("sessions", agent_id)
    after = decode_cursor(cursor, scope, (int, str)) if cursor is not None else (END_US, "")
    found = con.execute(
        f"{SESSIONS} WHERE s.agent_id = ? AND (s.connected_us, s.session_id) < (?, ?)"
        " ORDER BY s.connected_us DESC, s.session_id DESC LIMIT ?",
        (agent_id, *after, limit + 1),
    ).fetchall()
    return cut_page(found, limit, rows.to_session, scope, lambda row: (row[4], row[0]))


def heartbeats(
    con: sqlite3.Connection,
    agent_id: str,
    from_us: int | None,
    to_us: int | None,
    limit: int,
    cursor: str | None,
) -> Page[HeartbeatRecord]:
    """Newest first by (received_us, ts_us)."""
    scope: Key = ("heartbeats", agent_id)
    low_us, high_us = time_range(from_us, to_us)
    after = decode_cursor(cursor, scope, (int, int)) if cursor is not None else (END_US, 0)
    found = con.execute(
        f"{HEARTBEATS} WHERE h.agent_id = ? AND h.received_us >= ? AND h.received_us < ?"
        " AND (h.received_us, h.ts_us) < (?, ?)"
        " ORDER BY h.received_us DESC, h.ts_us DESC LIMIT ?",
        (agent_id, low_us, high_us, *after, limit + 1),
    ).fetchall()
    return cut_page(found, limit, rows.to_heartbeat, scope, lambda row: (row[1], row[2]))


def latest_samples(con: sqlite3.Connection) -> list[Sample]:
    """The newest sample of each asset that ever spoke: one look-up each, however long its past."""
    found = con.execute(
        f"{SAMPLES} AND (t.ts_us, t.boot, t.seq) = ("
        "  SELECT ts_us, boot, seq FROM telemetry WHERE asset = a.id"
        "  ORDER BY ts_us DESC, boot DESC, seq DESC LIMIT 1)"
        " ORDER BY a.id"
    ).fetchall()
    return [rows.to_sample(row[:-1]) for row in found]


def latest_heartbeats(con: sqlite3.Connection) -> list[HeartbeatRecord]:
    """The newest heartbeat of each agent."""
    found = con.execute(
        f"{_agents_of('heartbeats')} {HEARTBEATS} JOIN agents ON h.agent_id = agents.agent_id"
        " AND (h.received_us, h.ts_us) = ("
        "  SELECT received_us, ts_us FROM heartbeats WHERE agent_id = agents.agent_id"
        "  ORDER BY received_us DESC, ts_us DESC LIMIT 1)"
        " ORDER BY h.agent_id"
    ).fetchall()
    return [rows.to_heartbeat(row) for row in found]


def last_sessions(con: sqlite3.Connection) -> list[SessionRecord]:
    """The newest session of each agent."""
    found = con.execute(
        f"{_agents_of('sessions')} {SESSIONS} JOIN agents ON s.agent_id = agents.agent_id"
        " AND s.session_id = ("
        "  SELECT session_id FROM sessions WHERE agent_id = agents.agent_id"
        "  ORDER BY connected_us DESC, session_id DESC LIMIT 1)"
        " ORDER BY s.agent_id"
    ).fetchall()
    return [rows.to_session(row) for row in found]


def _agents_of(table: str) -> str:
    # DISTINCT would read every row of the table; this hops from agent to agent.
    return (
        f"WITH RECURSIVE agents(agent_id) AS (SELECT min(agent_id) FROM {table} UNION ALL"
        f" SELECT (SELECT min(agent_id) FROM {table} WHERE agent_id > agents.agent_id)"
        " FROM agents WHERE agents.agent_id IS NOT NULL)"
    )


def with_states(
    con: sqlite3.Connection, where: str, values: tuple[object, ...]
) -> tuple[list[rows.Row], dict[str, list[rows.Row]]]:
    """Dispatches, and the lines of each one's history, as of one moment."""
    with con:
        con.execute("BEGIN")
        found = con.execute(f"{DISPATCHES} WHERE {where}", values).fetchall()
        lines = con.execute(
            f"SELECT {', '.join(rows.DISPATCH_STATES)} FROM dispatch_states"
            f" WHERE dispatch_id IN (SELECT id FROM dispatches WHERE {where})",
            values,
        ).fetchall()
    states: dict[str, list[rows.Row]] = {row[0]: [] for row in found}
    for line in lines:
        states[line[0]].append(line)
    return found, states

"""SQL that the journal answers alone.

Synchronous; each call is one short read transaction. Pages are defined in ``sql.listings``, time
steps in ``sql.buckets``.
"""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, TypeVar

from derhead.dispatch import Dispatch, FoundGroup
from derhead.history.file import facts
from derhead.history.spool import unfed
from derhead.history.sql import buckets, listings, mapping
from derhead.history.sql.listings import (
    DISPATCH,
    DISPATCHES,
    GROUP,
    HEARTBEATS,
    LEVELS,
    OPEN,
    PARTS,
    SAMPLES,
    SESSIONS,
    HorizonKind,
    Listing,
)
from derhead.history.sql.page_request import END_US
from derhead.history.sql.row_types import DispatchRow, GroupRow
from derhead.service_levels import LevelHour
from derhead.sessions import HeartbeatRecord, SessionRecord
from derhead.telemetry import Sample

T = TypeVar("T")

PIECE_ROWS = 10_000
"""Rows of telemetry that one statement gathers by steps of time: about 5 ms, for which other
questions wait. When full, the next statement continues there, after other questions have had
their turn."""


def find(con: sqlite3.Connection, listing: Listing[T]) -> list[Any]:
    """The rows of a page, and one more if there is one."""
    return listing.rows(con.execute(listing.sql, listings.named(listing.args)))


def gather_piece(con: sqlite3.Connection, gathering: buckets.Gathering, low_us: int) -> None:
    """The next piece of a page in steps, back to ``low_us`` at most."""
    asked = gathering.ask_edges(low_us)
    edges = con.execute(buckets.EDGES, listings.named(asked)).fetchone()
    start_us = gathering.find_low(low_us, edges)
    if start_us is not None:
        asked = gathering.ask_sums(start_us)
        gathering.take(start_us, con.execute(buckets.SUMS, listings.named(asked)).fetchall())


def horizon(con: sqlite3.Connection, kind: HorizonKind | None) -> int | None:
    """The time from which the journal has every row that exists; None = it has them all."""
    if facts.get(con, facts.TELEMETRY_WHOLE) == "0":
        # PostgreSQL may have rows of any time that the journal lacks.
        return END_US
    return None if kind is None else facts.get_int(con, kind)


def find_with_horizon(con: sqlite3.Connection, listing: Listing[T]) -> tuple[list[Any], int | None]:
    """The rows of a page, and the horizon at the same moment."""
    with con:
        con.execute("BEGIN")
        return find(con, listing), horizon(con, listing.horizon_kind)


def gather_with_horizon(
    con: sqlite3.Connection, gathering: buckets.Gathering, low_us: int
) -> int | None:
    """As ``gather_piece``, but not beyond the horizon, which it returns."""
    with con:
        con.execute("BEGIN")
        horizon_us = horizon(con, HorizonKind.TELEMETRY)
        whole_us = low_us if horizon_us is None else max(low_us, horizon_us)
        if whole_us < gathering.high_us:
            gather_piece(con, gathering, whole_us)
        return horizon_us


def is_fed(con: sqlite3.Connection, before_us: int, up_to: int | None) -> tuple[bool, int]:
    """Whether PostgreSQL has been fed all samples from before that time.

    Also returns the newest commit that counted. If ``up_to`` is given, later commits do not count.
    """
    newest = unfed.newest(con) if up_to is None else up_to
    whole = facts.get(con, facts.FED_WHOLE) is not None
    return whole and not unfed.holds_older(con, before_us, newest), newest


def known(con: sqlite3.Connection, table: str, ids: Sequence[str]) -> set[str]:
    """The ids that the journal has in that table, in any state."""
    found = con.execute(
        f"SELECT id FROM {table} WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(ids),)
    )
    return {known_id for (known_id,) in found}


def group_with_horizon(
    con: sqlite3.Connection, group_id: str
) -> tuple[GroupRow | None, list[DispatchRow], int | None]:
    """An order to a site, its parts, and the horizon of both."""
    with con:
        con.execute("BEGIN")
        found = con.execute(GROUP, listings.named((group_id,))).fetchone()
        parts = con.execute(PARTS, listings.named((group_id,))).fetchall()
        horizon_us = horizon(con, HorizonKind.RECORDS)
    group = None if found is None else GroupRow(*found)
    return group, list(map(DispatchRow._make, parts)), horizon_us


def group(con: sqlite3.Connection, group_id: str) -> FoundGroup | None:
    """An order to a site and its parts, oldest first."""
    found, parts, _ = group_with_horizon(con, group_id)
    return mapping.to_found_group(found, parts)


def dispatch(con: sqlite3.Connection, dispatch_id: str) -> Dispatch | None:
    found = con.execute(DISPATCH, listings.named((dispatch_id,))).fetchone()
    return None if found is None else mapping.to_dispatch(found)


def open_dispatches(con: sqlite3.Connection) -> list[Dispatch]:
    """Dispatches that have not ended, oldest first; those of one moment by their asset."""
    found = con.execute(
        f"{DISPATCHES} WHERE d.state IN ({OPEN}) ORDER BY d.created_us, d.asset_id, d.id"
    )
    return list(map(mapping.to_dispatch, found.fetchall()))


def latest_samples(con: sqlite3.Connection) -> list[Sample]:
    """The newest sample of each asset: one look-up each, however long its past."""
    found = con.execute(
        f"{SAMPLES} AND (t.ts_us, t.boot, t.seq) = ("
        "  SELECT n.ts_us, n.boot, n.seq FROM telemetry n JOIN boots o ON o.id = n.boot"
        "  WHERE n.asset = a.id"
        "  ORDER BY n.ts_us DESC, o.agent_id DESC, o.boot_id DESC, n.seq DESC LIMIT 1)"
        " ORDER BY a.id"
    ).fetchall()
    return list(map(mapping.to_sample, found))


def latest_heartbeats(con: sqlite3.Connection) -> list[HeartbeatRecord]:
    """The newest heartbeat of each agent."""
    found = con.execute(
        f"{_agents_of('heartbeats')} {HEARTBEATS} JOIN agents ON h.agent_id = agents.agent_id"
        " AND (h.received_us, h.ts_us) = ("
        "  SELECT received_us, ts_us FROM heartbeats WHERE agent_id = agents.agent_id"
        "  ORDER BY received_us DESC, ts_us DESC LIMIT 1)"
        " ORDER BY h.agent_id"
    ).fetchall()
    return [mapping.to_heartbeat(row) for row in found]


def last_sessions(con: sqlite3.Connection) -> list[SessionRecord]:
    """The newest session of each agent."""
    found = con.execute(
        f"{_agents_of('sessions')} {SESSIONS} JOIN agents ON s.agent_id = agents.agent_id"
        " AND s.session_id = ("
        "  SELECT session_id FROM sessions WHERE agent_id = agents.agent_id"
        "  ORDER BY connected_us DESC, session_id DESC LIMIT 1)"
        " ORDER BY s.agent_id"
    ).fetchall()
    return [mapping.to_session(row) for row in found]


def last_levels(
    con: sqlite3.Connection, asset_ids: Sequence[str], before_us: int
) -> list[LevelHour]:
    """The last hour of each asset's service levels that begins before that time: a look-up each."""
    found = con.execute(
        f"{LEVELS} JOIN json_each(?) a ON l.asset_id = a.value AND l.hour_us ="
        " (SELECT max(hour_us) FROM service_levels WHERE asset_id = a.value AND hour_us < ?)",
        (json.dumps(list(asset_ids)), before_us),
    ).fetchall()
    return list(map(mapping.to_level, found))


def _agents_of(table: str) -> str:
    # DISTINCT would read every row of the table; this hops from agent to agent.
    return (
        f"WITH RECURSIVE agents(agent_id) AS (SELECT min(agent_id) FROM {table} UNION ALL"
        f" SELECT (SELECT min(agent_id) FROM {table} WHERE agent_id > agents.agent_id)"
        " FROM agents WHERE agents.agent_id IS NOT NULL)"
    )

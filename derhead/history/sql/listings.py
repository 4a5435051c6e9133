"""Pages of a history as SQL that SQLite and PostgreSQL both accept. Pure.

Tables and columns have the same names in both. Parameters are ``$1``, ``$2``…, which SQLite accepts
as names. ``dialect`` replaces the few words that PostgreSQL spells differently.

Pages are cut by key, never by offset: a page starts strictly after the last key of the page before.
So rows that are added meanwhile cause neither holes nor repeats. A key is the same in both stores,
and contains none of their small integers.
"""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Literal, TypeVar

from derhead.dispatch import ENDED, Dispatch, State
from derhead.gaps import GapRecord
from derhead.history.sql import mapping, row_types
from derhead.history.sql.cursors import Key, Page, decode_cursor, encode_cursor
from derhead.history.sql.page_request import END_US, MIN_US, PageRequest
from derhead.sessions import HeartbeatRecord, SessionRecord
from derhead.telemetry import Sample

T = TypeVar("T")


class HorizonKind(StrEnum):
    """The fact that holds the journal's horizon, for each kind of row.

    The journal has every row from its horizon on. A row's time is the first part of its key.
    """

    TELEMETRY = "telemetry_from_us"
    HEARTBEATS = "heartbeats_from_us"
    RECORDS = "records_from_us"
    """Dispatches, sessions and gaps."""


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """One page of a history, newest first."""

    horizon_kind: HorizonKind | None
    """The journal's horizon for such rows; None = the journal keeps them all."""
    sql: str
    """Selects one row more than the page holds, to learn whether there is a next page."""
    args: tuple[object, ...]
    low_us: int
    """No row of the page is older."""
    limit: int
    scope: Key
    row: Callable[[Iterable[Any]], Any]
    """Names the columns: a type of ``row_types``."""
    key: Callable[[Any], Key]
    """The sort key of a row; it begins with a time."""
    read: Callable[[Any], T]
    changing_table: Literal["dispatches", "gaps"] | None = None
    """The rows' table, if the query selects by a column that changes. The key then ends with an id,
    and an earlier version of a row does not count."""

    def rows(self, found: Iterable[Sequence[Any]]) -> list[Any]:
        """The statement's answer as typed rows."""
        return list(map(self.row, found))

    def page(self, found: Sequence[Any], resume: Key | None = None) -> Page[T]:
        """The page of these rows. ``resume``: where the next page begins if ``found`` has no extra
        row."""
        kept = found[: self.limit]
        after = self.key(kept[-1]) if len(found) > self.limit else resume
        cursor = None if after is None else encode_cursor(self.scope, after)
        return Page(tuple(map(self.read, kept)), cursor)


SAMPLES = (
    f"SELECT {row_types.SAMPLE_COLUMNS} FROM telemetry t"
    " JOIN boots b ON b.id = t.boot JOIN assets a ON a.id = t.asset"
)
NEWEST_SAMPLE = "ORDER BY t.ts_us DESC, b.agent_id DESC, b.boot_id DESC, t.seq DESC"
"""The order of an asset's telemetry, newest first: by time, then by agent, boot and sequence."""

_STATES = ", ".join(f"s.{name}" for name in row_types.DISPATCH_STATES[1:])
DISPATCHES = (
    f"SELECT {', '.join('d.' + name for name in row_types.DISPATCHES)},"
    f" (SELECT json_group_array(json_array({_STATES})) FROM dispatch_states s"
    " WHERE s.dispatch_id = d.id) FROM dispatches d"
)
"""A dispatch, with all its states in the last column, as of one moment."""

GROUPS = f"SELECT {', '.join('g.' + name for name in row_types.GROUPS)} FROM dispatch_groups g"
SESSIONS = f"SELECT {', '.join('s.' + name for name in row_types.SESSIONS)} FROM sessions s"
GAPS = f"SELECT {', '.join('g.' + name for name in row_types.GAPS)} FROM gaps g"
HEARTBEATS = f"SELECT {', '.join('h.' + name for name in row_types.HEARTBEATS)} FROM heartbeats h"

DISPATCH = f"{DISPATCHES} WHERE d.id = $1"
GROUP = f"{GROUPS} WHERE g.id = $1"
PARTS = f"{DISPATCHES} WHERE d.group_id = $1 ORDER BY d.created_us, d.id"

_POSTGRES = (
    ("json_group_array(", "json_agg("),
    ("json_array(", "json_build_array("),
    ("SELECT value FROM json_each(", "SELECT json_array_elements_text("),
)


def dialect(sql: str) -> str:
    """The statement as PostgreSQL spells it."""
    for ours, theirs in _POSTGRES:
        sql = sql.replace(ours, theirs)
    return sql


def named(args: Sequence[object]) -> dict[str, object]:
    """Parameters for SQLite, which takes ``$1`` as a name."""
    return {str(n): value for n, value in enumerate(args, 1)}


def telemetry(asset_id: str, page: PageRequest) -> Listing[Sample]:
    """By (ts_us, agent, boot, seq)."""
    scope: Key = ("telemetry", asset_id)
    # Without a cursor, a key above all others keeps the statement the same.
    after: Key = (END_US, "", "", 0)
    if page.cursor is not None:
        after = decode_cursor(page.cursor, scope, (int, str, str, int))
    return Listing(
        HorizonKind.TELEMETRY,
        f"{SAMPLES} WHERE t.asset = (SELECT id FROM assets WHERE asset_id = $1)"
        " AND t.ts_us >= $2 AND t.ts_us < $3 AND t.ts_us <= $4"
        " AND (t.ts_us, b.agent_id, b.boot_id, t.seq) < ($4, $5, $6, $7)"
        f" {NEWEST_SAMPLE} LIMIT $8",
        (asset_id, page.within.low_us, page.within.high_us, *after, page.limit + 1),
        page.within.low_us,
        page.limit,
        scope,
        row_types.SampleRow._make,
        _sample_key,
        mapping.to_sample,
    )


def dispatches(
    page: PageRequest,
    *,
    asset_id: str | None = None,
    asset_ids: Sequence[str] | None = None,
    states: Collection[State] | None = None,
) -> Listing[Dispatch]:
    """By (created_us, id); ``asset_ids`` are a site's assets, ``states`` the wanted states."""
    few: Key = () if asset_ids is None else (*sorted(asset_ids)[:1], len(asset_ids))
    among = sorted({state.value for state in states or ()})
    scope: Key = ("dispatch", asset_id or "", ",".join(among), *few)
    args: list[object] = [page.within.low_us, page.within.high_us]
    conditions = ["d.created_us >= $1", "d.created_us < $2"]

    def take(condition: str, *values: object) -> None:
        places = range(len(args) + 1, len(args) + len(values) + 1)
        conditions.append(condition.format(*(f"${place}" for place in places)))
        args.extend(values)

    if asset_id is not None:
        take("d.asset_id = {}", asset_id)
    if asset_ids is not None:
        # Appending '' to the column keeps SQLite on the index by time, where a site's newest
        # dispatches are soon found.
        members = "(SELECT value FROM json_each({}))"
        take(f"d.asset_id || '' IN {members}", json.dumps(list(asset_ids)))
    if len(among) == 1:
        take("d.state = {}", among[0])
    if page.cursor is not None:
        take("(d.created_us, d.id) < ({}, {})", *decode_cursor(page.cursor, scope, (int, str)))
    where = " AND ".join(conditions)
    args.append(page.limit + 1)
    newest = f"ORDER BY d.created_us DESC, d.id DESC LIMIT ${len(args)}"
    if len(among) > 1:
        # Take a page's worth of each state by the index of states: this finds a rare state beside a
        # frequent one without reading the whole table.
        each = f"SELECT d.id FROM dispatches d WHERE {where} AND d.state = ${{}} {newest}"
        places = range(len(args) + 1, len(args) + 1 + len(among))
        found = (f"SELECT id FROM ({each.format(place)}) AS s{place}" for place in places)
        where = f"d.id IN ({' UNION ALL '.join(found)})"
        args += among
    return Listing(
        None if among and ENDED.isdisjoint(states or ()) else HorizonKind.RECORDS,
        f"{DISPATCHES} WHERE {where} {newest}",
        tuple(args),
        page.within.low_us,
        page.limit,
        scope,
        row_types.DispatchRow._make,
        _dispatch_key,
        mapping.to_dispatch,
        changing_table="dispatches" if among else None,
    )


def sessions(agent_id: str, page: PageRequest) -> Listing[SessionRecord]:
    """By (connected_us, session_id)."""
    scope: Key = ("sessions", agent_id)
    after: Key = (END_US, "")
    if page.cursor is not None:
        after = decode_cursor(page.cursor, scope, (int, str))
    return Listing(
        HorizonKind.RECORDS,
        f"{SESSIONS} WHERE s.agent_id = $1 AND s.connected_us >= $2 AND s.connected_us < $3"
        " AND (s.connected_us, s.session_id) < ($4, $5)"
        " ORDER BY s.connected_us DESC, s.session_id DESC LIMIT $6",
        (agent_id, page.within.low_us, page.within.high_us, *after, page.limit + 1),
        page.within.low_us,
        page.limit,
        scope,
        row_types.SessionRow._make,
        _session_key,
        mapping.to_session,
    )


def heartbeats(agent_id: str, page: PageRequest) -> Listing[HeartbeatRecord]:
    """By (received_us, ts_us)."""
    scope: Key = ("heartbeats", agent_id)
    after: Key = (END_US, 0)
    if page.cursor is not None:
        after = decode_cursor(page.cursor, scope, (int, int))
    return Listing(
        HorizonKind.HEARTBEATS,
        f"{HEARTBEATS} WHERE h.agent_id = $1 AND h.received_us >= $2 AND h.received_us < $3"
        " AND (h.received_us, h.ts_us) < ($4, $5)"
        " ORDER BY h.received_us DESC, h.ts_us DESC LIMIT $6",
        (agent_id, page.within.low_us, page.within.high_us, *after, page.limit + 1),
        page.within.low_us,
        page.limit,
        scope,
        row_types.HeartbeatRow._make,
        _heartbeat_key,
        mapping.to_heartbeat,
    )


def gaps(asset_id: str, page: PageRequest) -> Listing[GapRecord]:
    """By (start_us, id): gaps that overlap the range."""
    scope: Key = ("gaps", asset_id)
    after: Key = (END_US, "")
    if page.cursor is not None:
        after = decode_cursor(page.cursor, scope, (int, str))
    return Listing(
        HorizonKind.RECORDS,
        f"{GAPS} WHERE g.asset_id = $1 AND (g.end_us IS NULL OR g.end_us >= $2)"
        " AND g.start_us < $3 AND (g.start_us, g.id) < ($4, $5) AND g.cause <> 'none'"
        " ORDER BY g.start_us DESC, g.id DESC LIMIT $6",
        (asset_id, page.within.low_us, page.within.high_us, *after, page.limit + 1),
        # A gap that began long before may reach into the range.
        MIN_US,
        page.limit,
        scope,
        row_types.GapRow._make,
        _gap_key,
        mapping.to_gap,
        changing_table="gaps",
    )


def _sample_key(row: row_types.SampleRow) -> Key:
    return (row.ts_us, row.agent_id, row.boot_id, row.seq)


def _dispatch_key(row: row_types.DispatchRow) -> Key:
    return (row.created_us, row.id)


def _session_key(row: row_types.SessionRow) -> Key:
    return (row.connected_us, row.session_id)


def _heartbeat_key(row: row_types.HeartbeatRow) -> Key:
    return (row.received_us, row.ts_us)


def _gap_key(row: row_types.GapRow) -> Key:
    return (row.start_us, row.id)

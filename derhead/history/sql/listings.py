"""Pages of a history as SQL that SQLite and PostgreSQL both accept. Pure.

Tables and columns have the same names in both. Parameters are ``$1``, ``$2``…, which SQLite accepts
as names. ``dialect`` replaces the few words that PostgreSQL spells differently.

Pages are cut by key, never by offset: a page starts strictly after the last key of the page before.
So rows that are added meanwhile cause neither holes nor repeats. A key is the same in both stores,
and contains none of their small integers.
"""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import attrgetter
from typing import Any, Generic, Literal, TypeVar

from derhead.audit import AuditAction, AuditRecord
from derhead.dispatch import ENDED, Dispatch, State
from derhead.gaps import GapRecord
from derhead.history.sql import mapping, row_types
from derhead.history.sql.cursors import Key, Page, decode_cursor, encode_cursor
from derhead.history.sql.page_request import END_US, MIN_US, PageRequest
from derhead.service_levels import LevelHour
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
    AUDIT = "audit_from_us"
    LEVELS = "levels_from_us"


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
AUDIT = f"SELECT {', '.join('a.' + name for name in row_types.AUDIT)} FROM audit a"
LEVELS = f"SELECT {', '.join('l.' + name for name in row_types.LEVELS)} FROM service_levels l"
HEARTBEATS = f"SELECT {', '.join('h.' + name for name in row_types.HEARTBEATS)} FROM heartbeats h"

OVER = ", ".join(f"'{state.value}'" for state in State if state in ENDED)
OPEN = ", ".join(f"'{state.value}'" for state in State if state not in ENDED)
"""The states of dispatches that have ended, and of the others."""

DISPATCH = f"{DISPATCHES} WHERE d.id = $1"
GROUP = f"{GROUPS} WHERE g.id = $1"
PARTS = f"{DISPATCHES} WHERE d.group_id = $1 ORDER BY d.created_us, d.asset_id, d.id"

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
    return _listing(
        ("telemetry", asset_id),
        f"{SAMPLES} WHERE t.asset = (SELECT id FROM assets WHERE asset_id = $1)"
        " AND t.ts_us >= $2 AND t.ts_us < $3 AND t.ts_us <= $4",
        {"t.ts_us": END_US, "b.agent_id": "", "b.boot_id": "", "t.seq": 0},
        page,
        row_types.SampleRow._make,
        mapping.to_sample,
        HorizonKind.TELEMETRY,
    )


def sessions(agent_id: str, page: PageRequest) -> Listing[SessionRecord]:
    """By (connected_us, session_id)."""
    return _listing(
        ("sessions", agent_id),
        f"{SESSIONS} WHERE s.agent_id = $1 AND s.connected_us >= $2 AND s.connected_us < $3",
        {"s.connected_us": END_US, "s.session_id": ""},
        page,
        row_types.SessionRow._make,
        mapping.to_session,
    )


def heartbeats(agent_id: str, page: PageRequest) -> Listing[HeartbeatRecord]:
    """By (received_us, ts_us)."""
    return _listing(
        ("heartbeats", agent_id),
        f"{HEARTBEATS} WHERE h.agent_id = $1 AND h.received_us >= $2 AND h.received_us < $3",
        {"h.received_us": END_US, "h.ts_us": 0},
        page,
        row_types.HeartbeatRow._make,
        mapping.to_heartbeat,
        HorizonKind.HEARTBEATS,
    )


def service_levels(asset_id: str, page: PageRequest) -> Listing[LevelHour]:
    """By (hour_us, asset_id): hours that begin in the range."""
    return _listing(
        ("service_levels", asset_id),
        f"{LEVELS} WHERE l.asset_id = $1 AND l.hour_us >= $2 AND l.hour_us < $3",
        {"l.hour_us": END_US, "l.asset_id": ""},
        page,
        row_types.LevelRow._make,
        mapping.to_level,
        HorizonKind.LEVELS,
    )


def gaps(asset_id: str, page: PageRequest) -> Listing[GapRecord]:
    """By (start_us, id): gaps that overlap the range."""
    listing = _listing(
        ("gaps", asset_id),
        f"{GAPS} WHERE g.asset_id = $1 AND (g.end_us IS NULL OR g.end_us >= $2)"
        f" AND g.start_us < $3 AND g.cause IN ({mapping.SHOWN_CAUSES})",
        {"g.start_us": END_US, "g.id": ""},
        page,
        row_types.GapRow._make,
        mapping.to_gap,
    )
    # A gap that began long before may reach into the range.
    return replace(listing, low_us=MIN_US, changing_table="gaps")


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
        attrgetter("created_us", "id"),
        mapping.to_dispatch,
        changing_table="dispatches" if among else None,
    )


def audit(
    page: PageRequest,
    *,
    actions: Collection[AuditAction] | None = None,
    caller: str | None = None,
    target: str | None = None,
    site_ids: Sequence[str] | None = None,
) -> Listing[AuditRecord]:
    """By (at_us, id); ``site_ids``: only entries that concern one of these sites."""
    among = sorted({action.value for action in actions or ()})
    sites = None if site_ids is None else json.dumps(sorted(site_ids))
    scope: Key = ("audit", ",".join(among), caller or "", target or "", sites or "")
    args: list[object] = [page.within.low_us, page.within.high_us]
    conditions = ["a.at_us >= $1", "a.at_us < $2"]
    members = "(SELECT value FROM json_each({}))"
    # Appending '' to the columns keeps SQLite on the index by time.
    for condition, value in (
        ("coalesce(a.caller, a.peer) = {}", caller),
        ("a.target = {}", target),
        (f"a.action || '' IN {members}", json.dumps(among) if among else None),
        (f"a.site_id || '' IN {members}", sites),
    ):
        if value is not None:
            args.append(value)
            conditions.append(condition.format(f"${len(args)}"))
    if page.cursor is not None:
        args += decode_cursor(page.cursor, scope, (int, str))
        conditions.append(f"(a.at_us, a.id) < (${len(args) - 1}, ${len(args)})")
    args.append(page.limit + 1)
    return Listing(
        HorizonKind.AUDIT,
        f"{AUDIT} WHERE {' AND '.join(conditions)}"
        f" ORDER BY a.at_us DESC, a.id DESC LIMIT ${len(args)}",
        tuple(args),
        page.within.low_us,
        page.limit,
        scope,
        row_types.AuditRow._make,
        attrgetter("at_us", "id"),
        mapping.to_audit,
    )


def _listing(
    scope: tuple[str, str],
    select: str,
    above_all: dict[str, int | str],
    page: PageRequest,
    row: Callable[[Iterable[Any]], Any],
    read: Callable[[Any], T],
    horizon_kind: HorizonKind = HorizonKind.RECORDS,
) -> Listing[T]:
    """A page of what one asset or agent has.

    ``select`` takes its id and the range as ``$1``, ``$2`` and ``$3``. ``above_all``: the columns
    of the sort key, and a key above all others. Without a cursor the page begins there, which
    keeps the statement the same.
    """
    after: Key = tuple(above_all.values())
    if page.cursor is not None:
        after = decode_cursor(page.cursor, scope, tuple(map(type, after)))
    marks = ", ".join(f"${n}" for n in range(4, 4 + len(after)))
    newest = ", ".join(f"{column} DESC" for column in above_all)
    return Listing(
        horizon_kind,
        f"{select} AND ({', '.join(above_all)}) < ({marks})"
        f" ORDER BY {newest} LIMIT ${4 + len(after)}",
        (scope[1], page.within.low_us, page.within.high_us, *after, page.limit + 1),
        page.within.low_us,
        page.limit,
        scope,
        row,
        attrgetter(*(column.partition(".")[2] for column in above_all)),
        read,
    )

"""Retention's deletions, in small steps.

Synchronous; on the writer's connection, between commits. Each ``delete`` is one short
transaction. It continues along a table's key where the previous one ended, so its rows lie on the
same pages. It also looks up what PostgreSQL was not fed yet, so that no commit can come between.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from derhead.dispatch import ENDED, State
from derhead.history.file import facts
from derhead.history.retention.measuring import read_spared
from derhead.history.retention.policy import AUDIT_KEPT, NEWEST_KEPT, Cutoff, Spared
from derhead.history.sql.row_types import Row

KEYS_A_STEP = 500
"""Assets or agents in one transaction: each costs a look-up, whether rows are deleted or not."""

VACUUM_PAGES = 256
"""Pages given back in one step: 1 MiB, some milliseconds."""

Position = tuple[int | str, ...]
"""The last key that is done; empty = the beginning."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one transaction deleted."""

    rows: int
    position: Position
    """Where the next transaction continues."""
    done: bool


def delete(
    con: sqlite3.Connection, table: str, cut: Cutoff, fed: bool, position: Position, at_most: int
) -> Step:
    """Deletes about ``at_most`` rows of a table from before the cut, after the position.

    Moves the fact that says from what time on no such row is missing.
    """
    with con:
        con.execute("BEGIN IMMEDIATE")
        spared = read_spared(con, fed)
        return DELETES[table](_Deletion(con, cut.sparing(spared), spared, position, at_most))


@dataclass(frozen=True, slots=True)
class _Deletion:
    """One transaction's work."""

    con: sqlite3.Connection
    cut: Cutoff
    """Without the rows that must stay."""
    spared: Spared
    position: Position
    at_most: int


def _delete_telemetry(todo: _Deletion) -> Step:
    """Samples, asset by asset."""
    key, before_us = ("asset", "ts_us", "boot", "seq"), todo.cut.samples_us
    delete = partial(_delete_oldest, todo.con, "telemetry", key, before_us)
    step = _step(todo, "assets", "id", delete)
    _note(todo.con, facts.TELEMETRY_FROM_US, before_us, step.rows)
    return step


def _delete_heartbeats(todo: _Deletion) -> Step:
    """Heartbeats, agent by agent."""
    key, before_us = ("agent_id", "received_us", "ts_us"), todo.cut.heartbeats_us
    delete = partial(_delete_oldest, todo.con, "heartbeats", key, before_us)
    step = _step(todo, "heartbeats", "agent_id", delete)
    _note(todo.con, facts.HEARTBEATS_FROM_US, before_us, step.rows)
    return step


def _delete_sessions(todo: _Deletion) -> Step:
    """Ended sessions, agent by agent, except each agent's newest, which keeps it known."""
    too_old = (
        "connected_us < :before AND ended_us < :before AND connected_us <"
        " (SELECT max(connected_us) FROM sessions WHERE agent_id = :name)"
    )
    delete = partial(_delete_records, todo, _SESSIONS, too_old, NEWEST_KEPT)
    return _step(todo, "sessions", "agent_id", delete)


def _delete_gaps(todo: _Deletion) -> Step:
    """Closed gaps, asset by asset; beyond ``gaps_kept`` also open ones."""
    too_old = "start_us < :before AND end_us < :before"
    delete = partial(_delete_records, todo, _GAPS, too_old, todo.cut.gaps_kept)
    return _step(todo, "gaps", "asset_id", delete)


def _delete_dispatches(todo: _Deletion) -> Step:
    """Ended dispatches whose last change was before the cut."""
    con, before_us = todo.con, todo.cut.records_us
    page = _page(todo, "created_us, id, state", "dispatches")
    rows = 0
    for _, dispatch_id, state in page:
        if State(state) not in ENDED:
            continue
        (changed_us,) = con.execute(
            "SELECT max(at_us) FROM dispatch_states WHERE dispatch_id = ?", (dispatch_id,)
        ).fetchone()
        if changed_us is None or changed_us < before_us:
            con.execute("DELETE FROM dispatch_states WHERE dispatch_id = ?", (dispatch_id,))
            rows += con.execute("DELETE FROM dispatches WHERE id = ?", (dispatch_id,)).rowcount
    _note(con, facts.RECORDS_FROM_US, before_us, rows)
    return Step(rows, page[-1][:2] if page else todo.position, done=not page)


def _delete_groups(todo: _Deletion) -> Step:
    """Orders to sites that have no part left."""
    page = _page(todo, "created_us, id", "dispatch_groups")
    rows = sum(
        todo.con.execute(
            "DELETE FROM dispatch_groups WHERE id = ?"
            " AND NOT EXISTS (SELECT 1 FROM dispatches WHERE group_id = ?)",
            (group_id, group_id),
        ).rowcount
        for _, group_id in page
    )
    return Step(rows, page[-1] if page else todo.position, done=not page)


def _delete_audit(todo: _Deletion) -> Step:
    """Entries of the audit trail from before the cut, and those beyond the newest kept."""
    con, before_us = todo.con, todo.cut.audit_us
    beyond = con.execute(
        "SELECT at_us FROM audit ORDER BY at_us DESC, id DESC LIMIT 1 OFFSET ?", (AUDIT_KEPT,)
    ).fetchone()
    if beyond is not None:
        spared_us = todo.spared.records_us
        full_us = beyond[0] + 1
        before_us = max(before_us, full_us if spared_us is None else min(full_us, spared_us))
    rows = con.execute(
        "DELETE FROM audit WHERE id IN"
        " (SELECT id FROM audit WHERE at_us < ? ORDER BY at_us, id LIMIT ?)",
        (before_us, todo.at_most),
    ).rowcount
    _note(con, facts.AUDIT_FROM_US, before_us, rows)
    return Step(rows, todo.position, done=rows < todo.at_most)


def _delete_levels(todo: _Deletion) -> Step:
    """Hours of service levels from before the cut."""
    con, before_us = todo.con, todo.cut.levels_us
    rows = con.execute(
        "DELETE FROM service_levels WHERE (hour_us, asset_id) IN (SELECT hour_us, asset_id"
        " FROM service_levels WHERE hour_us < ? ORDER BY hour_us, asset_id LIMIT ?)",
        (before_us, todo.at_most),
    ).rowcount
    _note(con, facts.LEVELS_FROM_US, before_us, rows)
    return Step(rows, todo.position, done=rows < todo.at_most)


DELETES: dict[str, Callable[[_Deletion], Step]] = {
    "telemetry": _delete_telemetry,
    "heartbeats": _delete_heartbeats,
    "sessions": _delete_sessions,
    "dispatches": _delete_dispatches,
    "dispatch_groups": _delete_groups,
    "gaps": _delete_gaps,
    "audit": _delete_audit,
    "service_levels": _delete_levels,
}
"""By table, in the order of a sweep: parts before their groups."""


def vacuum(con: sqlite3.Connection, pages: int) -> None:
    """Gives so many free pages at the end of the file back to the disk."""
    # The pragma frees a page in each step: ``execute`` would stop after the first.
    con.executescript(f"PRAGMA incremental_vacuum({pages})")


def _note(con: sqlite3.Connection, fact: str, before_us: int, rows: int) -> None:
    """Moves the fact to that time if older rows were deleted: from it on nothing is missing."""
    if rows > 0:
        known_us = facts.get_int(con, fact)
        if known_us is None or known_us < before_us:
            facts.put(con, fact, before_us)


def _page(todo: _Deletion, columns: str, table: str) -> list[Row]:
    """The next rows from before the cut, by creation."""
    return todo.con.execute(
        f"SELECT {columns} FROM {table} WHERE created_us < ?"
        " AND (created_us, id) > (?, ?) ORDER BY created_us, id LIMIT ?",
        (
            todo.cut.records_us,
            *(todo.position or (-(2**63), "")),
            min(todo.at_most, KEYS_A_STEP),
        ),
    ).fetchall()


def _step(
    todo: _Deletion, table: str, column: str, delete: Callable[[int | str, int], int]
) -> Step:
    """Continues through the values of a key's first column, and deletes rows of each."""
    rows, position = 0, todo.position
    for _ in range(KEYS_A_STEP):
        # One look-up for each value, however many rows it has.
        (key,) = todo.con.execute(
            f"SELECT min({column}) FROM {table} WHERE {column} > ?", position or (_BEFORE[column],)
        ).fetchone()
        if key is None:
            return Step(rows, position, done=True)
        rows += delete(key, todo.at_most - rows)
        if rows >= todo.at_most:
            # The value may have more rows: the next step begins with it again.
            return Step(rows, position, done=False)
        position = (key,)
    return Step(rows, position, done=False)


_BEFORE = {"id": -1, "agent_id": "", "asset_id": ""}
"""For each column, a value before all others."""


@dataclass(frozen=True, slots=True)
class _Records:
    """The columns of a table in which each asset or agent keeps its newest records."""

    table: str
    name: str
    start_us: str
    id: str
    stored_us: str
    """When the headend learned of the record. PostgreSQL must have been fed up to that time."""


_GAPS = _Records("gaps", "asset_id", "start_us", "id", "noticed_us")
_SESSIONS = _Records("sessions", "agent_id", "connected_us", "session_id", "ended_us")


def _delete_records(
    todo: _Deletion, records: _Records, too_old: str, kept: int, name: int | str, at_most: int
) -> int:
    """Deletes an asset's or agent's records that are too old, or beyond the newest ``kept``."""
    table, record_id, start_us = records.table, records.id, records.start_us
    before_us = todo.cut.records_us
    old = todo.con.execute(
        f"DELETE FROM {table} WHERE {record_id} IN (SELECT {record_id} FROM {table}"
        f" WHERE {records.name} = :name AND {too_old} ORDER BY {start_us} LIMIT :at_most)",
        {"name": name, "before": before_us, "at_most": at_most},
    ).rowcount
    _note(todo.con, facts.RECORDS_FROM_US, before_us, old)
    found = todo.con.execute(
        f"SELECT {start_us}, {record_id} FROM {table} WHERE {records.name} = ?"
        f" ORDER BY {start_us} DESC, {record_id} DESC LIMIT 1 OFFSET ?",
        (name, kept),
    ).fetchone()
    if found is None or at_most - old < 1:
        return old
    stored_us = 2**62 if todo.spared.records_us is None else todo.spared.records_us
    many = todo.con.execute(
        f"DELETE FROM {table} WHERE {record_id} IN (SELECT {record_id} FROM {table}"
        f" WHERE {records.name} = ? AND ({start_us}, {record_id}) <= (?, ?)"
        f" AND {records.stored_us} < ? ORDER BY {start_us}, {record_id} LIMIT ?)",
        (name, *found, stored_us, at_most - old),
    ).rowcount
    _note(todo.con, facts.RECORDS_FROM_US, found[0] + 1, many)
    return old + many


def _delete_oldest(
    con: sqlite3.Connection,
    table: str,
    key: tuple[str, ...],
    before_us: int,
    value: int | str,
    at_most: int,
) -> int:
    """Deletes the value's oldest rows from before that time, in the order of the rest of the
    key."""
    first, time, *_ = key
    rest = ", ".join(key[1:])
    beyond = con.execute(
        f"SELECT {rest} FROM {table} WHERE {first} = ? AND {time} < ?"
        f" ORDER BY {rest} LIMIT 1 OFFSET ?",
        (value, before_us, at_most),
    ).fetchone()
    if beyond is None:
        return con.execute(
            f"DELETE FROM {table} WHERE {first} = ? AND {time} < ?", (value, before_us)
        ).rowcount
    marks = ", ".join("?" * len(beyond))
    return con.execute(
        f"DELETE FROM {table} WHERE {first} = ? AND ({rest}) < ({marks})", (value, *beyond)
    ).rowcount

"""Retention's deletions, in small steps.

Synchronous; on the writer's connection, between commits. Each ``delete_…`` is one short
transaction. It continues along a table's key where the previous one ended, so its rows lie on the
same pages. It also looks up what PostgreSQL was not fed yet, so that no commit can come between.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from derhead.dispatch import ENDED, State
from derhead.history.file import facts
from derhead.history.file.transaction import transaction
from derhead.history.retention.measuring import read_spared
from derhead.history.retention.policy import Cutoff, Spared

KEYS_A_STEP = 500
"""Assets or agents in one transaction: each costs a look-up, whether rows are deleted or not."""

NEWEST_KEPT = 2_000
"""Gaps of one asset, and sessions of one agent, that stay in the journal. When full, the oldest
goes at the next sweep, whatever its times say: no agent can fill the journal with them."""

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


class Delete(Protocol):
    """Deletes about ``at_most`` rows from before the cut, after the position."""

    def __call__(
        self,
        con: sqlite3.Connection,
        cut: Cutoff,
        fed: bool,
        position: Position,
        at_most: int,
    ) -> Step: ...


def delete_telemetry(
    con: sqlite3.Connection, cut: Cutoff, fed: bool, position: Position, at_most: int
) -> Step:
    """Deletes samples, asset by asset, and moves the fact ``telemetry_from_us``."""
    with transaction(con):
        before_us = cut.sparing(read_spared(con, fed)).samples_us

        def delete(asset: int | str, at_most: int) -> int:
            return _delete_oldest(
                con, "telemetry", ("asset", "ts_us", "boot", "seq"), asset, before_us, at_most
            )

        step = _step("assets", "id", con, position, at_most, delete)
        _note(con, facts.TELEMETRY_FROM_US, before_us, step.rows)
        return step


def delete_heartbeats(
    con: sqlite3.Connection, cut: Cutoff, fed: bool, position: Position, at_most: int
) -> Step:
    """Deletes heartbeats, agent by agent, and moves the fact ``heartbeats_from_us``."""
    with transaction(con):
        before_us = cut.sparing(read_spared(con, fed)).heartbeats_us

        def delete(agent: int | str, at_most: int) -> int:
            return _delete_oldest(
                con, "heartbeats", ("agent_id", "received_us", "ts_us"), agent, before_us, at_most
            )

        step = _step("heartbeats", "agent_id", con, position, at_most, delete)
        _note(con, facts.HEARTBEATS_FROM_US, before_us, step.rows)
        return step


def delete_sessions(
    con: sqlite3.Connection, cut: Cutoff, fed: bool, position: Position, at_most: int
) -> Step:
    """Deletes ended sessions, agent by agent, except each agent's newest, which keeps it known."""
    with transaction(con):
        spared = read_spared(con, fed)
        before_us = cut.sparing(spared).records_us

        def delete(agent: int | str, at_most: int) -> int:
            too_old = con.execute(
                "DELETE FROM sessions WHERE session_id IN (SELECT session_id FROM sessions"
                " WHERE agent_id = :agent AND connected_us < :before AND ended_us < :before"
                " AND connected_us < (SELECT max(connected_us) FROM sessions"
                " WHERE agent_id = :agent) ORDER BY connected_us LIMIT :at_most)",
                {"agent": agent, "before": before_us, "at_most": at_most},
            ).rowcount
            return too_old + _delete_too_many(con, _SESSIONS, agent, spared, at_most - too_old)

        step = _step("sessions", "agent_id", con, position, at_most, delete)
        _note(con, facts.RECORDS_FROM_US, before_us, step.rows)
        return step


def delete_gaps(
    con: sqlite3.Connection, cut: Cutoff, fed: bool, position: Position, at_most: int
) -> Step:
    """Deletes closed gaps, asset by asset; beyond ``NEWEST_KEPT`` also open ones."""
    with transaction(con):
        spared = read_spared(con, fed)
        before_us = cut.sparing(spared).records_us

        def delete(asset: int | str, at_most: int) -> int:
            too_old = con.execute(
                "DELETE FROM gaps WHERE id IN (SELECT id FROM gaps WHERE asset_id = ?"
                " AND start_us < ? AND end_us < ? ORDER BY start_us LIMIT ?)",
                (asset, before_us, before_us, at_most),
            ).rowcount
            return too_old + _delete_too_many(con, _GAPS, asset, spared, at_most - too_old)

        step = _step("gaps", "asset_id", con, position, at_most, delete)
        _note(con, facts.RECORDS_FROM_US, before_us, step.rows)
        return step


def delete_dispatches(
    con: sqlite3.Connection, cut: Cutoff, fed: bool, position: Position, at_most: int
) -> Step:
    """Deletes ended dispatches whose last change was before the cut."""
    with transaction(con):
        before_us = cut.sparing(read_spared(con, fed)).records_us
        page = con.execute(
            "SELECT created_us, id, state FROM dispatches WHERE created_us < ?"
            " AND (created_us, id) > (?, ?) ORDER BY created_us, id LIMIT ?",
            (before_us, *(position or (-(2**63), "")), min(at_most, KEYS_A_STEP)),
        ).fetchall()
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
        last = page[-1][:2] if page else position
        return Step(rows, last, done=not page)


def delete_groups(
    con: sqlite3.Connection, cut: Cutoff, fed: bool, position: Position, at_most: int
) -> Step:
    """Deletes orders to sites that have no part left."""
    with transaction(con):
        before_us = cut.sparing(read_spared(con, fed)).records_us
        page = con.execute(
            "SELECT created_us, id FROM dispatch_groups WHERE created_us < ?"
            " AND (created_us, id) > (?, ?) ORDER BY created_us, id LIMIT ?",
            (before_us, *(position or (-(2**63), "")), min(at_most, KEYS_A_STEP)),
        ).fetchall()
        rows = sum(
            con.execute(
                "DELETE FROM dispatch_groups WHERE id = ?"
                " AND NOT EXISTS (SELECT 1 FROM dispatches WHERE group_id = ?)",
                (group_id, group_id),
            ).rowcount
            for _, group_id in page
        )
        return Step(rows, page[-1] if page else position, done=not page)


DELETES: dict[str, Delete] = {
    "telemetry": delete_telemetry,
    "heartbeats": delete_heartbeats,
    "sessions": delete_sessions,
    "dispatches": delete_dispatches,
    "dispatch_groups": delete_groups,
    "gaps": delete_gaps,
}
"""By table, in the order of a sweep: parts before their groups."""


def vacuum(con: sqlite3.Connection, pages: int) -> None:
    """Gives so many free pages at the end of the file back to the disk."""
    # The pragma frees a page in each step: ``execute`` would stop after the first.
    con.executescript(f"PRAGMA incremental_vacuum({pages})")


def _note(con: sqlite3.Connection, fact: str, before_us: int, rows: int) -> None:
    """Moves the fact to that time if older rows were deleted: from it on nothing is missing."""
    known_us = facts.get_int(con, fact)
    if rows > 0 and (known_us is None or known_us < before_us):
        facts.put(con, fact, before_us)


def _step(
    table: str,
    column: str,
    con: sqlite3.Connection,
    position: Position,
    at_most: int,
    delete: Callable[[int | str, int], int],
) -> Step:
    """Continues through the values of a key's first column, and deletes rows of each."""
    rows = 0
    for _ in range(KEYS_A_STEP):
        # One look-up for each value, however many rows it has.
        (key,) = con.execute(
            f"SELECT min({column}) FROM {table} WHERE {column} > ?", position or (_BEFORE[column],)
        ).fetchone()
        if key is None:
            return Step(rows, position, done=True)
        rows += delete(key, at_most - rows)
        if rows >= at_most:
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


def _delete_too_many(
    con: sqlite3.Connection, records: _Records, name: int | str, spared: Spared, at_most: int
) -> int:
    """Deletes the asset's or agent's oldest records beyond ``NEWEST_KEPT``."""
    order = f"{records.start_us} DESC, {records.id} DESC"
    found = con.execute(
        f"SELECT {records.start_us}, {records.id} FROM {records.table} WHERE {records.name} = ?"
        f" ORDER BY {order} LIMIT 1 OFFSET ?",
        (name, NEWEST_KEPT),
    ).fetchone()
    if found is None or at_most < 1:
        return 0
    before_us = 2**62 if spared.records_us is None else spared.records_us
    deleted = con.execute(
        f"DELETE FROM {records.table} WHERE {records.id} IN (SELECT {records.id}"
        f" FROM {records.table} WHERE {records.name} = ?"
        f" AND ({records.start_us}, {records.id}) <= (?, ?) AND {records.stored_us} < ?"
        f" ORDER BY {records.start_us}, {records.id} LIMIT ?)",
        (name, *found, before_us, at_most),
    ).rowcount
    _note(con, facts.RECORDS_FROM_US, found[0] + 1, deleted)
    return deleted


def _delete_oldest(
    con: sqlite3.Connection,
    table: str,
    columns: tuple[str, ...],
    value: int | str,
    before_us: int,
    at_most: int,
) -> int:
    """Deletes the value's oldest rows from before that time, in the order of the rest of the
    key."""
    first, time, *_ = columns
    rest = ", ".join(columns[1:])
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

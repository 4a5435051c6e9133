"""The event log: changes in the order of commits, so that a reader misses none.

Synchronous. An event is written in the transaction of its change: either both are on disk or
neither is. The transaction also gives the event its number, so numbers rise with commits.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from derhead.dispatch import Dispatch, Judged, State, StateChange
from derhead.events import DispatchEvent, LoggedEvent, LogSpan, SessionEvent
from derhead.history.file import inserts
from derhead.history.sql import mapping, row_types
from derhead.history.sql.listings import DISPATCHES, SESSIONS
from derhead.sessions import SessionRecord

EVENTS_KEPT = 100_000
"""Events of the log in the journal, some 60 MB. When full, the oldest goes; a reader that resumes
from an earlier event learns that events are missing."""

_INSERT = inserts.Insert("events", ("at_us", "kind", "data"), "DO NOTHING")


def open_before(con: sqlite3.Connection, records: Sequence[object]) -> Mapping[str, bool]:
    """The sessions among the records that the journal already has, and whether each is open.

    Call it before the records are written, and pass the result to ``log``.
    """
    ids = [record.session_id for record in records if isinstance(record, SessionRecord)]
    return {found.session_id: found.ended_us is None for found in _sessions(con, ids)}


def log(
    con: sqlite3.Connection, records: Sequence[object], before: Mapping[str, bool], now_us: int
) -> int | None:
    """Writes the events of these records and returns the number of the newest; None if there is
    none.

    Call it after the records are written, in the same transaction.
    """
    judged = [record.dispatch_id for record in records if isinstance(record, Judged)]
    verdicts = {each.id: each for each in _dispatches(con, judged)}
    found: list[row_types.Row] = []
    for record in records:
        match record:
            case Dispatch():
                found.append((now_us, "dispatch", _dispatch_text(record)))
            case Judged(dispatch_id) if dispatch_id in verdicts:
                found.append((now_us, "dispatch", _dispatch_text(verdicts[dispatch_id])))
            case SessionRecord():
                found.extend(_session_events(record, before.get(record.session_id)))
            case _:
                pass
    return _append(con, found)


def log_ended(con: sqlite3.Connection, session_ids: Sequence[str]) -> None:
    """Writes events for the ends of sessions, which are already stored."""
    ended = _sessions(con, session_ids)
    _append(con, [event for each in ended for event in _session_events(each, True)])


def begin_anew(con: sqlite3.Connection, now_us: int) -> None:
    """Empties the log, and has its numbers go on above those of any other headend's log.

    Readers that another headend served then learn that events are missing. Call it within a
    transaction.
    """
    con.execute("DELETE FROM events")
    con.execute(
        "UPDATE sqlite_sequence SET seq = max(seq + 1, ?) WHERE name = 'events'",
        (now_us // 1000,),
    )


def span(con: sqlite3.Connection) -> LogSpan:
    """Which events the log holds."""
    newest = con.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()[0]
    oldest = con.execute("SELECT min(id) FROM events").fetchone()[0]
    return LogSpan(newest if oldest is None else oldest - 1, newest)


def events_after(con: sqlite3.Connection, after: int, limit: int) -> list[LoggedEvent] | None:
    """Events with numbers above ``after``, oldest first; None if some of them are gone."""
    found = con.execute(
        "SELECT id, at_us, kind, data, (SELECT min(id) FROM events) FROM events"
        " WHERE id > ? ORDER BY id LIMIT ?",
        (after, limit),
    ).fetchall()
    if found and found[0][-1] > after + 1:
        return None
    return [_to_event(*row[:-1]) for row in found]


def _append(con: sqlite3.Connection, found: Sequence[row_types.Row]) -> int | None:
    if not found:
        return None
    _INSERT.execute(con, found)
    newest = int(con.execute("SELECT last_insert_rowid()").fetchone()[0])
    con.execute("DELETE FROM events WHERE id <= ?", (newest - EVENTS_KEPT,))
    return newest


def _dispatches(con: sqlite3.Connection, ids: Sequence[str]) -> list[Dispatch]:
    if not ids:
        return []
    found = con.execute(
        f"{DISPATCHES} WHERE d.id IN (SELECT value FROM json_each(?))", (json.dumps(ids),)
    )
    return list(map(mapping.to_dispatch, found.fetchall()))


def _sessions(con: sqlite3.Connection, ids: Sequence[str]) -> list[SessionRecord]:
    if not ids:
        return []
    found = con.execute(
        f"{SESSIONS} WHERE s.session_id IN (SELECT value FROM json_each(?))", (json.dumps(ids),)
    )
    return [mapping.to_session(row) for row in found]


def _session_events(record: SessionRecord, was_open: bool | None) -> Iterator[row_types.Row]:
    """``was_open``: whether the journal had the session as open; None if it did not have it."""
    if was_open is None:
        began = replace(record, ended_us=None, end_reason=None)
        yield record.connected_us, "connected", _session_text(began)
    if was_open is not False and record.ended_us is not None:
        yield record.ended_us, "disconnected", _session_text(record)


def _dispatch_text(dispatch: Dispatch) -> str:
    fields = dict(zip(row_types.DISPATCHES, mapping.dispatch_row(dispatch), strict=True))
    states = [[each.state, each.at_us, each.reason, each.detail] for each in dispatch.states]
    return _dump({**fields, "states": states})


def _session_text(session: SessionRecord) -> str:
    return _dump(dict(zip(row_types.SESSIONS, mapping.session_row(session), strict=True)))


def _dump(fields: Mapping[str, Any]) -> str:
    known = {name: value for name, value in fields.items() if value is not None}
    return json.dumps(known, ensure_ascii=False, separators=(",", ":"))


def _to_event(event_id: int, at_us: int, kind: str, data: str) -> LoggedEvent:
    fields = json.loads(data)
    if kind == "dispatch":
        return DispatchEvent(event_id, at_us, _to_dispatch(fields))
    fields = {name: fields.get(name) for name in row_types.SESSIONS}
    session = mapping.to_session(tuple(fields.values()))
    return SessionEvent(
        event_id, at_us, "connected" if kind == "connected" else "disconnected", session
    )


def _to_dispatch(fields: dict[str, Any]) -> Dispatch:
    # A column that an earlier version lacked has its default.
    changes = tuple(StateChange(State(state), *rest) for state, *rest in fields.pop("states"))
    return Dispatch(
        **{"duration_us": None, **fields, "state": State(fields["state"]), "states": changes}
    )

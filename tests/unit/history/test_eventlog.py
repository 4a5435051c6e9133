"""Events are written with their changes, in order, and the oldest are deleted."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from derhead.dispatch import Judged, State
from derhead.errors import JournalError
from derhead.events import DispatchEvent, LoggedEvent, SessionEvent
from derhead.history import open_journal
from derhead.history.file.schema import JournalFiles
from derhead.history.writing import eventlog
from derhead.history.writing.record_store import Group, Record, Store
from derhead.history.writing.recovery import close_lost_sessions
from derproto.base.runtime import virtual_runtime
from tests.support.epoch import T0, S
from tests.support.history.records import dispatch, heartbeat, sample, session

NOW = 77 * S


def logged(files: JournalFiles) -> list[LoggedEvent]:
    found = eventlog.events_after(files.reader, eventlog.span(files.reader).before, 1000)
    assert found is not None
    assert [each.id for each in found] == sorted({each.id for each in found})
    return found


def commit(store: Store, *records: Record) -> int | None:
    return store.commit(Group(writes=(records,), now_us=NOW)).newest_event


def test_each_event_holds_the_dispatch_as_it_then_was(files: JournalFiles, store: Store) -> None:
    ordered = replace(dispatch("d"), duration_us=None, group_id=None)
    started = replace(
        dispatch("d", states=(State.PENDING, State.SENT, State.STARTED)),
        suspended="LINK_SILENT",
        interrupted_us=5,
        cancelling="not wanted",
    )
    commit(store, ordered)
    newest = commit(store, started)
    told = logged(files)
    assert [replace(each, id=0) for each in told] == [
        DispatchEvent(0, NOW, ordered),
        DispatchEvent(0, NOW, started),
    ]
    assert newest == told[-1].id == eventlog.span(files.reader).newest


def test_a_verdict_is_an_event_of_its_dispatch(files: JournalFiles, store: Store) -> None:
    ended = dispatch("d", states=(State.PENDING, State.COMPLETED))
    commit(store, ended)
    commit(store, Judged("d", "{}"), Judged("never was", "{}"))
    assert [replace(each, id=0) for each in logged(files)] == [
        DispatchEvent(0, NOW, ended),
        DispatchEvent(0, NOW, replace(ended, verdict="{}")),
    ]


def test_a_session_has_an_event_at_its_start_and_its_end(files: JournalFiles, store: Store) -> None:
    began = session(connected_us=S)
    ended = session(connected_us=S, ended_us=9 * S, end_reason="silent", messages=8)
    for record in (began, replace(began, messages=5), ended, ended):
        store.commit(Group(notes=(record,), now_us=NOW))
    assert [replace(each, id=0) for each in logged(files)] == [
        SessionEvent(0, S, "connected", began),
        SessionEvent(0, 9 * S, "disconnected", ended),
    ]


def test_a_session_noted_after_its_end_has_both_events(files: JournalFiles, store: Store) -> None:
    ended = session(ended_us=9 * S, end_reason="silent")
    store.commit(Group(notes=(ended,), now_us=NOW))
    began, over = logged(files)
    assert isinstance(began, SessionEvent)
    assert isinstance(over, SessionEvent)
    assert (began.change, began.session.ended_us) == ("connected", None)
    assert (over.change, over.session) == ("disconnected", ended)


def test_sessions_that_a_crash_left_open_have_an_event_of_their_end(
    files: JournalFiles, store: Store
) -> None:
    store.commit(Group(notes=(session(), session("other")), now_us=NOW))
    close_lost_sessions(store, 50 * S, "headend ended")
    told = logged(files)[2:]
    assert {(e.change, e.session.session_id) for e in told if isinstance(e, SessionEvent)} == {
        ("disconnected", "session-1"),
        ("disconnected", "other"),
    }
    assert {e.session.end_reason for e in told if isinstance(e, SessionEvent)} == {"headend ended"}


def test_telemetry_and_heartbeats_are_not_events(files: JournalFiles, store: Store) -> None:
    group = Group(batches=([sample(1)],), notes=(heartbeat(S),), now_us=NOW)
    assert store.commit(group).newest_event is None
    assert logged(files) == []


def test_a_refused_record_has_no_event(files: JournalFiles, store: Store) -> None:
    bad = replace(dispatch("bad"), mw=float("nan"))
    good = dispatch("good")
    outcome = store.commit(Group(writes=((bad,), (good,)), now_us=NOW))
    assert set(outcome.refused_writes) == {0}
    assert [replace(each, id=0) for each in logged(files)] == [DispatchEvent(0, NOW, good)]
    assert outcome.newest_event == logged(files)[-1].id


def test_the_oldest_events_go_and_a_reader_that_far_behind_is_told(
    files: JournalFiles, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventlog, "EVENTS_KEPT", 3)
    before = eventlog.span(files.reader).newest
    for n in range(5):
        commit(store, dispatch(f"d{n}"))
    told = logged(files)
    assert [each.dispatch.id for each in told if isinstance(each, DispatchEvent)] == [
        "d2",
        "d3",
        "d4",
    ]
    span = eventlog.span(files.reader)
    assert (span.before, span.newest) == (told[0].id - 1, told[-1].id)
    assert eventlog.events_after(files.reader, before, 10) is None
    assert eventlog.events_after(files.reader, span.before, 2) == told[:2]
    assert eventlog.events_after(files.reader, span.newest, 2) == []


def test_a_new_journal_gives_its_events_greater_numbers(files: JournalFiles, store: Store) -> None:
    commit(store, dispatch("d"))
    seconds = files.reader.execute("SELECT CAST(strftime('%s', 'now') AS INTEGER)").fetchone()[0]
    # Greater than any number of a journal of a minute ago, at below 1,000 events a second.
    assert eventlog.span(files.reader).newest > (seconds - 60) * 1000


def test_a_group_that_is_rolled_back_leaves_no_event(files: JournalFiles, store: Store) -> None:
    newest = eventlog.span(files.reader).newest
    pages = files.writer.execute("PRAGMA page_count").fetchone()[0]
    files.writer.execute(f"PRAGMA max_page_count = {pages}")
    many = tuple(dispatch(f"d{n}") for n in range(200))
    with pytest.raises(sqlite3.OperationalError):
        commit(store, *many)
    files.writer.execute("PRAGMA max_page_count = 1000000")
    assert logged(files) == []
    assert eventlog.span(files.reader).newest == newest
    commit(store, dispatch("d"))
    assert [each.id for each in logged(files)] == [newest + 1]


async def test_a_waiter_wakes_when_its_event_is_stored(
    path: Path, autojump_clock: MockClock
) -> None:
    async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
        span = await journal.event_span()
        woken: list[int] = []

        async def listen() -> None:
            await journal.wait_event(span.newest)
            found = await journal.events_after(span.newest, limit=10)
            woken.extend(each.id for each in found or ())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            await trio.sleep(5)
            assert woken == []
            await journal.write(dispatch("d"))
        assert woken == [span.newest + 1]
        found = await journal.events_after(span.newest, limit=10)
        assert found is not None
        (event,) = found
        assert T0 + 5 * S <= event.at_us <= T0 + 6 * S
        await journal.wait_event(span.newest)
        with pytest.raises(ValueError, match="limit"):
            await journal.events_after(0, limit=0)
    with pytest.raises(JournalError):
        await journal.event_span()

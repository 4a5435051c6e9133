"""The journal's queries: those of a start, and the histories."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from trio.testing import MockClock

from derhead.dispatch import State
from derhead.history import BadCursor, Journal, Page, open_journal
from derhead.history.file.schema import JournalFiles
from derhead.history.queries import statements
from derhead.history.sql import listings
from derhead.history.sql.page_request import PageRequest, TimeRange
from derhead.history.writing.record_store import Group, Record, Store
from derhead.history.writing.recovery import close_lost_sessions
from derhead.telemetry import Bucket
from derproto.base.runtime import virtual_runtime
from tests.support.epoch import S
from tests.support.history.pages import buckets_of, page_of
from tests.support.history.records import dispatch, heartbeat, sample, session

T = TypeVar("T")


def write(store: Store, *records: Record) -> None:
    store.commit(Group(writes=(records,)))


def all_pages(ask: Callable[[str | None], Page[T]]) -> list[T]:
    items: list[T] = []
    cursor: str | None = None
    while True:
        page = ask(cursor)
        items.extend(page.items)
        cursor = page.next_cursor
        if cursor is None:
            return items


def test_the_latest_sample_of_each_asset(files: JournalFiles, store: Store) -> None:
    samples = [sample(n, asset=f"asset-{n % 3}") for n in range(1, 31)]
    samples.append(sample(1, asset="asset-0", boot=9, ts_us=30 * S))
    store.commit(Group(batches=(samples,)))
    assert statements.latest_samples(files.reader) == [samples[27], samples[28], samples[30]]


def test_the_newest_heartbeat_and_session_of_each_agent(files: JournalFiles, store: Store) -> None:
    for agent in ("b", "a", "c"):
        for n in range(1, 5):
            write(store, heartbeat(n * S, agent=agent))
            write(store, session(f"{agent}-{n}", agent=agent, connected_us=(7 - n) * S))
    assert statements.latest_heartbeats(files.reader) == [heartbeat(4 * S, agent=a) for a in "abc"]
    assert [each.session_id for each in statements.last_sessions(files.reader)] == [
        "a-1",
        "b-1",
        "c-1",
    ]


def test_an_empty_journal_answers(files: JournalFiles) -> None:
    assert statements.latest_samples(files.reader) == []
    assert statements.latest_heartbeats(files.reader) == []
    assert statements.last_sessions(files.reader) == []
    assert statements.open_dispatches(files.reader) == []
    assert statements.dispatch(files.reader, "d") is None
    empty: Page[object] = Page((), None)
    assert page_of(files.reader, listings.telemetry("a", PageRequest(1))) == empty
    assert buckets_of(files.reader, "a", S, PageRequest(1)) == empty
    assert page_of(files.reader, listings.sessions("a", PageRequest(1))) == empty
    assert page_of(files.reader, listings.heartbeats("a", PageRequest(1))) == empty


def test_open_dispatches_are_those_that_have_not_ended(files: JournalFiles, store: Store) -> None:
    for n, state in enumerate(State):
        write(store, dispatch(state.value, created_us=(20 - n) * S, states=(State.PENDING, state)))
    found = statements.open_dispatches(files.reader)
    assert [each.id for each in found] == ["started", "received", "sent", "pending"]
    assert found[0] == dispatch("started", created_us=17 * S, states=(State.PENDING, State.STARTED))


def test_a_range_includes_from_and_excludes_to(files: JournalFiles, store: Store) -> None:
    store.commit(Group(batches=([sample(n) for n in range(1, 10)],)))
    page = page_of(
        files.reader, listings.telemetry("asset-1", PageRequest(10, TimeRange(3 * S, 6 * S)))
    )
    assert [each.seq for each in page.items] == [5, 4, 3]
    for received in range(1, 10):
        write(store, heartbeat(received * S))
    beats = page_of(
        files.reader, listings.heartbeats("agent-1", PageRequest(10, TimeRange(3 * S, 6 * S)))
    )
    assert [each.received_us for each in beats.items] == [5 * S, 4 * S, 3 * S]
    for created in range(1, 10):
        write(store, dispatch(f"d-{created}", created_us=created * S))
    orders = page_of(files.reader, listings.dispatches(PageRequest(10, TimeRange(3 * S, 6 * S))))
    assert [each.id for each in orders.items] == ["d-5", "d-4", "d-3"]


def test_dispatches_by_asset_and_state_in_pages(files: JournalFiles, store: Store) -> None:
    orders = [
        dispatch(
            f"d-{n:02}",
            asset=f"asset-{n % 2}",
            created_us=(n // 4) * S,
            states=(State.PENDING, State.SENT) if n % 3 else (State.PENDING,),
        )
        for n in range(40)
    ]
    for order in orders:
        write(store, order)
    newest_first = sorted(orders, key=lambda each: (each.created_us, each.id), reverse=True)
    for asset_id in (None, "asset-0", "asset-1", "asset-9"):
        for states in (
            None,
            [State.PENDING],
            [State.SENT],
            [State.FAILED],
            [State.SENT, State.FAILED],
            [State.SENT, State.PENDING],
        ):
            found = all_pages(
                lambda cursor, a=asset_id, s=states: page_of(  # type: ignore[misc]
                    files.reader,
                    listings.dispatches(PageRequest(3, cursor=cursor), asset_id=a, states=s),
                )
            )
            assert found == [
                each
                for each in newest_first
                if asset_id in (None, each.asset_id) and (states is None or each.state in states)
            ]


def test_sessions_and_heartbeats_in_pages(files: JournalFiles, store: Store) -> None:
    sessions = [session(f"s-{n}", connected_us=(n // 3) * S) for n in range(10)]
    beats = [heartbeat(n * S) for n in range(10)]
    write(store, *sessions, *beats, session("x", agent="other"), heartbeat(S, agent="other"))
    assert (
        all_pages(
            lambda c: page_of(files.reader, listings.sessions("agent-1", PageRequest(3, cursor=c)))
        )
        == sessions[::-1]
    )
    assert (
        all_pages(
            lambda c: page_of(
                files.reader, listings.heartbeats("agent-1", PageRequest(3, cursor=c))
            )
        )
        == beats[::-1]
    )


def test_the_last_power_has_the_greatest_time_agent_boot_and_sequence(
    files: JournalFiles, store: Store
) -> None:
    store.commit(
        Group(
            batches=(
                [
                    # As text, 10 is less than 9.
                    sample(5, boot=10, ts_us=S, p_mw=1.0),
                    sample(8, agent="agent-0", boot=99, ts_us=S, p_mw=2.5),
                    sample(1, boot=9, ts_us=S, p_mw=2.0),
                    sample(2, boot=9, ts_us=S, p_mw=3.0),
                    sample(9, boot=9, ts_us=S, p_mw=None),
                    sample(3, ts_us=11 * S, p_mw=None),
                ],
            )
        )
    )
    page = buckets_of(files.reader, "asset-1", 10 * S, PageRequest(9))
    assert page.items == (
        Bucket(10 * S, 1, None, None, None, None),
        Bucket(0, 5, 2.125, 1.0, 3.0, 3.0),
    )


def test_lost_sessions_end_when_their_agents_were_last_heard(
    files: JournalFiles, store: Store
) -> None:
    store.commit(
        Group(
            batches=(
                [
                    sample(n, asset="asset-1", agent="measured", boot=4, ts_us=n * S)
                    for n in range(1, 60)
                ],
                [sample(3, asset="asset-2", agent="beaten", boot=1, ts_us=90 * S)],
            ),
            notes=(
                session("measured", agent="measured", boot=4, connected_us=10 * S),
                session("beaten", agent="beaten", boot=5, assets=("asset-2",), connected_us=10 * S),
                session("mute", agent="mute", assets=("asset-9",), connected_us=10 * S),
                session("older", agent="twice", assets=(), connected_us=10 * S),
                session("newer", agent="twice", assets=(), connected_us=30 * S),
                session("ended", agent="ended", ended_us=11 * S, end_reason="silent"),
                heartbeat(5 * S, agent="mute"),
                heartbeat(40 * S, agent="beaten"),
                heartbeat(20 * S, agent="twice"),
                heartbeat(50 * S, agent="twice"),
            ),
        )
    )
    assert close_lost_sessions(store, 100 * S, "headend lost") == 5
    ends = {
        each.session_id: (each.ended_us, each.end_reason)
        for agent in ("measured", "beaten", "mute", "twice", "ended")
        for each in page_of(files.reader, listings.sessions(agent, PageRequest(9))).items
    }
    assert ends == {
        "measured": (59 * S + 7, "headend lost"),
        "beaten": (40 * S, "headend lost"),
        "mute": (100 * S, "headend lost"),
        "older": (20 * S, "headend lost"),
        "newer": (50 * S, "headend lost"),
        "ended": (11 * S, "silent"),
    }
    assert close_lost_sessions(store, 100 * S, "headend lost") == 0


def test_no_query_reads_a_whole_table(files: JournalFiles, store: Store) -> None:
    write(store, dispatch("d"), session(), heartbeat(S))
    store.commit(Group(batches=([sample(1)],)))
    asked: list[str] = []
    con = files.reader
    con.set_trace_callback(asked.append)
    statements.latest_samples(con)
    statements.latest_heartbeats(con)
    statements.last_sessions(con)
    statements.open_dispatches(con)
    statements.dispatch(con, "d")
    page = page_of(con, listings.telemetry("asset-1", PageRequest(1, TimeRange(0, 9 * S))))
    assert page.items
    buckets_of(con, "asset-1", S, PageRequest(1, TimeRange(0, 9 * S)))
    page_of(con, listings.sessions("agent-1", PageRequest(1)))
    page_of(con, listings.heartbeats("agent-1", PageRequest(1, TimeRange(0, 9 * S))))
    for asset_id in (None, "asset-1"):
        for states in (None, [State.SENT], [State.SENT, State.COMPLETED]):
            page_of(
                con,
                listings.dispatches(
                    PageRequest(1, TimeRange(0, 9 * S)), asset_id=asset_id, states=states
                ),
            )
    page_of(con, listings.dispatches(PageRequest(1, TimeRange(0, 9 * S)), asset_ids=["asset-1"]))
    con.set_trace_callback(None)
    questions = [sql for sql in asked if "SELECT" in sql]
    assert len(questions) >= 15
    for sql in questions:
        plan = [step for *_, step in con.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()]
        scanned = {step.split()[1] for step in plan if step.startswith("SCAN")}
        # Assets, and rows that the statement itself makes, are few.
        assert scanned <= {"a", "agents", "spans", "json_each", "CONSTANT", "s4", "s5", "s6"}, (
            plan,
            sql,
        )
        # A page sorts at most the rows of one time, or one page for each of several states.
        is_page = re.search(r"LIMIT \d+$", sql) is not None and "UNION ALL" not in sql
        assert not (is_page and "USE TEMP B-TREE FOR ORDER BY" in plan), (plan, sql)


def test_steps_cost_what_their_rows_cost(files: JournalFiles, store: Store) -> None:
    store.commit(Group(batches=([sample(n) for n in range(1, 5001)],)))
    looks: list[None] = []
    con = files.reader
    con.set_progress_handler(lambda: looks.append(None), 1000)
    page = buckets_of(con, "asset-1", 10 * S, PageRequest(1000))
    con.set_progress_handler(None, 0)
    assert len(page.items) == 501
    # Some hundred of SQLite's steps a row, however many time steps there are.
    assert len(looks) < 5000 * 200 / 1000


async def test_queries_out_of_range_are_refused(path: Path, autojump_clock: MockClock) -> None:
    async with open_journal(path, virtual_runtime(0), synchronous="OFF") as journal:
        await write_two(journal)
        page = await journal.telemetry_history("asset-1", PageRequest(1))
        with pytest.raises(BadCursor, match="another query"):
            await journal.telemetry_history("asset-2", PageRequest(1, cursor=page.next_cursor))
        with pytest.raises(BadCursor, match="another query"):
            await journal.telemetry_buckets(
                "asset-1", PageRequest(1, cursor=page.next_cursor), step_us=S
            )
        for text in ("", "x", "null"):
            with pytest.raises(BadCursor):
                await journal.dispatch_history(PageRequest(1, cursor=text))
            with pytest.raises(BadCursor):
                await journal.sessions("agent-1", PageRequest(1, cursor=text))
            with pytest.raises(BadCursor):
                await journal.heartbeats("agent-1", PageRequest(1, cursor=text))
        with pytest.raises(ValueError, match="limit is 0"):
            await journal.telemetry_history("asset-1", PageRequest(0))
        with pytest.raises(ValueError, match="step_us is -1"):
            await journal.telemetry_buckets("asset-1", PageRequest(1), step_us=-1)
        with pytest.raises(ValueError, match="step_us is 1"):
            await journal.telemetry_buckets("asset-1", PageRequest(1), step_us=10**30)
        far = 10**30
        assert (
            await journal.telemetry_history("asset-1", PageRequest(1, TimeRange(far)))
        ).items == ()
        assert (
            len((await journal.heartbeats("agent-1", PageRequest(9, TimeRange(-far, far)))).items)
            == 1
        )


async def write_two(journal: Journal) -> None:
    await journal.append_telemetry([sample(1), sample(2)], lambda: None)
    await journal.write(heartbeat(S))

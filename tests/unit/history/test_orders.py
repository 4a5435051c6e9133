"""Groups, keys, and dispatches without a verdict."""

from dataclasses import replace

import pytest

from derhead.dispatch import (
    DispatchGroup,
    ForgetKeys,
    Judged,
    LeftOut,
    Reading,
    ReadingRange,
    State,
    UsedKey,
)
from derhead.history import BadCursor
from derhead.history.file.schema import JournalFiles
from derhead.history.queries import order_lookups, statements
from derhead.history.sql import listings
from derhead.history.sql.page_request import PageRequest
from derhead.history.writing.record_store import Group, Record, Store
from tests.support.epoch import S
from tests.support.history.pages import page_of
from tests.support.history.records import dispatch, sample

GROUP = DispatchGroup(
    id="group",
    site_id="site-1",
    mw=-2.5,
    created_us=10 * S,
    start_us=11 * S,
    duration_us=60 * S,
    priority=3,
    ramp_mw_per_s=0.1,
    expires_us=910 * S,
    left_out=(LeftOut("asset-9", "offline"),),
    cancelling="by hand",
)


def write(store: Store, *records: Record) -> None:
    outcome = store.commit(Group(writes=(records,)))
    assert not outcome.refused_writes


def key(name: str, created_us: int = S, fingerprint: str = "f") -> UsedKey:
    return UsedKey(name, fingerprint, "dispatch", "d", created_us)


def test_parts_of_one_moment_come_by_asset_however_their_ids_fell(
    files: JournalFiles, store: Store
) -> None:
    parts = [replace(dispatch(name), asset_id=asset) for name, asset in (("b", "1"), ("a", "2"))]
    write(store, GROUP, *reversed(parts))
    assert statements.group(files.reader, "group") == (GROUP, parts)
    assert statements.open_dispatches(files.reader) == parts


def test_a_group_comes_back_with_its_parts(files: JournalFiles, store: Store) -> None:
    parts = [dispatch("b", created_us=10 * S), dispatch("a", created_us=12 * S)]
    other = replace(dispatch("c"), group_id="other")
    write(store, GROUP, *parts, other)
    assert statements.group(files.reader, "group") == (GROUP, parts)
    assert statements.group(files.reader, "other") is None
    bare = DispatchGroup("bare", "site-1", 1.0, S, S, None)
    write(store, bare)
    assert statements.group(files.reader, "bare") == (bare, [])


def test_a_withdrawal_replaces_the_stored_group_and_stays(
    files: JournalFiles, store: Store
) -> None:
    ordered = replace(GROUP, cancelling=None)
    write(store, ordered)
    for arriving in (GROUP, ordered):
        write(store, arriving)
        assert statements.group(files.reader, "group") == (GROUP, [])


@pytest.mark.parametrize("state", list(State))
def test_a_group_is_open_while_a_part_is(files: JournalFiles, store: Store, state: State) -> None:
    ended = dispatch("a", states=(State.PENDING, State.COMPLETED))
    write(store, GROUP, ended, dispatch("b", states=(State.PENDING, state)))
    is_open = state in (State.PENDING, State.SENT, State.RECEIVED, State.STARTED)
    assert order_lookups.open_groups(files.reader) == ([GROUP] if is_open else [])


def test_a_key_is_kept_with_its_order(files: JournalFiles, store: Store) -> None:
    write(store, dispatch("d"), key("k"))
    assert order_lookups.used_key(files.reader, "k") == key("k")
    assert order_lookups.used_key(files.reader, "K") is None
    write(store, key("k", 9 * S, "g"))
    assert order_lookups.used_key(files.reader, "k") == key("k", 9 * S, "g")
    assert order_lookups.count_keys(files.reader) == 1


def test_the_oldest_keys_are_forgotten(files: JournalFiles, store: Store) -> None:
    write(store, *(key(f"k{n}", n * S) for n in range(10)))
    write(store, ForgetKeys(before_us=5 * S, at_most=3))
    left = [f"k{n}" for n in range(10) if order_lookups.used_key(files.reader, f"k{n}")]
    assert left == [f"k{n}" for n in range(3, 10)]
    write(store, ForgetKeys(before_us=5 * S, at_most=100))
    assert order_lookups.count_keys(files.reader) == 5


def test_ended_dispatches_without_a_verdict_are_listed(files: JournalFiles, store: Store) -> None:
    for n, state in enumerate(State):
        write(store, dispatch(f"d{n}", created_us=n * S, states=(State.PENDING, state)))
    ended = ["d4", "d5", "d6", "d7", "d8", "d9"]
    assert [each.id for each in order_lookups.unjudged(files.reader, None, 99)] == ended
    assert [each.id for each in order_lookups.unjudged(files.reader, None, 2)] == ended[:2]
    assert [each.id for each in order_lookups.unjudged(files.reader, (5 * S, "d5"), 2)] == ended[
        2:4
    ]
    write(store, Judged("d4", '{"outcome":"achieved"}'), Judged("d6", "{}"), Judged("no", "{}"))
    assert [each.id for each in order_lookups.unjudged(files.reader, None, 99)] == [
        "d5",
        *ended[3:],
    ]
    kept = statements.dispatch(files.reader, "d4")
    assert kept is not None
    assert kept.verdict == '{"outcome":"achieved"}'
    assert (
        kept.states == dispatch("d4", created_us=4 * S, states=(State.PENDING, ended_as(4))).states
    )


def ended_as(place: int) -> State:
    return list(State)[place]


def test_dispatches_without_a_verdict_are_found_by_their_index(files: JournalFiles) -> None:
    asked: list[str] = []
    files.reader.set_trace_callback(asked.append)
    order_lookups.unjudged(files.reader, None, 9)
    files.reader.set_trace_callback(None)
    (query,) = [each for each in asked if each.startswith("SELECT d.id")]
    plan = str(files.reader.execute(f"EXPLAIN QUERY PLAN {query}").fetchall())
    assert "dispatches_unjudged" in plan
    assert "TEMP B-TREE" not in plan


def test_readings_are_newest_first_in_pages(files: JournalFiles, store: Store) -> None:
    store.commit(
        Group(batches=([sample(n, p_mw=n / 10) for n in range(1, 10)], [sample(5, asset="b")]))
    )
    stretch = ReadingRange("asset-1", 2 * S, 8 * S)
    nobody = ReadingRange("nobody", 0, 8 * S)
    first, none = order_lookups.readings(files.reader, [stretch, nobody], 4)
    assert first == [Reading((n * S, 1, n), n / 10, 8) for n in (7, 6, 5, 4)]
    assert none == []
    (rest,) = order_lookups.readings(files.reader, [replace(stretch, before=first[-1].key)], 4)
    assert [each.key[0] for each in rest] == [3 * S, 2 * S]


def test_a_sites_history_has_the_dispatches_of_its_assets(
    files: JournalFiles, store: Store
) -> None:
    for n in range(9):
        write(store, dispatch(f"d{n}", asset=f"asset-{n % 3}", created_us=n * S))
    seen = []
    cursor = None
    while True:
        page = page_of(
            files.reader,
            listings.dispatches(PageRequest(2, cursor=cursor), asset_ids=["asset-0", "asset-2"]),
        )
        seen += [each.id for each in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ["d8", "d6", "d5", "d3", "d2", "d0"]
    first = page_of(files.reader, listings.dispatches(PageRequest(2), asset_ids=["asset-0"]))
    assert first.next_cursor is not None
    with pytest.raises(BadCursor):
        page_of(files.reader, listings.dispatches(PageRequest(2, cursor=first.next_cursor)))
    nobody = page_of(files.reader, listings.dispatches(PageRequest(2), asset_ids=[]))
    assert nobody.items == ()

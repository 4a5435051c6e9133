"""Retention's deletions, on a real file."""

import sqlite3
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derhead.dispatch import DispatchGroup, State
from derhead.history.file import facts
from derhead.history.file.room import truncate_wal
from derhead.history.file.schema import JournalFiles
from derhead.history.retention import deleting, measuring, policy
from derhead.history.retention.policy import Cutoff
from derhead.history.spool.unfed import Spooling
from derhead.history.writing.record_store import Group, Store
from derhead.telemetry import Sample
from tests.support.epoch import HOUR_US, S
from tests.support.history.records import dispatch, entry, gap, heartbeat, level, sample, session


def sweep(
    con: sqlite3.Connection, cut: Cutoff, *, at_most: int = 1000, fed: bool = False
) -> Counter[str]:
    """Deletes everything before the cut, step by step."""
    deleted = Counter[str]()
    for table in deleting.DELETES:
        position: deleting.Position = ()
        for _ in range(10_000):
            step = deleting.delete(con, table, cut, fed, position, at_most)
            deleted[table] += step.rows
            position = step.position
            if step.done:
                break
        else:
            pytest.fail(f"{table} is never done")
    return +deleted


def at(us: int) -> Cutoff:
    return Cutoff(us, us, us)


def keys(con: sqlite3.Connection, table: str, column: str) -> list[object]:
    return [row[0] for row in con.execute(f"SELECT {column} FROM {table} ORDER BY 1")]


@settings(max_examples=40, deadline=None)
@given(
    seconds=st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 20)), max_size=60),
    cut=st.integers(-1, 21),
    at_most=st.integers(1, 7),
)
def test_only_samples_before_the_cut_are_deleted(
    tmp_path_factory: pytest.TempPathFactory, seconds: list[tuple[str, int]], cut: int, at_most: int
) -> None:
    files = JournalFiles(tmp_path_factory.mktemp("journal") / "journal.db", "OFF")
    try:
        rows: list[Sample] = [
            sample(seq, asset=asset, ts_us=second) for seq, (asset, second) in enumerate(seconds)
        ]
        Store(files.writer).commit(Group(batches=(rows,)))
        deleted = sweep(files.writer, at(cut), at_most=at_most)
        assert keys(files.writer, "telemetry", "seq") == [
            seq for seq, (_, second) in enumerate(seconds) if second >= cut
        ]
        gone = sum(second < cut for _, second in seconds)
        assert deleted["telemetry"] == gone
        known = facts.get_int(files.writer, facts.TELEMETRY_FROM_US)
        assert known == (cut if gone else None)
    finally:
        files.close()


def test_the_horizon_never_moves_back(files: JournalFiles, store: Store) -> None:
    store.commit(Group(batches=([sample(1), sample(5)],)))
    sweep(files.writer, at(9 * S))
    store.commit(Group(batches=([sample(2)],)))
    assert sweep(files.writer, at(3 * S)) == {"telemetry": 1}
    assert facts.get_int(files.writer, facts.TELEMETRY_FROM_US) == 9 * S


def test_heartbeats_are_deleted_by_arrival(files: JournalFiles, store: Store) -> None:
    notes = [heartbeat(n * S, agent=agent) for n in range(9) for agent in ("a", "b")]
    store.commit(Group(notes=tuple(notes)))
    assert sweep(files.writer, at(5 * S), at_most=2) == {"heartbeats": 10}
    assert keys(files.writer, "heartbeats", "received_us") == [
        n * S for n in (5, 5, 6, 6, 7, 7, 8, 8)
    ]


def test_open_sessions_and_each_agents_newest_stay(files: JournalFiles, store: Store) -> None:
    store.commit(
        Group(
            notes=(
                session("over", connected_us=1 * S, ended_us=2 * S),
                session("ended late", connected_us=2 * S, ended_us=50 * S),
                session("open", connected_us=3 * S),
                session("newest", connected_us=4 * S, ended_us=5 * S),
                session("of another", agent="b", connected_us=1 * S, ended_us=2 * S),
            )
        )
    )
    assert sweep(files.writer, at(10 * S)) == {"sessions": 1}
    left = ["ended late", "newest", "of another", "open"]
    assert keys(files.writer, "sessions", "session_id") == left


def test_open_and_recently_ended_dispatches_stay(files: JournalFiles, store: Store) -> None:
    done = (State.PENDING, State.SENT, State.CANCELLED)
    store.commit(
        Group(
            writes=(
                (dispatch("over", created_us=1 * S, states=done),),
                (dispatch("open", created_us=1 * S),),
                (dispatch("late", created_us=10 * S - 1, states=done),),
                (dispatch("newer", created_us=20 * S, states=done),),
            )
        )
    )
    assert sweep(files.writer, at(10 * S), at_most=1) == {"dispatches": 1}
    left = ["late", "newer", "open"]
    assert keys(files.writer, "dispatches", "id") == left
    assert sorted(set(map(str, keys(files.writer, "dispatch_states", "dispatch_id")))) == left


def test_a_group_is_deleted_with_its_last_part(files: JournalFiles, store: Store) -> None:
    def group(name: str) -> DispatchGroup:
        return DispatchGroup(name, "site", 1.0, S, S, None, expires_us=None)

    ended = (State.PENDING, State.CANCELLED)
    store.commit(
        Group(
            writes=(
                (group("group"), dispatch("part", created_us=S, states=ended)),
                (dispatch("other part", created_us=S),),
                (group("without parts"),),
            )
        )
    )
    assert sweep(files.writer, at(10 * S)) == {"dispatches": 1, "dispatch_groups": 1}
    assert keys(files.writer, "dispatch_groups", "id") == ["group"]
    store.commit(Group(writes=((dispatch("other part", created_us=S, states=ended),),)))
    assert sweep(files.writer, at(10 * S), at_most=1) == {"dispatches": 1, "dispatch_groups": 1}


def test_closed_gaps_before_the_cut_are_deleted(files: JournalFiles) -> None:
    for name, end_us in (("closed", 2 * S), ("late", 20 * S), ("open", None)):
        files.writer.execute(
            "INSERT INTO gaps VALUES (?, 'asset', NULL, 1, ?, 'link', NULL, 0, NULL, 0, 1)",
            (name, end_us),
        )
    assert sweep(files.writer, at(10 * S)) == {"gaps": 1}
    assert keys(files.writer, "gaps", "id") == ["late", "open"]


def test_an_agent_cannot_fill_the_journal_with_gaps(files: JournalFiles) -> None:
    # Open gaps in the far future: no age would ever delete them.
    for asset in ("flooded", "calm"):
        for n in range(policy.NEWEST_KEPT + (500 if asset == "flooded" else 0)):
            files.writer.execute(
                "INSERT INTO gaps VALUES (?, ?, NULL, ?, NULL, 'link', NULL, 0, NULL, 0, 1)",
                (f"{asset}{n:05}", asset, 2**60),
            )
    assert sweep(files.writer, at(0), at_most=300) == {"gaps": 500}
    left = keys(files.writer, "gaps", "id")
    assert len(left) == 2 * policy.NEWEST_KEPT
    assert "flooded00499" not in left
    assert "flooded00500" in left
    assert facts.get_int(files.writer, facts.RECORDS_FROM_US) == 2**60 + 1


def test_each_asset_keeps_as_many_gaps_as_its_share_allows(
    files: JournalFiles, store: Store
) -> None:
    store.commit(Group(notes=tuple(gap(f"{n:03}{a}", asset=a) for a in "abc" for n in range(200))))
    assert measuring.count_gap_assets(files.writer) == 3
    assert sweep(files.writer, Cutoff(0, 0, 0, gaps_kept=150)) == {"gaps": 150}
    left = Counter(files.writer.execute("SELECT asset_id FROM gaps"))
    assert left == {("a",): 150, ("b",): 150, ("c",): 150}
    files.writer.execute("DELETE FROM gaps")
    assert measuring.count_gap_assets(files.writer) == 0


def test_an_agent_cannot_fill_the_journal_with_sessions(files: JournalFiles, store: Store) -> None:
    ended = [
        session(f"s{n:05}", connected_us=n * S, ended_us=n * S + 1)
        for n in range(policy.NEWEST_KEPT + 10)
    ]
    store.commit(Group(notes=(*ended, session("open", connected_us=0))))
    spool(files.writer, 5 * S, None)
    facts.put(files.writer, facts.FED_WHOLE, 1)
    # Neither the open session is deleted, nor what PostgreSQL was not fed.
    assert sweep(files.writer, at(0), fed=True) == {"sessions": 5}
    files.writer.execute("DELETE FROM unfed")
    assert sweep(files.writer, at(0), fed=True) == {"sessions": 5}
    assert keys(files.writer, "sessions", "session_id")[:2] == ["open", "s00010"]


def test_the_oldest_of_samples_and_heartbeats_is_found(files: JournalFiles, store: Store) -> None:
    assert measuring.read_oldest(files.writer) is None
    store.commit(Group(notes=(session("s", agent="a"), heartbeat(7 * S, agent="a"))))
    assert measuring.read_oldest(files.writer) == 7 * S
    store.commit(Group(batches=([sample(9), sample(3)],)))
    assert measuring.read_oldest(files.writer) == 3 * S


def spool(con: sqlite3.Connection, committed_us: int, oldest_ts_us: int | None) -> None:
    con.execute(
        "INSERT INTO unfed (committed_us, rows, oldest_ts_us, payload) VALUES (?, 1, ?, '')",
        (committed_us, oldest_ts_us),
    )


def test_rows_that_postgresql_was_not_fed_stay(files: JournalFiles, store: Store) -> None:
    store.commit(
        Group(
            batches=([sample(n) for n in range(10)],),
            notes=tuple(heartbeat(n * S) for n in range(10)),
        )
    )
    # Until older rows are fed, nothing is deleted.
    assert sweep(files.writer, at(9 * S), fed=True) == {}
    assert facts.get(files.writer, facts.TELEMETRY_FROM_US) is None
    facts.put(files.writer, facts.FED_WHOLE, 1)
    spool(files.writer, 4 * S, None)
    spool(files.writer, 7 * S, 6 * S)
    spool(files.writer, 8 * S, 7 * S)
    assert sweep(files.writer, at(9 * S), fed=True) == {"telemetry": 6, "heartbeats": 4}
    assert facts.get_int(files.writer, facts.TELEMETRY_FROM_US) == 6 * S
    files.writer.execute("DELETE FROM unfed")
    assert sweep(files.writer, at(9 * S), fed=True) == {"telemetry": 3, "heartbeats": 5}


def test_the_audit_trail_outlives_everything_else(files: JournalFiles, store: Store) -> None:
    store.commit(Group(notes=tuple(entry(f"e{n}", n * S) for n in range(9))))
    assert sweep(files.writer, at(2**60)) == {}
    assert sweep(files.writer, replace(at(2**60), audit_us=4 * S), at_most=3) == {"audit": 4}
    assert facts.get_int(files.writer, facts.AUDIT_FROM_US) == 4 * S
    assert keys(files.writer, "audit", "id") == [f"e{n}" for n in range(4, 9)]


def test_the_audit_trail_has_a_bound_and_keeps_what_postgresql_lacks(
    files: JournalFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deleting, "AUDIT_KEPT", 5)
    store = Store(files.writer, Spooling())
    facts.put(files.writer, facts.FED_WHOLE, 1)
    store.commit(Group(notes=tuple(entry(f"e{n}", n * S) for n in range(9)), now_us=0))
    assert sweep(files.writer, at(0), fed=True) == {}
    files.writer.execute("DELETE FROM unfed")
    assert sweep(files.writer, at(0), fed=True) == {"audit": 4}
    assert facts.get_int(files.writer, facts.AUDIT_FROM_US) == 3 * S + 1


def test_old_hours_of_service_levels_go_and_those_that_postgresql_lacks_stay(
    files: JournalFiles,
) -> None:
    store = Store(files.writer, Spooling())
    facts.put(files.writer, facts.FED_WHOLE, 1)
    store.commit(Group(notes=tuple(level(n * HOUR_US) for n in range(9)), now_us=7 * HOUR_US))
    cut = replace(at(0), levels_us=8 * HOUR_US)
    assert sweep(files.writer, cut, fed=True, at_most=2) == {"service_levels": 5}
    assert facts.get_int(files.writer, facts.LEVELS_FROM_US) == 5 * HOUR_US
    files.writer.execute("DELETE FROM unfed")
    assert sweep(files.writer, cut, fed=True) == {"service_levels": 3}
    assert keys(files.writer, "service_levels", "hour_us") == [8 * HOUR_US]


def test_free_pages_are_given_back_to_the_disk(files: JournalFiles, store: Store) -> None:
    store.commit(Group(batches=([sample(n) for n in range(20_000)],)))
    full = measuring.read_sizes(files.writer)
    assert full.file_bytes > 1_000_000
    assert truncate_wal(files.writer)
    assert measuring.read_sizes(files.writer).wal_bytes == 0
    sweep(files.writer, at(2**60))
    swept = measuring.read_sizes(files.writer)
    assert swept.free_pages > 200
    assert swept.used_bytes < full.used_bytes / 2
    deleting.vacuum(files.writer, 100)
    given_back = measuring.read_sizes(files.writer)
    assert (given_back.pages, given_back.free_pages) == (swept.pages - 100, swept.free_pages - 100)


def test_truncating_the_wal_does_not_wait_for_a_long_reader(
    files: JournalFiles, store: Store
) -> None:
    store.commit(Group(batches=([sample(1)],)))
    files.reader.execute("BEGIN")
    files.reader.execute("SELECT * FROM telemetry").fetchone()
    store.commit(Group(batches=([sample(2)],)))
    assert not truncate_wal(files.writer)
    assert files.writer.execute("PRAGMA busy_timeout").fetchone() == (5000,)
    files.reader.execute("COMMIT")
    assert truncate_wal(files.writer)

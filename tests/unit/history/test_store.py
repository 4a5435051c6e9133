"""Groups become transactions, whole or not at all; a bad value is refused with its unit only."""

import math
import sqlite3
from dataclasses import replace

import pytest

from derhead.dispatch import State
from derhead.gaps import HoleCause
from derhead.history.file.schema import JournalFiles
from derhead.history.queries import statements
from derhead.history.sql import listings
from derhead.history.sql.page_request import PageRequest, TimeRange
from derhead.history.writing import ids
from derhead.history.writing.record_store import Group, Store
from derhead.service_levels import LevelHour
from tests.support.epoch import S
from tests.support.history.pages import page_of
from tests.support.history.records import dispatch, gap, heartbeat, level, sample, session


def seqs(files: JournalFiles, asset: str = "asset-1") -> list[int]:
    page = page_of(files.reader, listings.telemetry(asset, PageRequest(100_000)))
    return [each.seq for each in page.items]


def test_samples_come_back_as_they_were(files: JournalFiles, store: Store) -> None:
    samples = [
        sample(1),
        sample(2, p_mw=None),
        sample(2**63 - 1, ts_us=3 * S, boot=1),
        replace(sample(4), q_mvar=None, soc=None, voltage_v=None, setpoint_mw=None),
    ]
    outcome = store.commit(Group(batches=(samples,)))
    assert outcome.inserted_rows == 4
    page = page_of(files.reader, listings.telemetry("asset-1", PageRequest(10)))
    assert list(reversed(page.items)) == samples


def test_a_resent_sample_is_not_stored_again(files: JournalFiles, store: Store) -> None:
    first, second = [sample(1), sample(2)], [sample(2, p_mw=9.0), sample(3)]
    store.commit(Group(batches=(first,)))
    outcome = store.commit(Group(batches=(second, second)))
    assert (outcome.inserted_rows, outcome.duplicate_rows) == (1, 3)
    page = page_of(files.reader, listings.telemetry("asset-1", PageRequest(10)))
    assert [each.p_mw for each in page.items] == [1.5, 1.5, 1.5]


def test_a_clock_set_back_or_another_boot_loses_nothing(files: JournalFiles, store: Store) -> None:
    samples = [sample(1, ts_us=S), sample(2, ts_us=S), sample(1, ts_us=S, boot=5)]
    samples.append(sample(1, ts_us=S, agent="agent-2"))
    assert store.commit(Group(batches=(samples,))).inserted_rows == 4


def test_more_rows_than_one_statement_takes(files: JournalFiles, store: Store) -> None:
    many = [sample(n) for n in range(1, 6_001)]
    assert store.commit(Group(batches=(many,))).inserted_rows == 6_000
    assert seqs(files) == list(range(6_000, 0, -1))


def test_not_a_number_means_unknown(files: JournalFiles, store: Store) -> None:
    store.commit(Group(batches=([sample(1, p_mw=math.nan)],)))
    (stored,) = page_of(files.reader, listings.telemetry("asset-1", PageRequest(1))).items
    assert stored.p_mw is None


def test_counters_beyond_the_stores_integers_stay_at_its_largest(
    files: JournalFiles, store: Store
) -> None:
    outcome = store.commit(Group(notes=(heartbeat(S, outbox_rows=2**64 - 1),)))
    assert not outcome.refused_notes
    (stored,) = statements.latest_heartbeats(files.reader)
    assert (stored.outbox_rows, stored.uptime_ms) == (2**63 - 1, 2**63 - 1)


def test_an_unstorable_value_is_refused_with_its_unit_only(
    files: JournalFiles, store: Store
) -> None:
    bad_sample = sample(2**63, asset="asset-9", ts_us=S)
    bad_write = replace(dispatch("bad"), mw=math.nan)
    outcome = store.commit(
        Group(
            batches=([sample(1)], [sample(2), bad_sample], [sample(3)]),
            notes=(heartbeat(2**63), heartbeat(S)),
            writes=((dispatch("good"),), (dispatch("with bad"), bad_write)),
        )
    )
    assert set(outcome.refused_batches) == {1}
    assert set(outcome.refused_notes) == {0}
    assert set(outcome.refused_writes) == {1}
    assert outcome.inserted_rows == 2
    assert seqs(files) == [3, 1]
    assert [each.id for each in statements.open_dispatches(files.reader)] == ["good"]
    assert statements.latest_heartbeats(files.reader) == [heartbeat(S)]
    # Ids for the refused rows were rolled back, and are made again when needed.
    store.commit(Group(batches=([sample(5, asset="asset-9")],)))
    assert seqs(files, "asset-9") == [5]


def test_a_failed_group_leaves_nothing_and_fits_once_there_is_room(
    files: JournalFiles, store: Store
) -> None:
    store.commit(Group(batches=([sample(1)],)))
    pages = files.writer.execute("PRAGMA page_count").fetchone()[0]
    files.writer.execute(f"PRAGMA max_page_count = {pages}")
    group = Group(
        batches=([sample(n, asset=f"asset-{n % 7}") for n in range(2, 3_000)],),
        notes=(heartbeat(S),),
        writes=((dispatch("d"), session()),),
    )
    with pytest.raises(sqlite3.OperationalError, match="full"):
        store.commit(group)
    assert seqs(files) == [1]
    assert statements.open_dispatches(files.reader) == []
    assert statements.last_sessions(files.reader) == []
    files.writer.execute("PRAGMA max_page_count = 1000000")
    assert store.commit(group).inserted_rows == 2_998
    assert seqs(files, "asset-3") == sorted(
        (n for n in range(2, 3_000) if n % 7 == 3), reverse=True
    )


def test_a_dispatch_replaces_the_stored_one(files: JournalFiles, store: Store) -> None:
    early = dispatch("d", states=(State.PENDING, State.SENT))
    late = dispatch("d", states=(State.PENDING, State.SENT, State.RECEIVED, State.STARTED))
    store.commit(Group(writes=((early,),)))
    assert statements.dispatch(files.reader, "d") == early
    store.commit(Group(writes=((replace(late, applied_mw=1.0),), (late,))))
    assert statements.dispatch(files.reader, "d") == late


def test_a_stored_end_of_a_session_stays(files: JournalFiles, store: Store) -> None:
    store.commit(Group(notes=(session(),)))
    store.commit(Group(writes=((session(ended_us=9 * S, end_reason="silent", messages=7),),)))
    store.commit(Group(notes=(session(messages=3),)))
    assert statements.last_sessions(files.reader) == [
        session(ended_us=9 * S, end_reason="silent", messages=7)
    ]


def test_cached_ids_are_bounded(
    files: JournalFiles, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ids, "CACHED_IDS", 3)
    for n in range(10):
        batch = [sample(n, asset=f"asset-{(n + k) % 10}", boot=n + k + 1) for k in range(3)]
        assert store.commit(Group(batches=(batch,))).inserted_rows == 3
    assert seqs(files, "asset-4") == [4, 3, 2]


def test_a_gaps_newest_record_stays_in_any_order(files: JournalFiles, store: Store) -> None:
    newer = gap(revision=3, filled_us=60 * S, backfilled=True)
    store.commit(Group(notes=(gap(revision=2), newer)))
    store.commit(Group(notes=(gap(revision=1),)))
    store.commit(Group(notes=(replace(newer, end_us=80 * S), replace(newer, end_us=None))))
    no_more = gap("nothing", cause=HoleCause.NONE)
    lasting = replace(gap("later", start_us=50 * S, end_us=None), rows=2**64)
    store.commit(Group(notes=(lasting, no_more, gap("other", asset="asset-2"))))

    def asked(from_us: int | None, to_us: int | None) -> list[str]:
        page = PageRequest(10, TimeRange(from_us, to_us))
        return [each.id for each in page_of(files.reader, listings.gaps("asset-1", page)).items]

    assert asked(None, None) == ["later", "gap-1"]
    assert asked(61 * S, 70 * S) == ["later"]
    assert asked(60 * S, 61 * S) == ["later", "gap-1"]
    assert asked(None, 50 * S) == ["gap-1"]
    page = PageRequest(10, TimeRange(to_us=50 * S))
    assert page_of(files.reader, listings.gaps("asset-1", page)).items == (newer,)


def test_an_hour_that_counts_more_time_stays_in_any_order(
    files: JournalFiles, store: Store
) -> None:
    hour = level(3 * S, seen_us=60 * S)
    store.commit(Group(notes=(hour, level(2 * S), level(3 * S, asset="asset-2"))))
    store.commit(Group(notes=(level(3 * S, seen_us=50 * S),)))

    def last(before_us: int) -> list[LevelHour]:
        return statements.last_levels(files.reader, ["asset-1", "asset-9"], before_us)

    assert last(4 * S) == [hour]
    assert last(3 * S) == [level(2 * S)]
    same = replace(hour, reconnects=1)
    store.commit(Group(notes=(same,)))
    assert last(4 * S) == [same]

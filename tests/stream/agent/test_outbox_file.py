"""Samples that survive a restart, and gaps that are reported until acknowledged."""

import sqlite3
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from deragent.event_lines import EventKind
from deragent.outbox import OutboxLimits
from derproto.der import v1
from tests.stream.agent.conftest import Bench


def file_rows(folder: Path) -> list[tuple[int, int]]:
    """(boot, number) of each row in the file, as another process sees it."""
    with sqlite3.connect(folder / "outbox.db") as db:
        rows = db.execute("SELECT boot, seq FROM rows ORDER BY boot, seq").fetchall()
    db.close()
    return rows


def overwrite(path: Path) -> None:
    """Overwrites the first page of a file with zeros."""
    with path.open("r+b") as file:
        file.write(b"\0" * 4096)


async def test_the_disk_is_left_alone_while_acknowledgements_come(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path
) -> None:
    await bench.start_agent(assets=3, data=tmp_path)
    await trio.sleep(600)
    assert file_rows(tmp_path) == []
    bench.headend_leaves()
    # Shorter than SPILL_AFTER_S.
    await trio.sleep(4)
    bench.headend_returns()
    await trio.sleep(120)
    assert file_rows(tmp_path) == []
    assert bench.statistics.outbox_rows == 0


async def test_in_an_outage_rows_are_soon_on_disk_and_come_back_from_there(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path
) -> None:
    bench.headend.welcome.telemetry_period_ms = 1000
    await bench.start_agent(data=tmp_path)
    await trio.sleep(30.5)
    bench.headend_leaves()
    for _ in range(120):
        await trio.sleep(1)
        waiting = bench.statistics.outbox_rows
        # Memory holds 10 s until it is clear that nothing is acknowledged, then 2 s.
        assert waiting - len(file_rows(tmp_path)) <= (11 if waiting <= 12 else 2)
    bench.headend_returns()
    session = await bench.headend.wait_session(2)
    await trio.sleep(30)
    back = session.seqs(backfill=True)
    assert len(back) >= 120
    assert back == list(range(back[0], back[-1] + 1))
    assert session.seqs(backfill=False)[0] == back[-1] + 1
    times = [ts for _, t in session.telemetry if t.backfill for ts in t.ts_us]
    assert all(abs(b - a - 1_000_000) <= 1 for a, b in pairwise(times))
    assert file_rows(tmp_path) == []
    assert bench.statistics.outbox_rows == 0
    # Acknowledgements have come for a while: rows stay in memory again.
    bench.headend_leaves()
    await trio.sleep(9)
    assert file_rows(tmp_path) == []


async def test_rows_of_an_earlier_life_are_sent_under_its_boot(
    autojump_clock: MockClock, bench: Bench, other_bench: Bench, tmp_path: Path
) -> None:
    bench.headend_leaves()
    async with trio.open_nursery() as first:
        bench.nursery, outside = first, bench.nursery
        await bench.start_agent(assets=2, data=tmp_path, seed=1)
        await trio.sleep(100)
        first.cancel_scope.cancel()
    taken = bench.statistics.samples
    # Cancelled or stopped, an agent writes what it has.
    assert len(file_rows(tmp_path)) == taken == 50
    bench.nursery = outside
    bench.headend_returns()
    earlier = bench.board
    assert earlier is not None
    session = await bench.start_session(assets=2, data=tmp_path, seed=2)
    assert session.register.outbox is not None
    assert session.register.outbox.rows == 50
    assert session.register.boot_id != earlier.boot_id
    await trio.sleep(20)
    of_before = [t for _, t in session.telemetry if t.boot_id == earlier.boot_id]
    assert [t.first_seq + i for t in of_before for i in range(len(t.ts_us))] == [*range(1, 51)]
    assert all(t.backfill for t in of_before)
    of_now = [t for _, t in session.telemetry if t.boot_id == session.register.boot_id]
    assert of_now[0].first_seq == 1
    assert bench.statistics.acked_rows >= 58
    assert file_rows(tmp_path) == []


async def test_assets_keep_their_rows_when_their_order_changes_and_strange_ones_go(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench.headend_leaves()
    async with trio.open_nursery() as first:
        bench.nursery, outside = first, bench.nursery
        await bench.start_agent(assets=3, data=tmp_path)
        await trio.sleep(40)
        first.cancel_scope.cancel()
    with sqlite3.connect(tmp_path / "outbox.db") as db:
        # As if battery-0 and battery-1 had been in the other order.
        db.execute("UPDATE assets SET id = 'x' WHERE n = 1")
        db.execute("UPDATE assets SET id = ? WHERE n = 2", ("00000000-0000-4000-8000-" + "0" * 12,))
        db.execute(
            "UPDATE assets SET id = ? WHERE id = 'x'", ("00000000-0000-4000-8000-000000000001",)
        )
        numbers = db.execute("SELECT seq, asset FROM rows ORDER BY seq").fetchall()
    db.close()
    bench.nursery = outside
    bench.headend_returns()
    session = await bench.start_session(assets=2, data=tmp_path, seed=2)
    await trio.sleep(20)
    sent = {
        t.first_seq + i: index
        for _, t in session.telemetry
        if t.boot_id != session.register.boot_id
        for i, index in enumerate(t.asset_index)
    }
    assert sent == {seq: 2 - asset for seq, asset in numbers if asset != 3}
    line = 'event="asset is not served any more: its samples are removed" asset='
    assert f"{line}00000000-0000-4000-8000-000000000002 " in caplog.text
    assert file_rows(tmp_path) == []


async def test_overflow_is_told_as_one_gap_of_each_asset_until_it_is_known(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path
) -> None:
    limits = OutboxLimits(memory_rows=100, file_rows=20)
    bench.headend_leaves()
    await bench.start_agent(assets=2, outbox=limits, data=tmp_path)
    await trio.sleep(400)
    bench.headend_returns()
    first = await bench.headend.wait_session(1)
    await trio.sleep(10)
    assert len(bench.details(EventKind.OUTBOX_DROPPING)) == 1
    dropped = bench.statistics.dropped_rows
    assert dropped > 150
    last = {report.asset_index: report for report in first.gaps}
    assert [report.cause for report in last.values()] == [v1.GapCause.OVERFLOW] * 2
    assert sum(report.rows for report in last.values()) == dropped
    sent = [
        (ts, i) for _, t in first.telemetry for ts, i in zip(t.ts_us, t.asset_index, strict=True)
    ]
    for index, report in last.items():
        # The first that came is one period after the last that is missing.
        assert min(ts for ts, i in sent if i == index) - report.end_us == pytest.approx(4e6, abs=2)
        rows = (report.end_us - report.start_us) / 4e6 + 1
        assert report.rows == pytest.approx(rows, abs=1e-3)
    # Gaps are reported again until they are acknowledged.
    bench.cut_link()
    second = await bench.headend.wait_session(2)
    await trio.sleep(10)
    assert sorted(r.number for r in second.gaps) == sorted(r.number for r in last.values())
    await second.ack_gaps()
    await trio.sleep(10)
    bench.cut_link()
    third = await bench.headend.wait_session(3)
    await trio.sleep(10)
    assert third.gaps == []


async def test_a_restart_parts_the_gap_of_a_device_that_is_away(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path
) -> None:
    async with trio.open_nursery() as first:
        bench.nursery, outside = first, bench.nursery
        await bench.start_agent(data=tmp_path)
        await trio.sleep(20)
        bench.devices[0].broken = True
        await trio.sleep(20)
        (told,) = bench.headend.session.gaps
        assert (told.cause, told.end_us, told.revision) == (v1.GapCause.DEVICE, 0, 1)
        stale = [
            t.ts_us[0]
            for _, t in bench.headend.session.telemetry
            if t.quality == [v1.QualityBit.STALE_DEVICE]
        ]
        assert told.start_us == stale[0]
        first.cancel_scope.cancel()
    bench.nursery = outside
    await bench.start_agent(data=tmp_path, seed=2)
    session = await bench.headend.wait_session(2)
    await trio.sleep(20)
    bench.devices[0].broken = False
    await trio.sleep(20)
    live = [(t.ts_us[0], bool(t.quality)) for _, t in session.telemetry if not t.backfill]
    again = next(ts_us for ts_us, is_stale in live if is_stale)
    good = next(ts_us for ts_us, is_stale in live if not is_stale)
    newest = {(gap.boot_id, gap.number): gap for gap in session.gaps}
    before, after = sorted(newest.values(), key=lambda gap: gap.start_us)
    assert (before.boot_id, before.number, before.revision) == (told.boot_id, told.number, 2)
    assert (before.start_us, before.end_us) == (told.start_us, again)
    assert (after.start_us, after.end_us) == (again, good)


async def test_a_damaged_file_is_set_aside(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "outbox.db").write_bytes(b"no database at all, " * 1000)
    bench.headend_leaves()
    await bench.start_agent(data=tmp_path)
    await trio.sleep(60)
    assert (tmp_path / "outbox.unreadable").read_bytes().startswith(b"no database at all")
    assert "the outbox's file cannot be used" in caplog.text
    assert len(file_rows(tmp_path)) >= 14


async def test_a_file_that_is_damaged_in_use_is_set_aside_and_its_rows_counted(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path
) -> None:
    bench.headend_leaves()
    await bench.start_agent(data=tmp_path)
    await trio.sleep(100)
    there = len(file_rows(tmp_path))
    for suffix in ("", "-wal", "-shm"):
        overwrite(tmp_path / f"outbox.db{suffix}")
    await trio.sleep(100)
    assert (tmp_path / "outbox.unreadable").exists()
    assert bench.statistics.dropped_rows == pytest.approx(there, abs=1)
    bench.headend_returns()
    session = await bench.headend.wait_session(1)
    await trio.sleep(30)
    seqs = session.seqs(backfill=True)
    assert seqs == list(range(seqs[0], seqs[-1] + 1))
    assert bench.statistics.outbox_rows == 0


async def test_a_folder_that_cannot_be_written_keeps_no_agent_from_its_work(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path
) -> None:
    # A file cannot be made where a folder is.
    (tmp_path / "outbox.db").mkdir()
    bench.headend_leaves()
    await bench.start_agent(data=tmp_path)
    await trio.sleep(60)
    assert len(bench.details(EventKind.OUTBOX_DISK_FAILING)) == 1
    assert bench.statistics.outbox_rows == bench.statistics.samples
    (tmp_path / "outbox.db").rmdir()
    await trio.sleep(15)
    assert len(bench.details(EventKind.OUTBOX_DISK_BACK)) == 1
    assert len(file_rows(tmp_path)) >= 17
    bench.headend_returns()
    session = await bench.headend.wait_session(1)
    await trio.sleep(60)
    received = session.seqs(backfill=True) + session.seqs(backfill=False)
    assert sorted(received) == list(range(1, len(received) + 1))
    assert bench.statistics.dropped_rows == 0


async def test_live_rows_that_the_stream_does_not_take_come_later_from_the_disk(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path
) -> None:
    bench.headend.acks = False
    session = await bench.start_session(data=tmp_path)
    await trio.sleep(60)
    # All were sent live and none was acknowledged: they are on disk, and not sent twice.
    assert len(file_rows(tmp_path)) >= 14
    assert session.seqs(backfill=True) == []
    assert session.seqs(backfill=False) == list(range(1, bench.statistics.samples + 1))
    await session.ack(1, bench.statistics.samples)
    await trio.sleep(2)
    assert bench.statistics.outbox_rows <= 1

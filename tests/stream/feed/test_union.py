"""Rows that the journal let go can still be read: journal, feed, retention and one history."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from derhead.dispatch import State
from derhead.errors import JournalError
from derhead.history import DAY_US, Archive, History, Retention, RetentionLimits
from derhead.history.sql.page_request import PageRequest, TimeRange
from derhead.history.union import combined
from derproto.base.runtime import real_runtime
from tests.stream.feed.opened import NOW_US, World, open_world
from tests.support.epoch import HOUR_US
from tests.support.fleets import fleet, write_fleet
from tests.support.history.records import dispatch, gap, heartbeat, sample, session
from tests.support.processes.postgres import Database
from tests.support.waiting import PATIENCE_S, until

GONE = "11111111-2222-4333-8444-555555555555"
HOURS = 20 * 24
KEPT_HOURS = 7 * 24
DONE = (State.PENDING, State.COMPLETED)

SAMPLES = [sample(n, ts_us=NOW_US - (HOURS - n) * HOUR_US, p_mw=n * 0.1) for n in range(HOURS)]
BEATS = [heartbeat(NOW_US - (HOURS - n) * HOUR_US) for n in range(0, HOURS, 24)]
SESSIONS = [
    session(f"s-{n:03}", connected_us=us, ended_us=us + 5, end_reason="silent")
    for n, us in enumerate(range(NOW_US - HOURS * HOUR_US, NOW_US, DAY_US))
]
ORDERS = [
    dispatch(f"d-{n:03}", created_us=us, states=DONE)
    for n, us in enumerate(range(NOW_US - HOURS * HOUR_US, NOW_US, DAY_US))
]
GAPS = [
    gap(f"g-{n:03}", start_us=us, end_us=us + 5)
    for n, us in enumerate(range(NOW_US - HOURS * HOUR_US, NOW_US, DAY_US))
]


@asynccontextmanager
async def forgetful(folder: Path, postgres: Database) -> AsyncIterator[tuple[World, History]]:
    """A world of twenty days, of which the journal kept seven."""
    runtime = replace(real_runtime(), wall_us=lambda: NOW_US)
    limits = RetentionLimits(keep_us=7 * DAY_US, fed=True)
    async with open_world(folder, postgres.dsn, runtime=runtime) as world:
        await world.telemetry(SAMPLES)
        await world.journal.write(*BEATS, *SESSIONS, *ORDERS, *GAPS)
        await world.settled()
        retention = Retention(world.journal, limits, runtime)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(retention.run)

            async def forgot() -> bool:
                return retention.statistics().deleted.get("gaps", 0) > 0

            await until(forgot)
            nursery.cancel_scope.cancel()
        yield world, History(world.journal, Archive(world.postgres), world.feed)


async def test_both_stores_together_answer_with_everything(
    tmp_path: Path, postgres: Database
) -> None:
    async with forgetful(tmp_path, postgres) as (world, past):
        alone = await world.journal.telemetry_history("asset-1", PageRequest(1000))
        assert list(alone.items) == SAMPLES[: -KEPT_HOURS - 1 : -1]
        page = await past.telemetry_history("asset-1", PageRequest(1000))
        assert list(page.items) == SAMPLES[::-1]
        assert list((await past.heartbeats("agent-1", PageRequest(99))).items) == BEATS[::-1]
        assert list((await past.sessions("agent-1", PageRequest(99))).items) == SESSIONS[::-1]
        assert list((await past.dispatch_history(PageRequest(99))).items) == ORDERS[::-1]
        assert list((await past.gaps("asset-1", PageRequest(99))).items) == GAPS[::-1]
        assert await world.journal.dispatch("d-000") is None
        assert await past.dispatch("d-000") == ORDERS[0]
        # Steps of five hours; the beginning of the journal cuts one of them.
        steps = await past.telemetry_buckets("asset-1", PageRequest(200), step_us=5 * HOUR_US)
        assert sum(bucket.count for bucket in steps.items) == HOURS
        assert {bucket.count for bucket in steps.items[1:-1]} == {5}
        assert all(b.last_mw == b.max_mw for b in steps.items)


async def test_an_export_has_the_rows_of_both_stores(tmp_path: Path, postgres: Database) -> None:
    async with forgetful(tmp_path, postgres) as (world, _):
        # As if the fleet had lost the asset since: it is asked for by its id.
        await world.telemetry([replace(one, asset_id=GONE) for one in SAMPLES])
        await world.settled()
    write_fleet(tmp_path, fleet())
    config = tmp_path / "derhead.yaml"
    config.write_text(f"postgres:\n  dsn: {postgres.dsn}\n")

    async def export(*arguments: str) -> bytes:
        where = ["--assets", str(tmp_path / "assets.yaml"), "--data", str(tmp_path)]
        command = [sys.executable, "-m", "derhead", "export", *arguments, *where]
        done = await trio.run_process([*command, "--config", str(config)], capture_stdout=True)
        return done.stdout

    assert (await export("heartbeats")).count(b"\r\n") == 1 + len(BEATS)
    steps = await export("telemetry", "--asset", GONE, "--step", "1d")
    counts = [int(line.rpartition(b",")[2]) for line in steps.splitlines()[1:]]
    assert sum(counts) == HOURS


async def test_late_samples_count_once(
    tmp_path: Path, postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(combined, "FED_S", PATIENCE_S)
    async with forgetful(tmp_path, postgres) as (world, past):
        late = [
            replace(one, boot_id=3, seq=one.seq + 1, ts_us=one.ts_us + HOUR_US // 2)
            for one in SAMPLES[:48]
        ]
        await world.telemetry(late)
        days = await past.telemetry_buckets("asset-1", PageRequest(200), step_us=DAY_US)
        assert sum(bucket.count for bucket in days.items) == HOURS + 48
        page = await past.telemetry_history("asset-1", PageRequest(1000))
        assert len(page.items) == len(set(page.items)) == HOURS + 48


async def test_without_postgresql_the_journal_answers_what_it_has(
    tmp_path: Path, postgres: Database
) -> None:
    async with forgetful(tmp_path, postgres) as (_, past):
        postgres.server.stop()
        page = await past.telemetry_history("asset-1", PageRequest(KEPT_HOURS - 1))
        assert list(page.items) == SAMPLES[:-KEPT_HOURS:-1]
        recent_us = SAMPLES[-KEPT_HOURS].ts_us
        page = await past.telemetry_history("asset-1", PageRequest(1000, TimeRange(recent_us)))
        assert list(page.items) == SAMPLES[: -KEPT_HOURS - 1 : -1]
        await past.telemetry_buckets(
            "asset-1", PageRequest(999, TimeRange(recent_us)), step_us=HOUR_US
        )
        with pytest.raises(JournalError, match=r"^history from before 2026-.* is in PostgreSQL"):
            await past.telemetry_history("asset-1", PageRequest(1000))
        with pytest.raises(JournalError, match=r"is in PostgreSQL"):
            await past.telemetry_buckets("asset-1", PageRequest(999), step_us=HOUR_US)
        with pytest.raises(JournalError, match=r"is in PostgreSQL"):
            await past.dispatch("d-000")
        with pytest.raises(JournalError, match=r"is in PostgreSQL"):
            await past.dispatch_history(PageRequest(99), states=[State.COMPLETED])
        # The journal never lets an open dispatch go.
        assert (await past.dispatch_history(PageRequest(99), states=[State.STARTED])).items == ()

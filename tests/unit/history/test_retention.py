"""Retention's task on an open journal."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from derhead.errors import JournalError
from derhead.history import Journal, Retention, RetentionLimits, open_journal
from derhead.history.file import facts
from derhead.history.retention import policy, sweeper
from derhead.history.retention.policy import DAY_US, HOUR_US
from derhead.history.sql.page_request import PageRequest
from derproto.base.runtime import virtual_runtime
from tests.support.epoch import T0, S
from tests.support.history.records import dispatch, heartbeat, sample
from tests.unit.history.test_outage import filled, full_disk


@asynccontextmanager
async def keeping(path: Path, limits: RetentionLimits) -> AsyncIterator[tuple[Journal, Retention]]:
    runtime = virtual_runtime(T0)
    async with open_journal(path, runtime, synchronous="OFF") as journal:
        retention = Retention(journal, limits, runtime)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(retention.run)
            yield journal, retention
            nursery.cancel_scope.cancel()


async def store(journal: Journal, first: int, count: int, from_us: int, every_us: int) -> None:
    for start in range(first, first + count, 1000):
        stop = min(start + 1000, first + count)
        rows = [sample(n, ts_us=from_us + (n - first) * every_us) for n in range(start, stop)]
        durable = trio.Event()
        await journal.append_telemetry(rows, durable.set)
        await durable.wait()


async def test_old_rows_are_deleted_hour_by_hour(path: Path, autojump_clock: MockClock) -> None:
    async with keeping(path, RetentionLimits(keep_us=DAY_US)) as (journal, retention):
        await store(journal, 0, 100, T0 - DAY_US, HOUR_US // 4)
        journal.note(heartbeat(T0 - DAY_US - S))
        await trio.sleep(15)
        assert retention.statistics().deleted == dict.fromkeys(retention.statistics().deleted, 0)
        await trio.sleep(10 * 3600)
        left = (await journal.telemetry_history("asset-1", PageRequest(1000))).items
        assert len(left) == 60
        assert min(each.ts_us for each in left) == T0 - DAY_US + 10 * HOUR_US
        statistics = retention.statistics()
        assert statistics.deleted["telemetry"] == 40
        assert statistics.deleted["heartbeats"] == 1
        assert statistics.telemetry_from_us == T0 - DAY_US + 10 * HOUR_US


async def test_at_its_size_the_journal_drops_the_oldest_and_takes_the_new(
    path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    limits = RetentionLimits(max_bytes=2_000_000)
    async with keeping(path, limits) as (journal, retention):
        await store(journal, 0, 20_000, T0 - 20 * DAY_US, 80 * S)
        for n in range(10):
            await store(journal, 20_000 + n * 2000, 2000, T0 - DAY_US + n * 2000 * S, S)
            await trio.sleep(3 * sweeper.LOOK_S)
        sizes = retention.statistics().sizes
        assert sizes is not None
        assert sizes.used_bytes < limits.max_bytes * policy.GRACE
        left = [
            each.seq
            for each in (await journal.telemetry_history("asset-1", PageRequest(40_000))).items
        ]
        assert left == list(range(39_999, 39_999 - len(left), -1))
        assert 10_000 < len(left) < 39_999
        assert journal.statistics().held_reason is None
    assert [r.message for r in caplog.records if r.levelno >= logging.WARNING] == []


async def test_rows_of_1970_do_not_keep_the_journal_at_its_bound(
    path: Path, autojump_clock: MockClock
) -> None:
    limits = RetentionLimits(max_bytes=2_000_000)
    async with keeping(path, limits) as (journal, retention):
        acknowledged: list[int] = []
        await store(journal, 0, 25_500, T0 - 20 * DAY_US, 60 * S)
        for n in range(30):
            await journal.append_telemetry(
                [sample(100_000 + n, ts_us=n)], partial(acknowledged.append, n)
            )
            await trio.sleep(sweeper.LOOK_S)
        sizes = retention.statistics().sizes
        assert sizes is not None
        assert sizes.used_bytes < limits.max_bytes
        assert journal.statistics().held_reason is None
        assert acknowledged == list(range(30))


async def test_with_nothing_to_drop_telemetry_waits_but_dispatches_do_not(
    path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    limits = RetentionLimits(max_bytes=1_000_000)
    async with keeping(path, limits) as (journal, _):
        await store(journal, 0, 20_000, T0, 100_000)
        await trio.sleep(2 * sweeper.LOOK_S)
        reason = journal.statistics().held_reason
        assert reason is not None
        assert "0.001 GB (retention.max_gb)" in reason
        acknowledged: list[int] = []
        await journal.append_telemetry([sample(30_000)], lambda: acknowledged.append(1))
        await trio.sleep(60)
        assert acknowledged == []
        await journal.write(dispatch("d"))
        assert await journal.dispatch("d") == dispatch("d")
        # An hour later the first of them are old enough, and soon more.
        await trio.sleep(2 * 3600)
        assert acknowledged == [1]
        assert journal.statistics().held_reason is None
    told = [r.message for r in caplog.records if r.levelno >= logging.WARNING]
    assert [text.partition(":")[0] for text in told] == [
        "telemetry is not acknowledged",
        "telemetry is taken again",
    ]


async def test_a_hold_outlives_a_full_disk(path: Path, autojump_clock: MockClock) -> None:
    async with open_journal(path, virtual_runtime(T0), synchronous="OFF") as journal:
        await filled(journal)
        acknowledged: list[int] = []
        with full_disk(path):
            await journal.append_telemetry([sample(1)], lambda: acknowledged.append(1))
            await trio.sleep(5)
            assert journal.statistics().failing_since_us is not None
            journal.hold_telemetry("too large")
        await trio.sleep(5)
        # A probe finds that commits work again; the hold stays.
        assert acknowledged == []
        journal.hold_telemetry(None)
        await trio.sleep(5)
        assert acknowledged == [1]
        assert journal.statistics().failing_since_us is None


async def test_a_failed_look_is_counted_and_tried_again(
    path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with keeping(path, RetentionLimits(keep_us=DAY_US)) as (journal, retention):
        await store(journal, 0, 10, T0 - 2 * DAY_US, S)

        async def fail(*_: object, **__: object) -> None:
            raise JournalError("no")

        with monkeypatch.context() as patched:
            patched.setattr(journal, "maintain", fail)
            await trio.sleep(2 * 3600)
        assert retention.statistics().failed_looks >= 300
        await trio.sleep(2 * sweeper.LOOK_S)
        assert retention.statistics().deleted["telemetry"] == 10


async def test_deleting_samples_moves_the_horizon(path: Path, autojump_clock: MockClock) -> None:
    async with keeping(path, RetentionLimits(keep_us=DAY_US)) as (journal, _):
        await store(journal, 0, 10, T0 - 2 * DAY_US, S)
        await trio.sleep(3600)
        from_us = await journal.inspect(lambda con: facts.get_int(con, facts.TELEMETRY_FROM_US))
        assert from_us == T0 - DAY_US + HOUR_US

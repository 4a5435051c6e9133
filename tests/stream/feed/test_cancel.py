"""The feed and the database, cancelled at any step: nothing is lost, nothing is left behind."""

import random
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from derhead.dispatch import State
from derhead.history import open_journal
from derhead.history.feed.feeder import Feed
from derhead.history.postgres.connections.causes import StoreUnreachable
from derhead.history.postgres.database import Postgres
from derhead.history.postgres.tables.fed_database import Prepared, Stranger, Target
from derhead.history.postgres.tables.loader import Loader
from derhead.history.spool.feed_batch import FeedBatch
from derproto.base.runtime import virtual_runtime
from tests.stream.feed.opened import NOW_US, some
from tests.support.history.postgres_port import open_port
from tests.support.history.records import dispatch, session
from tests.support.interference import after_steps, living_tasks
from tests.support.processes.postgres import Database

MAX_STEPS = 600


class MemoryDatabase:
    """A database in memory that commits, and may be cancelled before or after a commit."""

    dsn = "memory"

    def __init__(self) -> None:
        self.telemetry: dict[tuple[Any, ...], Any] = {}
        self.dispatches: dict[str, Any] = {}
        self.sessions: set[str] = set()
        self.prepared = Prepared("identity", {})

    async def load(self, work: Callable[[Any], Awaitable[Any]], *, within_s: float) -> Any:
        await trio.lowlevel.checkpoint()
        return await work(MemoryLoader(self))


class MemoryLoader:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def expire(self, cut_us: int, audit_us: int) -> bool:
        await trio.lowlevel.checkpoint()
        return False

    async def load(
        self, batch: FeedBatch, target: Target, now_us: int, keep_days: int
    ) -> Stranger | None:
        database = self._database
        fed = database.prepared.fed.get(target.journal, 0)
        if target.identity != "identity" or not target.number - 1 <= fed <= target.number:
            return Stranger(database.prepared)
        await trio.lowlevel.checkpoint()
        for row in zip(*batch.columns, strict=True):
            database.telemetry[batch.assets[row[0]], row[1], *batch.boots[row[2]], row[3]] = row[5]
        for table, lines in batch.ordered:
            if table == "dispatches":
                database.dispatches.update((line[0], line) for line in lines)
        database.sessions.update(line[0] for line in batch.others.get("sessions", ()))
        database.prepared.fed[target.journal] = target.number
        await trio.lowlevel.checkpoint()
        return None


def journal_of(path: Path) -> tuple[dict[Any, Any], dict[str, Any], set[str]]:
    con = sqlite3.connect(path)
    try:
        telemetry = {
            row[:-1]: row[-1]
            for row in con.execute(
                "SELECT asset_id, ts_us, agent_id, boot_id, seq, p_mw FROM telemetry t"
                " JOIN assets a ON a.id = t.asset JOIN boots b ON b.id = t.boot"
            )
        }
        dispatches = {row[0]: row for row in con.execute("SELECT * FROM dispatches")}
        sessions = {row[0] for row in con.execute("SELECT session_id FROM sessions")}
        return telemetry, dispatches, sessions
    finally:
        con.close()


async def fill(path: Path, *, spooling: bool) -> None:
    first = 100 if spooling else 1
    async with open_journal(
        path, virtual_runtime(NOW_US), synchronous="OFF", spooling=spooling
    ) as journal:
        durable = trio.Event()
        await journal.append_telemetry(some(first, 3), durable.set)
        await durable.wait()
        await journal.write(dispatch("d", states=(State.PENDING,)), session("s"))
        if spooling:
            await journal.write(dispatch("d", states=(State.PENDING, State.SENT)))
            await journal.write(session("later"))


async def feed_for(path: Path, database: MemoryDatabase, steps: int) -> bool:
    """Feeds until everything is fed, or until cancelled after so many steps; returns whether it was
    cancelled."""
    async with open_journal(
        path, virtual_runtime(NOW_US), synchronous="OFF", spooling=True
    ) as journal:
        feed = Feed(
            journal,
            cast(Postgres, database),
            virtual_runtime(NOW_US),
            random.Random(1),
            keep_days=400,
            catch_up_rows_s=1e6,
        )
        with trio.CancelScope() as scope, after_steps(steps, scope.cancel):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(feed.run)
                await feed.wait_passed(2**62, 3600)
                nursery.cancel_scope.cancel()
        return scope.cancelled_caught


async def test_a_feed_cancelled_at_any_step_loses_nothing(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    steps, broken_off = 1, True
    while broken_off:
        assert steps < MAX_STEPS
        path, database = tmp_path / str(steps) / "journal.db", MemoryDatabase()
        await fill(path, spooling=False)
        await fill(path, spooling=True)
        broken_off = await feed_for(path, database, steps)
        await feed_for(path, database, 100_000)
        telemetry, dispatches, sessions = journal_of(path)
        assert len(telemetry) == 6
        assert database.telemetry == telemetry
        assert {key: tuple(line) for key, line in database.dispatches.items()} == dispatches
        assert database.sessions == sessions
        steps += 3
    assert steps > 30


async def ask(dsn: str, steps: int) -> bool:
    async def answer(loader: Loader) -> Any:
        return await loader.connection.fetchval("SELECT 1")

    with trio.CancelScope() as scope, after_steps(steps, scope.cancel):
        try:
            async with open_port(dsn) as port:
                assert await port.load(answer, within_s=30) == 1
                assert await port.fetch("SELECT 2") == [(2,)]
        except StoreUnreachable:
            # A job is given up together with its connection.
            assert scope.cancel_called
    return scope.cancel_called


async def test_a_database_cancelled_at_any_step_leaves_nothing_behind(postgres: Database) -> None:
    await ask(postgres.dsn, 100_000)
    before = living_tasks()
    steps, broken_off = 1, True
    while broken_off:
        with trio.fail_after(30):
            broken_off = await ask(postgres.dsn, steps)
        assert living_tasks() == before
        steps += 5
    assert steps > 40


async def test_a_move_during_a_look_is_not_missed(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = virtual_runtime(NOW_US)
    looks = 0

    async def passed(*_: int) -> bool:
        nonlocal looks
        looks += 1
        if looks == 1:
            feed._loading._note_move()
        return looks > 1

    async with open_journal(
        tmp_path / "journal.db", runtime, synchronous="OFF", spooling=True
    ) as journal:
        database = cast(Postgres, MemoryDatabase())
        feed = Feed(
            journal, database, runtime, random.Random(1), keep_days=400, catch_up_rows_s=1e6
        )
        monkeypatch.setattr(feed, "_passed", passed)
        assert await feed.wait_passed(NOW_US, 60)
    assert looks == 2

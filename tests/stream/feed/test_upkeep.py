"""Partitions and retention in PostgreSQL, and values that it refuses."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.lowlevel

from derhead.dispatch import State
from derhead.history.postgres.connections.causes import StoreUnreachable
from derhead.history.postgres.database import Postgres
from derhead.history.postgres.tables.days import DAY_US
from derhead.history.postgres.tables.loader import Loader
from tests.stream.feed.opened import NOW_US, assert_equal, gap, in_postgres, open_world, some
from tests.support.epoch import S
from tests.support.history.postgres_port import connect_feed, open_port
from tests.support.history.records import dispatch, heartbeat, level, sample, session
from tests.support.processes.postgres import Database


async def expire(port: Postgres, cut_us: int) -> None:
    async def work(loader: Loader) -> bool:
        return await loader.expire(cut_us, cut_us)

    while await port.load(work, within_s=20):
        await trio.lowlevel.checkpoint()


async def test_only_old_rows_are_deleted_from_postgresql(
    tmp_path: Path, postgres: Database
) -> None:
    old_us, new_us = NOW_US, NOW_US + 10 * DAY_US
    over = (State.PENDING, State.EXPIRED)
    async with open_world(tmp_path, postgres.dsn, keep_days=3650) as world:
        await world.telemetry([sample(n, ts_us=us) for n, us in enumerate((old_us, new_us, 5))])
        for n, us in enumerate((old_us, new_us)):
            world.journal.note(heartbeat(us))
            world.journal.note(gap(f"gap-{n}", us, us + S))
            world.journal.note(level(us))
            await world.journal.write(
                dispatch(f"over-{n}", created_us=us, states=over),
                session(f"s-{n}", connected_us=us, ended_us=us + 9, end_reason="silent"),
            )
        world.journal.note(gap("open", old_us, None))
        await world.journal.write(
            dispatch("still running", created_us=old_us),
            session("live", agent="agent-9", connected_us=old_us),
        )
        await world.settled()
        assert_equal(tmp_path, postgres)
    async with open_port(postgres.dsn) as port:
        await expire(port, NOW_US + 5 * DAY_US)

    def ids(table: str, column: str = "id") -> list[Any]:
        return [row[0] for row in in_postgres(postgres, f"SELECT {column} FROM {table} ORDER BY 1")]

    assert ids("telemetry", "ts_us") == [new_us]
    assert ids("heartbeats", "received_us") == [new_us]
    assert ids("service_levels", "hour_us") == [new_us]
    assert ids("gaps") == ["gap-1", "open"]
    assert ids("dispatches") == ["over-1", "still running"]
    assert ids("dispatch_states", "DISTINCT dispatch_id") == ["over-1", "still running"]
    assert ids("sessions", "session_id") == ["live", "s-1"]


async def test_partitions_are_made_ahead(tmp_path: Path, postgres: Database) -> None:
    async with open_world(tmp_path, postgres.dsn) as world:
        now_us = world.wall_us()
        await world.telemetry([sample(1, ts_us=now_us)])
        await world.settled()
        await world.telemetry([sample(2, ts_us=now_us + 2 * DAY_US)])
        await world.settled()
    names = postgres.sql("SELECT relid FROM pg_partition_tree('telemetry') WHERE isleaf").split()
    assert len(names) == 4
    assert postgres.sql("SELECT count(*) FROM telemetry_default") == "0"


async def test_rows_in_the_default_partition_move_to_their_day(
    tmp_path: Path, postgres: Database
) -> None:
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.telemetry(some(1, 10))
        await world.settled()
        name = postgres.sql("SELECT DISTINCT tableoid::regclass FROM telemetry")
        postgres.sql(
            f"ALTER TABLE telemetry DETACH PARTITION {name};"
            f"INSERT INTO telemetry SELECT * FROM {name}; DROP TABLE {name}"
        )
        assert postgres.sql("SELECT count(*) FROM telemetry_default") == "10"
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.telemetry(some(11, 10))
        await world.settled()
    assert postgres.sql("SELECT count(*) FROM telemetry_default") == "0"
    assert_equal(tmp_path, postgres)


async def test_a_lock_on_the_table_does_not_delay_the_feed(
    tmp_path: Path, postgres: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_port(postgres.dsn) as port:
        await connect_feed(port)

    async def hold(loader: Loader) -> None:
        # As a long backup does.
        await loader.connection.execute("BEGIN; LOCK TABLE telemetry_default IN ACCESS SHARE MODE")
        held.set()
        await asyncio.sleep(60)

    held = trio.Event()
    async with open_port(postgres.dsn) as port, trio.open_nursery() as nursery:
        nursery.start_soon(suppressing, partial(port.load, hold, within_s=60))
        await held.wait()
        async with open_world(tmp_path, postgres.dsn) as world:
            await world.telemetry(some(1, 10))
            await world.settled()
            assert world.feed.statistics().failed_batches == 0
        assert postgres.sql("SELECT count(*) FROM telemetry_default") == "10"
        assert "made later" in caplog.text
        nursery.cancel_scope.cancel()
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.telemetry(some(11, 1))
        await world.settled()
    assert postgres.sql("SELECT count(*) FROM telemetry_default") == "0"


async def suppressing(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except StoreUnreachable:
        return


async def test_a_value_that_postgresql_refuses_delays_only_its_commit(
    tmp_path: Path, postgres: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_port(postgres.dsn) as port:
        await connect_feed(port)
    postgres.sql("ALTER TABLE sessions ADD CHECK (peer <> 'nobody likes me')")
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.telemetry(some(1, 10))
        await world.journal.write(replace(session("odd"), peer="nobody likes me"))
        await world.telemetry(some(11, 10))
        await world.until(lambda feed: feed.held_back == 1)
        await world.telemetry(some(21, 10))
        await world.until(lambda _: postgres.sql("SELECT count(*) FROM telemetry") == "30")
        # The journal drops a commit from its spool only after PostgreSQL has it.
        await world.until(lambda feed: feed.trouble is None and feed.lag_rows == 1)
        assert "stays in the journal" in caplog.text
    postgres.sql("ALTER TABLE sessions DROP CONSTRAINT sessions_peer_check")
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.settled()
    assert_equal(tmp_path, postgres)

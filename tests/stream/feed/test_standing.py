"""Which database is fed, and from where on: walks, other databases, backups, lost journals."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from derhead.dispatch import State, UsedKey
from derhead.history import open_journal, restore
from derhead.history.feed.clearing import clear_spool
from derhead.history.feed.feeder import BATCH_ROWS
from derproto.base.runtime import real_runtime
from tests.stream.feed.opened import (
    NOW_US,
    World,
    assert_equal,
    in_journal,
    in_postgres,
    open_world,
    some,
)
from tests.support.epoch import S
from tests.support.history.records import dispatch, heartbeat, session
from tests.support.processes.postgres import Database, PostgresServer, fresh_database

NOWHERE = "postgresql://nobody@/x?host=/nowhere"


async def fill_alone(folder: Path, rows: int = 3 * BATCH_ROWS) -> None:
    """A journal as it is without PostgreSQL."""
    async with open_journal(folder / "journal.db", real_runtime(), synchronous="OFF") as journal:
        for first in range(1, rows, BATCH_ROWS):
            durable = trio.Event()
            await journal.append_telemetry(some(first, BATCH_ROWS, f"a{first}"), durable.set)
            await durable.wait()
        await journal.write(
            dispatch("d", states=(State.PENDING, State.SENT)),
            session(),
            UsedKey("k", "f", "dispatch", "d", 5 * S),
        )
        journal.note(heartbeat(5 * S))


def facts(folder: Path) -> dict[str, str]:
    return {key: value for key, value in in_journal(folder, "SELECT key, value FROM facts")}  # noqa: C416


async def test_what_was_there_before_is_fed(tmp_path: Path, postgres: Database) -> None:
    await fill_alone(tmp_path)
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.telemetry(some(900_001, 10))
        await world.settled()
    assert_equal(tmp_path, postgres)
    known = facts(tmp_path)
    assert known["fed_whole"] == "1"
    assert "telemetry_whole" not in known


async def test_a_walk_comes_to_its_end_while_more_and_more_is_stored(
    tmp_path: Path, postgres: Database
) -> None:
    enough = False

    async def keep_storing(world: World) -> None:
        first = 900_000
        while not enough:
            first += 1
            await world.telemetry(some(first, 1))

    await fill_alone(tmp_path)
    async with open_world(tmp_path, postgres.dsn) as world:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_storing, world)
            await world.until(lambda feed: not feed.walking)
            # Not cancelled: what is on its way then would be stored once nobody feeds it any more.
            enough = True
        await world.settled()
    assert_equal(tmp_path, postgres)


async def test_a_walk_goes_on_after_a_restart(tmp_path: Path, postgres: Database) -> None:
    await fill_alone(tmp_path)
    async with open_world(tmp_path, postgres.dsn, catch_up_rows_s=1) as world:
        # At this pace one page is all that goes.
        await world.until(lambda feed: feed.fed_rows)
        await world.journal.write(dispatch("d", states=(State.PENDING, State.EXPIRED)))
    assert "feed_walk" in facts(tmp_path)
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.settled()
    assert_equal(tmp_path, postgres)


async def test_another_database_gets_everything(
    tmp_path: Path, postgres: Database, postgres_server: PostgresServer
) -> None:
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.telemetry(some(1, 100))
        await world.settled()
    with fresh_database(postgres_server) as another:
        async with open_world(tmp_path, another.dsn) as world:
            await world.telemetry(some(101, 100))
            await world.settled()
        assert_equal(tmp_path, another)


async def test_a_database_that_lost_what_it_was_fed_gets_it_again(
    tmp_path: Path, postgres: Database
) -> None:
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.telemetry(some(1, 100))
        await world.settled()
        earlier = postgres.sql("SELECT key, value FROM facts WHERE key LIKE 'fed:%'").split("|")
        await world.telemetry(some(101, 100))
        await world.settled()
    # As a standby that had not seen the last batch, or a backup from before it.
    postgres.sql(
        f"DELETE FROM telemetry WHERE seq > 100;"
        f"UPDATE facts SET value = '{earlier[1]}' WHERE key = '{earlier[0]}'"
    )
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.telemetry(some(201, 1))
        await world.settled()
        await world.until(lambda _: len(in_postgres(postgres, "SELECT 1 FROM telemetry")) == 201)
    assert_equal(tmp_path, postgres)


async def test_newer_tables_stop_the_feed_and_nothing_else(
    tmp_path: Path, postgres: Database
) -> None:
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.settled()
    postgres.sql("UPDATE facts SET value = '999' WHERE key = 'schema_version'")
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.telemetry(some(1, 10))
        await world.until(lambda feed: feed.trouble and "version 999" in feed.trouble)
        assert world.feed.statistics().lag_rows == 10
        postgres.sql("UPDATE facts SET value = '1' WHERE key = 'schema_version'")
        await world.settled()


async def test_an_older_copy_of_the_journal_knows_that_postgresql_knows_more(
    tmp_path: Path, postgres: Database
) -> None:
    folder, copy = tmp_path / "now", tmp_path / "copy"
    async with open_world(folder, postgres.dsn) as world:
        await world.telemetry(some(1, 10))
        await world.settled()
    shutil.copytree(folder, copy)
    async with open_world(folder, postgres.dsn) as world:
        for first in (11, 21, 31):
            await world.telemetry(some(first, 10))
            await world.settled()
    async with open_world(copy, postgres.dsn) as world:
        await world.telemetry(some(41, 10))
        await world.settled()
    assert facts(copy)["telemetry_whole"] == "0"
    assert len(in_postgres(postgres, "SELECT 1 FROM telemetry")) == 50


async def test_without_postgresql_the_spool_is_dropped(tmp_path: Path, postgres: Database) -> None:
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.telemetry(some(1, 10))
        await world.settled()
    async with open_world(tmp_path, NOWHERE) as world:
        for first in range(11, 511, 2):
            await world.telemetry(some(first, 2))
    assert in_journal(tmp_path, "SELECT count(*) FROM unfed") == [(250,)]
    async with open_journal(tmp_path / "journal.db", real_runtime()) as journal:
        await clear_spool(journal)
    assert in_journal(tmp_path, "SELECT count(*) FROM unfed") == [(0,)]
    assert not {key for key in facts(tmp_path) if key.startswith("fe")}
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.settled()
    assert_equal(tmp_path, postgres)


async def test_a_lost_journal_begins_with_what_postgresql_knows(
    tmp_path: Path, postgres: Database
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    now_us = real_runtime().wall_us()
    running = dispatch("running", created_us=now_us, states=(State.PENDING, State.STARTED))
    over = dispatch("over", created_us=now_us, states=(State.PENDING, State.EXPIRED))
    async with open_world(old, postgres.dsn) as world:
        await world.journal.write(running, over, session("s", connected_us=now_us))
        await world.journal.write(UsedKey("k", "f", "dispatch", "running", now_us))
        recent = [replace(each, ts_us=now_us + each.seq) for each in some(1, 3)]
        await world.telemetry(recent)
        world.journal.note(heartbeat(now_us))
        await world.settled()
    async with open_world(new, postgres.dsn, feeding=False) as world:
        await restore(world.journal, world.postgres, real_runtime(), wait_s=20)
        assert await world.journal.open_dispatches() == [running]
        assert await world.journal.last_sessions() == [session("s", connected_us=now_us)]
        assert await world.journal.latest_samples() == recent[-1:]
        assert await world.journal.latest_heartbeats() == [heartbeat(now_us)]
        assert await world.journal.used_key("k") is not None
    assert facts(new)["telemetry_whole"] == "0"
    assert in_journal(new, "SELECT count(*) FROM unfed") == [(0,)]
    async with open_world(new, postgres.dsn) as world:
        await world.settled()
    assert len(in_postgres(postgres, "SELECT 1 FROM telemetry")) == 3


async def test_without_a_journal_and_without_postgresql_it_starts_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_world(tmp_path, NOWHERE, feeding=False) as world:
        await restore(world.journal, world.postgres, real_runtime(), wait_s=0.6)
        assert await world.journal.open_dispatches() == []
    assert (
        "the journal is empty, and PostgreSQL at nobody@/nowhere/x cannot be asked" in caplog.text
    )
    # Until PostgreSQL was asked nobody knows what it knows.
    assert facts(tmp_path)["telemetry_whole"] == "0"


async def test_wait_passed_tells_when_old_samples_are_fed(
    tmp_path: Path, postgres: Database
) -> None:
    async with open_world(tmp_path, NOWHERE) as world:
        await world.telemetry(some(1, 10))
        assert not await world.feed.wait_passed(NOW_US + 5 * S, 0.1)
    async with open_world(tmp_path, postgres.dsn) as world:
        assert await world.feed.wait_passed(NOW_US + 5 * S, 20)
        await world.settled()

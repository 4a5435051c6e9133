"""Which database is fed, and from where: walks, other databases, backups, lost journals."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from derhead.dispatch import State, UsedKey
from derhead.history import ClaimStatus, open_journal, restore
from derhead.history.feed.batch_loading import BATCH_ROWS
from derhead.history.feed.clearing import clear_spool
from derhead.history.postgres.tables.schema import migrations
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
from tests.support.history.records import dispatch, heartbeat, level, session
from tests.support.processes.postgres import Database, PostgresServer, fresh_database

NOWHERE = "postgresql://nobody@/x?host=/nowhere"


async def fill_alone(folder: Path, rows: int = 3 * BATCH_ROWS) -> None:
    """A journal of a headend without PostgreSQL."""
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


async def test_rows_from_before_the_configuration_are_fed(
    tmp_path: Path, postgres: Database
) -> None:
    await fill_alone(tmp_path)
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.telemetry(some(900_001, 10))
        await world.settled()
    assert_equal(tmp_path, postgres)
    known = facts(tmp_path)
    assert known["fed_whole"] == "1"
    assert "telemetry_whole" not in known


async def test_a_walk_ends_while_rows_keep_coming(tmp_path: Path, postgres: Database) -> None:
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
            # Not cancelled: a sample on its way would be stored after the feed has ended.
            enough = True
        await world.settled()
    assert_equal(tmp_path, postgres)


async def test_a_walk_continues_after_a_restart(tmp_path: Path, postgres: Database) -> None:
    await fill_alone(tmp_path)
    async with open_world(tmp_path, postgres.dsn, catch_up_rows_s=1) as world:
        # At this pace only one page goes.
        await world.until(lambda feed: feed.fed_rows)
        await world.journal.write(dispatch("d", states=(State.PENDING, State.EXPIRED)))
    assert "feed_walk" in facts(tmp_path)
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.settled()
    assert_equal(tmp_path, postgres)


async def test_another_database_is_fed_everything(
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


async def test_a_database_that_lost_rows_is_fed_again(tmp_path: Path, postgres: Database) -> None:
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.telemetry(some(1, 100))
        await world.settled()
        earlier = postgres.sql("SELECT key, value FROM facts WHERE key LIKE 'fed:%'").split("|")
        await world.telemetry(some(101, 100))
        await world.settled()
    # As a standby that missed the last batch, or a backup from before it.
    postgres.sql(
        f"DELETE FROM telemetry WHERE seq > 100;"
        f"UPDATE facts SET value = '{earlier[1]}' WHERE key = '{earlier[0]}'"
    )
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.telemetry(some(201, 1))
        await world.settled()
        await world.until(lambda _: len(in_postgres(postgres, "SELECT 1 FROM telemetry")) == 201)
    assert_equal(tmp_path, postgres)


async def test_newer_tables_stop_only_the_feed(tmp_path: Path, postgres: Database) -> None:
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.settled()
    postgres.sql("UPDATE facts SET value = '999' WHERE key = 'schema_version'")
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.telemetry(some(1, 10))
        await world.until(lambda feed: feed.trouble and "version 999" in feed.trouble)
        assert world.feed.statistics().lag_rows == 10
        postgres.sql(f"UPDATE facts SET value = '{max(migrations())}' WHERE key = 'schema_version'")
        await world.settled()


async def test_an_older_copy_of_the_journal_notices_that_postgresql_has_more(
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


async def test_a_lost_journal_starts_from_postgresql(tmp_path: Path, postgres: Database) -> None:
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
        world.journal.note(level(now_us - 2 * S))
        world.journal.note(level(now_us))
        await world.settled()
    async with open_world(new, postgres.dsn, feeding=False) as world:
        await restore(world.journal, world.postgres, real_runtime(), wait_s=20)
        assert await world.journal.open_dispatches() == [running]
        assert await world.journal.last_sessions() == [session("s", connected_us=now_us)]
        assert await world.journal.latest_samples() == recent[-1:]
        assert await world.journal.latest_heartbeats() == [heartbeat(now_us)]
        assert await world.journal.used_key("k") is not None
        assert await world.journal.last_levels(["asset-1"], now_us + 1) == [level(now_us)]
        assert await world.journal.last_levels(["asset-1"], now_us) == []
    assert facts(new)["telemetry_whole"] == "0"
    assert in_journal(new, "SELECT count(*) FROM unfed") == [(0,)]
    async with open_world(new, postgres.dsn) as world:
        await world.settled()
    assert len(in_postgres(postgres, "SELECT 1 FROM telemetry")) == 3


STARTED = (State.PENDING, State.SENT, State.STARTED)


async def test_an_older_copy_of_the_journal_learns_what_became_of_its_dispatches(
    tmp_path: Path, postgres: Database
) -> None:
    folder, copy = tmp_path / "now", tmp_path / "copy"
    now_us = real_runtime().wall_us()
    started = dispatch("d", created_us=now_us, states=STARTED)
    ended = dispatch("d", created_us=now_us, states=(*STARTED, State.COMPLETED))
    later = dispatch("later", created_us=now_us)
    async with open_world(folder, postgres.dsn) as world:
        await world.journal.write(started)
        await world.settled()
    shutil.copytree(folder, copy)
    async with open_world(folder, postgres.dsn) as world:
        for change in (ended, later):
            await world.journal.write(change)
            await world.settled()
    async with open_world(copy, postgres.dsn, feeding=False) as world:
        # Not fed yet, and PostgreSQL knows nothing of it.
        await world.journal.write(dispatch("ours", created_us=now_us))
        span = await world.journal.event_span()
        claim = ClaimStatus(held=True, term=3, said="")
        await restore(world.journal, world.postgres, real_runtime(), wait_s=20, claim=claim)
        assert await world.journal.dispatch("d") == ended
        found = await world.journal.open_dispatches()
        assert {each.id for each in found} == {"later", "ours"}
        # A reader of the other log learns that events are missing.
        assert (await world.journal.event_span()).before > span.newest
    assert facts(copy)["claim_term"] == "3"
    async with open_world(copy, postgres.dsn) as world:
        await world.settled()
    assert in_postgres(postgres, "SELECT id, state FROM dispatches ORDER BY id") == [
        ("d", "completed"),
        ("later", "pending"),
        ("ours", "pending"),
    ]


async def test_a_stale_spool_changes_nothing_that_another_headend_ended(
    tmp_path: Path, postgres: Database
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    now_us = real_runtime().wall_us()
    sent = dispatch("d", created_us=now_us, states=STARTED[:2])
    cancelled = dispatch("d", created_us=now_us, states=(*STARTED[:2], State.CANCELLED))
    async with open_world(one, postgres.dsn) as world:
        await world.journal.write(sent)
        await world.settled()
    # It goes on without PostgreSQL, which another headend takes over meanwhile.
    async with open_world(one, NOWHERE) as world:
        await world.journal.write(dispatch("d", created_us=now_us, states=STARTED))
    async with open_world(two, postgres.dsn) as world:
        await restore(world.journal, world.postgres, real_runtime(), wait_s=20)
        assert await world.journal.open_dispatches() == [sent]
        await world.journal.write(cancelled)
        await world.settled()
    claim = ClaimStatus(held=True, term=3, said="", another="the headend at two")
    async with open_world(one, postgres.dsn, feeding=False) as world:
        await restore(world.journal, world.postgres, real_runtime(), wait_s=20, claim=claim)
        assert await world.journal.dispatch("d") == cancelled
        assert in_journal(one, "SELECT count(*) > 0 FROM unfed") == [(1,)]
    async with open_world(one, postgres.dsn) as world:
        await world.settled()
    states = "SELECT state FROM dispatch_states ORDER BY n"
    assert in_postgres(postgres, "SELECT state FROM dispatches") == [("cancelled",)]
    assert in_postgres(postgres, states) == [("pending",), ("sent",), ("cancelled",)]
    assert_equal(one, postgres)


async def test_without_journal_and_postgresql_the_headend_starts_and_logs_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_world(tmp_path, NOWHERE, feeding=False) as world:
        await restore(world.journal, world.postgres, real_runtime(), wait_s=0.6)
        assert await world.journal.open_dispatches() == []
    assert 'event="PostgreSQL does not answer: the headend starts without' in caplog.text
    assert 'address=nobody@/nowhere/x cause="the journal is empty"' in caplog.text
    # Until PostgreSQL was asked, nobody knows what it has.
    assert facts(tmp_path)["telemetry_whole"] == "0"


async def test_wait_passed_returns_when_old_samples_are_fed(
    tmp_path: Path, postgres: Database
) -> None:
    async with open_world(tmp_path, NOWHERE) as world:
        await world.telemetry(some(1, 10))
        assert not await world.feed.wait_passed(NOW_US + 5 * S, 0.1)
    async with open_world(tmp_path, postgres.dsn) as world:
        assert await world.feed.wait_passed(NOW_US + 5 * S, 20)
        await world.settled()

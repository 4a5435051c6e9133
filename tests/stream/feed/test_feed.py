"""Every stored record comes to PostgreSQL once, whatever happens on the way."""

import math
import random
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import trio

from derhead.dispatch import DispatchGroup, ForgetKeys, Judged, LeftOut, State, UsedKey
from derhead.history.feed.pace import CATCH_UP_ROWS
from tests.stream.feed.opened import (
    NOW_US,
    World,
    assert_equal,
    gap,
    in_journal,
    in_postgres,
    open_world,
    some,
)
from tests.support.epoch import S
from tests.support.history.records import dispatch, entry, heartbeat, level, sample, session
from tests.support.processes.postgres import Database

GROUP = DispatchGroup(
    "g", "site", 1.5, NOW_US, NOW_US + S, 60 * S, left_out=(LeftOut("asset-9", "offline"),)
)


async def test_every_stored_record_is_fed(tmp_path: Path, postgres: Database) -> None:
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.telemetry(
            [
                sample(1, ts_us=NOW_US),
                sample(2, ts_us=NOW_US, p_mw=None),
                sample(3, ts_us=NOW_US + S, p_mw=-1.7976931348623157e308, boot=2**64 - 2),
                replace(sample(4, ts_us=NOW_US), q_mvar=math.nan, soc=None, setpoint_mw=None),
                sample(2**63 - 1, agent="agent-2", asset="asset-2", ts_us=NOW_US),
            ]
        )
        world.journal.note(session())
        world.journal.note(heartbeat(5 * S))
        world.journal.note(entry("refused"))
        world.journal.note(level(7 * S, seen_us=S))
        await world.journal.write(
            entry("ordered"),
            dispatch("d"),
            GROUP,
            UsedKey("k", "f", "group", "g", 5 * S),
            session("other"),
        )
        world.journal.note(gap("hole", NOW_US, None))
        world.journal.note(gap("hole", NOW_US, NOW_US + 9 * S, revision=2))
        world.journal.note(gap("hole", NOW_US, NOW_US + 30 * S, revision=2))
        await world.journal.write(
            dispatch("d", states=(State.PENDING, State.SENT, State.COMPLETED)),
            dispatch("late", created_us=NOW_US),
        )
        await world.journal.write(Judged("d", '{"outcome":"achieved"}'))
        world.journal.note(session(ended_us=9 * S, end_reason="silent", messages=7))
        world.journal.note(heartbeat(6 * S))
        world.journal.note(level(7 * S))
        await world.settled()
    assert_equal(tmp_path, postgres)
    assert len(in_journal(tmp_path, "SELECT 1 FROM telemetry")) == 5


async def test_repeated_records_are_fed_once(tmp_path: Path, postgres: Database) -> None:
    async with open_world(tmp_path, postgres.dsn) as world:
        for _ in range(3):
            await world.telemetry(some(1, 20))
            world.journal.note(heartbeat(5 * S))
            await world.settled()
    assert_equal(tmp_path, postgres)
    assert len(in_postgres(postgres, "SELECT 1 FROM telemetry")) == 20


async def test_a_large_batch_is_copied(tmp_path: Path, postgres: Database) -> None:
    async with open_world(tmp_path, postgres.dsn) as world:
        for first in range(1, 30_000, 5_000):
            rows = [
                replace(each, soc=None if each.seq % 3 else 0.5)
                for each in some(first, 5_000, f"asset-{first}")
            ]
            await world.telemetry(rows)
        await world.settled()
    assert_equal(tmp_path, postgres)


async def test_forgotten_keys_are_deleted_from_postgresql(
    tmp_path: Path, postgres: Database
) -> None:
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.journal.write(UsedKey("old", "f", "dispatch", "d", 5 * S))
        await world.journal.write(UsedKey("new", "f", "dispatch", "e", 50 * S))
        await world.journal.write(ForgetKeys(10 * S, 100))
        await world.settled()
    assert_equal(tmp_path, postgres)
    assert in_postgres(postgres, "SELECT key FROM idempotency_keys") == [("new",)]


async def test_samples_with_far_off_times_are_fed(tmp_path: Path, postgres: Database) -> None:
    times = [0, -5 * S, 86_400 * S, 253_402_300_799 * S, NOW_US, NOW_US + 86_400 * S, 2**62]
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.telemetry([sample(n, ts_us=us) for n, us in enumerate(times, 1)])
        await world.settled()
    assert_equal(tmp_path, postgres)


async def test_text_that_postgresql_refuses_is_replaced(tmp_path: Path, postgres: Database) -> None:
    odd = replace(session("s"), software_version="a\0b\u2028\U0001f600'\\")
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.journal.write(odd, replace(dispatch("d"), detail="\0"))
        await world.settled()
        assert world.feed.statistics().held_back == 0
    assert in_postgres(postgres, "SELECT software_version FROM sessions") == [
        ("a\ufffdb\u2028\U0001f600'\\",)
    ]


async def test_the_feed_continues_after_a_restart(tmp_path: Path, postgres: Database) -> None:
    for n in range(4):
        async with open_world(tmp_path, postgres.dsn) as world:
            await world.telemetry(some(1 + n * 100, 100))
            if n % 2:
                await world.settled()
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.settled()
    assert_equal(tmp_path, postgres)


async def test_a_server_killed_again_and_again_loses_and_repeats_nothing(
    tmp_path: Path, postgres: Database
) -> None:
    rng = random.Random(4)

    async def produce(world: World) -> None:
        for n in range(40):
            await world.telemetry(some(1 + n * 200, 200, f"asset-{n % 5}"))
            await world.journal.write(dispatch(f"d{n}", created_us=NOW_US + n))
            await trio.sleep(0.03)

    async with open_world(tmp_path, postgres.dsn) as world:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(produce, world)
            for _ in range(4):
                await trio.sleep(rng.uniform(0.1, 0.4))
                await trio.to_thread.run_sync(postgres.server.kill)
                await trio.sleep(rng.uniform(0, 0.2))
                await trio.to_thread.run_sync(postgres.server.start)
        await world.settled()
        assert world.feed.statistics().trouble is None
    assert_equal(tmp_path, postgres)


@pytest.mark.parametrize("how", ["pg_terminate_backend", "pg_cancel_backend"])
async def test_terminated_backends_and_cancelled_statements_lose_nothing(
    tmp_path: Path, postgres: Database, how: str
) -> None:
    statement = (
        f"SELECT {how}(pid) FROM pg_stat_activity"
        f" WHERE datname = '{postgres.name}' AND pid <> pg_backend_pid()"
    )
    async with open_world(tmp_path, postgres.dsn) as world:
        async with trio.open_nursery() as nursery:

            async def cut() -> None:
                for _ in range(30):
                    await trio.to_thread.run_sync(partial(postgres.sql, statement))

            nursery.start_soon(cut)
            for n in range(30):
                await world.telemetry(some(1 + n * 1000, 1000))
        await world.settled()
    assert_equal(tmp_path, postgres)


async def test_a_partition_dropped_or_detached_is_made_again(
    tmp_path: Path, postgres: Database
) -> None:
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.telemetry(some(1, 10))
        await world.settled()
        name = postgres.sql("SELECT DISTINCT tableoid::regclass FROM telemetry")
        assert name.startswith("telemetry_2")
        postgres.sql(f"ALTER TABLE telemetry DETACH PARTITION {name}; DROP TABLE telemetry_default")
        await world.telemetry(some(11, 10))
        await world.settled()
        assert world.feed.statistics().held_back == 0
    assert postgres.sql("SELECT count(*) FROM telemetry") == "10"
    assert postgres.sql(f"SELECT count(*) FROM {name}") == "10"
    assert postgres.sql("SELECT DISTINCT tableoid::regclass FROM telemetry") == f"{name}_2"


async def test_rights_taken_away_and_given_back(tmp_path: Path, postgres: Database) -> None:
    role = f"r_{postgres.name}"
    postgres.sql(f"CREATE ROLE {role} LOGIN; GRANT ALL ON SCHEMA public TO {role}")
    try:
        async with open_world(tmp_path, postgres.dsn_as(role)) as world:
            await world.telemetry(some(1, 10))
            await world.settled()
            postgres.sql(
                f"ALTER TABLE telemetry OWNER TO postgres; REVOKE ALL ON telemetry FROM {role}"
            )
            await world.telemetry(some(11, 10))
            await world.until(lambda feed: feed.trouble is not None)
            assert "permission denied for table telemetry" in str(world.feed.statistics().trouble)
            await world.telemetry(some(21, 10))
            assert world.feed.statistics().lag_rows == 20
            postgres.sql(f"ALTER TABLE telemetry OWNER TO {role}")
            await world.settled()
            assert world.feed.statistics().trouble is None
        assert_equal(tmp_path, postgres)
    finally:
        postgres.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


async def test_missing_rights_are_reported_before_there_is_anything_to_feed(
    tmp_path: Path, postgres: Database
) -> None:
    role = f"r_{postgres.name}"
    postgres.sql(f"CREATE ROLE {role} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    try:
        async with open_world(tmp_path, postgres.dsn_as(role)) as world:
            await world.until(lambda feed: "permission denied" in str(feed.trouble))
            postgres.sql(f"GRANT ALL ON SCHEMA public TO {role}")
            await world.telemetry(some(1, 10))
            await world.settled()
            assert world.feed.statistics().trouble is None
        assert_equal(tmp_path, postgres)
    finally:
        postgres.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


async def test_a_role_that_may_make_no_temporary_tables_feeds_too(
    tmp_path: Path, postgres: Database
) -> None:
    role = f"r_{postgres.name}"
    postgres.sql(
        f"CREATE ROLE {role} LOGIN; GRANT ALL ON SCHEMA public TO {role};"
        f"REVOKE TEMPORARY ON DATABASE {postgres.name} FROM PUBLIC"
    )
    try:
        async with open_world(tmp_path, postgres.dsn_as(role)) as world:
            await world.telemetry(some(1, 3_000))
            await world.settled()
        assert_equal(tmp_path, postgres)
    finally:
        postgres.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


async def test_new_rows_go_before_a_backlog(tmp_path: Path, postgres: Database) -> None:
    async with open_world(tmp_path, "postgresql://nobody@/x?host=/nowhere") as world:
        for n in range(CATCH_UP_ROWS // 5_000 + 2):
            await world.telemetry(some(1 + n * 5_000, 5_000))
            await world.journal.write(dispatch(f"d{n}", states=(State.PENDING,)))
    # At this pace only one batch of the backlog goes.
    async with open_world(tmp_path, postgres.dsn, catch_up_rows_s=1) as world:
        await world.until(lambda feed: feed.catching_up and feed.fed_rows)
        await world.telemetry(some(900_000, 1, "newest"))
        await world.journal.write(dispatch("d0", states=(State.PENDING, State.SENT)))
        await world.until(
            lambda _: in_postgres(postgres, "SELECT 1 FROM assets WHERE asset_id = 'newest'")
        )
        assert world.feed.statistics().lag_rows > 10_000
    async with open_world(tmp_path, postgres.dsn) as world:
        await world.settled()
        assert not world.feed.statistics().catching_up
    assert_equal(tmp_path, postgres)

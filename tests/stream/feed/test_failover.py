"""A primary dies and its standby takes over, with or without the last commit."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import trio

from tests.stream.feed.opened import assert_equal, open_world, some
from tests.support.processes.postgres import PostgresServer, running_postgres
from tests.support.waiting import until

NAME = "derhead"


@contextmanager
def standby_of(primary: PostgresServer) -> Iterator[PostgresServer]:
    """A running copy that follows the primary."""
    with running_postgres() as standby:
        standby.stop()
        shutil.rmtree(standby.data)
        standby.run(
            *("pg_basebackup", "-D", standby.data, "-h", primary.folder, "-U", "postgres", "-R"),
            *("-X", "stream", "-c", "fast"),
        )
        with (standby.data / "postgresql.conf").open("a") as settings:
            settings.write(f"unix_socket_directories = '{standby.folder}'\n")
        standby.start()
        yield standby


async def count(server: PostgresServer, wanted: int) -> bool:
    said = await trio.to_thread.run_sync(server.sql, "SELECT count(*) FROM telemetry", NAME)
    return said == str(wanted)


async def test_a_standby_that_takes_over_is_fed_what_it_missed(tmp_path: Path) -> None:
    with running_postgres() as primary:
        primary.sql(f"CREATE DATABASE {NAME}")
        with standby_of(primary) as standby:
            dsn = f"postgresql://postgres@/{NAME}?host={primary.folder},{standby.folder}"
            async with open_world(tmp_path, dsn) as world:
                await world.telemetry(some(1, 100))
                await world.settled()
                await until(partial(count, standby, 100))
                # From here on the standby receives no more commits.
                standby.sql("ALTER SYSTEM SET primary_conninfo = ''; SELECT pg_reload_conf()")
                await until(partial(cut_off, primary))
                await world.telemetry(some(101, 100))
                await world.settled()
                assert await count(primary, 200)
                await trio.to_thread.run_sync(primary.kill)
                await world.telemetry(some(201, 100))
                await world.until(lambda feed: feed.trouble is not None)
                standby.sql("SELECT pg_promote()")
                await until(partial(count, standby, 300))
                await world.settled()
                assert world.feed.statistics().trouble is None
            assert_equal(tmp_path, standby.database(NAME))


async def cut_off(primary: PostgresServer) -> bool:
    said = await trio.to_thread.run_sync(primary.sql, "SELECT count(*) FROM pg_stat_replication")
    return said == "0"

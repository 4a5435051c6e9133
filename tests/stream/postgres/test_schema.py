"""PostgreSQL's tables: made once, recognised, refused when they are another program's."""

import sqlite3

import pytest
import trio

from derhead.history.file.schema import migrations as journal_migrations
from derhead.history.postgres.connections.causes import StoreCause, StoreUnreachable
from derhead.history.postgres.tables.schema import TABLES, migrations
from tests.support.history.postgres_port import connect_feed, open_port
from tests.support.processes.postgres import Database


async def test_tables_are_made_once_and_recognised(postgres: Database) -> None:
    async with open_port(postgres.dsn) as port:
        first = await connect_feed(port)
    async with open_port(postgres.dsn) as port:
        assert await connect_feed(port) == first
    assert postgres.sql("SELECT value FROM facts WHERE key = 'schema_version'") == str(
        max(migrations())
    )


async def test_two_headends_that_start_at_once_make_the_tables_once(postgres: Database) -> None:
    identities: set[str] = set()

    async def start() -> None:
        async with open_port(postgres.dsn) as port:
            identities.add(await connect_feed(port))

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(start)
    assert len(identities) == 1


async def test_newer_tables_are_refused_and_left_alone(postgres: Database) -> None:
    async with open_port(postgres.dsn) as port:
        await connect_feed(port)
        postgres.sql("UPDATE facts SET value = '999' WHERE key = 'schema_version'")
    async with open_port(postgres.dsn) as port:
        with pytest.raises(StoreUnreachable, match=r"version 999, this one knows") as raised:
            await connect_feed(port)
        assert raised.value.trouble.cause is StoreCause.SCHEMA
        with pytest.raises(StoreUnreachable, match="version 999"):
            await port.fetch("SELECT 1")


@pytest.mark.parametrize(
    "theirs",
    [
        "CREATE TABLE sessions (id int)",
        "CREATE TABLE facts (id int, what text)",
        "CREATE TABLE facts (key text, value text); INSERT INTO facts VALUES ('application', 'x')",
    ],
)
async def test_another_programs_tables_are_refused_and_not_touched(
    postgres: Database, theirs: str
) -> None:
    postgres.sql(theirs)
    async with open_port(postgres.dsn) as port:
        with pytest.raises(StoreUnreachable, match="tables of another program"):
            await connect_feed(port)
    assert postgres.sql("SELECT count(*) FROM pg_class WHERE relname = 'telemetry'") == "0"


async def test_missing_rights_are_named(postgres: Database) -> None:
    role = f"r_{postgres.name}"
    postgres.sql(f"CREATE ROLE {role} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    try:
        async with open_port(postgres.dsn_as(role)) as port:
            with pytest.raises(StoreUnreachable, match="permission denied for schema") as raised:
                await connect_feed(port)
            assert raised.value.trouble.cause is StoreCause.RIGHTS
            assert "grant" in str(raised.value)
    finally:
        postgres.sql(f"DROP ROLE {role}")


async def test_before_the_tables_are_there_questions_are_refused(postgres: Database) -> None:
    async with open_port(postgres.dsn) as port:
        with pytest.raises(StoreUnreachable, match="not yet brought up to date"):
            await port.fetch("SELECT 1")


async def test_both_stores_have_the_same_tables_and_columns(postgres: Database) -> None:
    journal = sqlite3.connect(":memory:")
    for script in journal_migrations().values():
        journal.executescript(script)
    async with open_port(postgres.dsn) as port:
        await connect_feed(port)
    for table in TABLES:
        ours = {row[1] for row in journal.execute(f"PRAGMA table_info({table})")}
        theirs = postgres.sql(
            "SELECT attname FROM pg_attribute WHERE NOT attisdropped AND attnum > 0"
            f" AND attrelid = '{table}'::regclass"
        )
        assert set(theirs.split()) == ours, table
    journal.close()

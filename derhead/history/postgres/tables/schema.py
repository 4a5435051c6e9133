"""PostgreSQL's tables: creates them, migrates them, recognises them.

Runs on the asyncio loop, at each new connection.
"""

from uuid import uuid4

from derhead.history.postgres.connections.causes import StoreCause, StoreUnreachable, Trouble
from derhead.history.postgres.connections.driver import PostgresConnection, transaction
from derhead.history.postgres.tables.fed_database import Prepared
from derhead.history.sql.migrations import read_migrations
from derhead.history.sql.record_tables import RECORD_TABLES

MIGRATION_LOCK = 0x44455248
"""The advisory lock for changes to tables: two headends that start at once take turns."""

APPLICATION = "derhead"

OLDEST_SERVER = 14
"""The oldest PostgreSQL that the statements support."""

TABLES = ("assets", "boots", *RECORD_TABLES)
"""The journal's tables, with its names and columns."""


def migrations() -> dict[int, str]:
    """PostgreSQL's SQL files, by number; each leads from one version to the next."""
    return read_migrations("derhead.history.postgres")


async def prepare_schema(connection: PostgresConnection) -> Prepared:
    """Creates or migrates the tables in one transaction; needs no rights if they are up to date.

    Raises: StoreUnreachable if the tables are newer than this software or another program's; errors
    of the driver.
    """
    scripts = migrations()
    server = int(await connection.fetchval("SHOW server_version_num")) // 10_000
    if server < OLDEST_SERVER:
        said = f"the server is PostgreSQL {server}: upgrade it to {OLDEST_SERVER} or newer"
        raise StoreUnreachable(Trouble(StoreCause.SCHEMA, said))
    async with transaction(connection):
        await connection.execute(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
        version = await _version(connection)
        _refuse_newer(version, max(scripts))
        for number, script in scripts.items():
            if number > version:
                await connection.execute(script)
        if version == 0:
            for key, value in (("application", APPLICATION), ("identity", str(uuid4()))):
                await put_fact(connection, key, value)
        if version < max(scripts):
            await put_fact(connection, "schema_version", str(max(scripts)))
        found = await connection.fetch(
            "SELECT key, value FROM facts WHERE key = 'identity' OR key LIKE 'fed:%'"
        )
        may_copy = await connection.fetchval(
            "SELECT has_database_privilege(current_database(), 'TEMPORARY')"
        )
    facts: dict[str, str] = dict(map(tuple, found))
    identity = facts.pop("identity")
    fed = {key.removeprefix("fed:"): int(value) for key, value in facts.items()}
    return Prepared(identity, fed, may_copy)


async def check_schema(connection: PostgresConnection) -> None:
    """Raises: StoreUnreachable if the tables are missing, or of another version."""
    version = await _version(connection)
    newest = max(migrations())
    _refuse_newer(version, newest)
    if version < newest:
        raise StoreUnreachable(
            Trouble(StoreCause.STARTING, "its tables are not yet brought up to date")
        )


async def _version(connection: PostgresConnection) -> int:
    if await connection.fetchval("SELECT to_regclass('facts') IS NULL"):
        others = await connection.fetch(
            "SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NOT NULL",
            TABLES,
        )
        if others:
            raise _not_ours(", ".join(name for (name,) in others))
        return 0
    columns = await connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('facts') AND attnum > 0"
        " AND NOT attisdropped ORDER BY attnum"
    )
    if [name for (name,) in columns] != ["key", "value"]:
        raise _not_ours("facts")
    found = await connection.fetch(
        "SELECT key, value FROM facts WHERE key IN ('application', 'schema_version')"
    )
    facts: dict[str, str] = dict(map(tuple, found))
    if facts.get("application") != APPLICATION:
        raise _not_ours("facts")
    return int(facts["schema_version"])


def _refuse_newer(version: int, newest: int) -> None:
    if version > newest:
        said = (
            f"a newer derhead made the tables (version {version}, this one knows up to {newest}): "
            "run that derhead"
        )
        raise StoreUnreachable(Trouble(StoreCause.SCHEMA, said))


def _not_ours(tables: str) -> StoreUnreachable:
    said = f"the database has tables of another program ({tables}): remove them"
    return StoreUnreachable(Trouble(StoreCause.SCHEMA, said))


async def put_fact(connection: PostgresConnection, key: str, value: str) -> None:
    """Stores a fact about the database, in the database."""
    await connection.execute(
        "INSERT INTO facts (key, value) VALUES ($1, $2)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        key,
        value,
    )

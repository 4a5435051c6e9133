"""The claim in PostgreSQL: an advisory lock of the feed's session, and the rows of ``claims``.

Runs on the asyncio loop that ``postgres.database`` confines. The lock belongs to the schema of the
tables, so that two schemas of one database may have a headend each.
"""

from typing import TYPE_CHECKING

from derhead.history.claim.claim_rules import Claim, ClaimLook
from derhead.history.claim.claimant import Claimant

if TYPE_CHECKING:
    from derhead.history.postgres.connections.driver import PostgresConnection

CLAIM_LOCK = 0x4445_5243
"""The first key of the lock; the second is the schema."""

CLAIMS_KEPT = 1_000
"""Rows of ``claims``: who held the database, and when. When full, the oldest go."""

_SCHEMA = "current_schema()::regnamespace::oid"

_LOCKS = (
    "pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    f" AND classid = {CLAIM_LOCK} AND objid = {_SCHEMA}"
)

_NOW_US = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

_COLUMNS = "term, claimant, name, process, claimed_us, seen_us, released_us"


async def look(connection: "PostgresConnection") -> ClaimLook:
    """The claim now; needs no table."""
    held = await connection.fetchval(f"SELECT EXISTS (SELECT 1 FROM {_LOCKS})")
    return ClaimLook(held, await _newest(connection))


async def lock_and_look(connection: "PostgresConnection") -> ClaimLook:
    """Tries to take the lock; ``held`` tells that another session has it."""
    locked = await connection.fetchval(
        f"SELECT pg_try_advisory_lock({CLAIM_LOCK}, {_SCHEMA}::integer)"
    )
    return ClaimLook(not locked, await _newest(connection))


async def newest_other(connection: "PostgresConnection", us: Claimant) -> Claim | None:
    """The newest claim of another headend since ours last knew everything."""
    found = await connection.fetch(
        f"SELECT {_COLUMNS} FROM claims WHERE claimant <> $1 AND term > $2"
        " ORDER BY term DESC LIMIT 1",
        *(us.id, us.term),
    )
    return Claim(*found[0]) if found else None


async def write_claim(connection: "PostgresConnection", term: int, us: Claimant) -> None:
    """Names this headend as the holder of that term."""
    await connection.execute(
        f"INSERT INTO claims ({_COLUMNS}) VALUES ($1, $2, $3, $4, {_NOW_US}, {_NOW_US}, NULL)"
        " ON CONFLICT (term) DO UPDATE SET seen_us = excluded.seen_us, released_us = NULL",
        *(term, us.id, us.name, us.process),
    )
    await connection.execute("DELETE FROM claims WHERE term <= $1", term - CLAIMS_KEPT)


async def renew_claim(connection: "PostgresConnection", term: int, us: Claimant) -> bool:
    """Notes that the holder lives; False if this session does not hold the claim of that term."""
    done = await connection.execute(
        f"UPDATE claims SET seen_us = {_NOW_US}"
        " WHERE term = $1 AND claimant = $2 AND released_us IS NULL"
        f" AND EXISTS (SELECT 1 FROM {_LOCKS} AND pid = pg_backend_pid())",
        *(term, us.id),
    )
    return done == "UPDATE 1"


async def release_claim(connection: "PostgresConnection", term: int, us: Claimant) -> None:
    """Gives the claim back: the next headend need not wait."""
    await connection.execute(
        f"UPDATE claims SET released_us = {_NOW_US} WHERE term = $1 AND claimant = $2",
        *(term, us.id),
    )
    await connection.execute(f"SELECT pg_advisory_unlock({CLAIM_LOCK}, {_SCHEMA}::integer)")


async def evict(connection: "PostgresConnection") -> None:
    """Ends the session that holds the lock. A role may end its own sessions."""
    await connection.execute(f"SELECT pg_terminate_backend(pid) FROM {_LOCKS}")


async def _newest(connection: "PostgresConnection") -> Claim | None:
    if await connection.fetchval("SELECT to_regclass('claims') IS NULL"):
        return None
    found = await connection.fetch(f"SELECT {_COLUMNS} FROM claims ORDER BY term DESC LIMIT 1")
    return Claim(*found[0]) if found else None

"""Only the session that holds the claim writes to a real PostgreSQL."""

import pytest

from derhead.history.claim import claim_table
from derhead.history.claim.claim_gate import ClaimGate
from derhead.history.claim.claimant import Claimant
from derhead.history.postgres.connections.causes import StoreCause, StoreUnreachable
from derhead.history.postgres.database import Postgres
from derhead.history.postgres.tables.loader import Loader
from tests.support.history.postgres_port import connect_feed, once_reachable, open_port
from tests.support.processes.postgres import Database
from tests.support.processes.transaction_pooler import pooled
from tests.support.waiting import until

WITHIN_S = 20


def gate_of(name: str, *, term: int = 0) -> ClaimGate:
    return ClaimGate(Claimant(name, f"host of {name}", "[]", term))


async def take(port: Postgres, gate: ClaimGate) -> None:
    """As a headend does that finds the claim free."""
    gate.allow((await port.look(claim_table.look, within_s=WITHIN_S)).newest)
    await once_reachable(lambda: connect_feed(port))
    gate.serve()


async def check(port: Postgres, gate: ClaimGate) -> None:
    async def work(loader: Loader) -> None:
        await gate.check(loader.connection)

    await port.load(work, within_s=WITHIN_S)


async def cause_of(port: Postgres, gate: ClaimGate) -> StoreCause:
    with pytest.raises(StoreUnreachable) as raised:
        await check(port, gate)
    return raised.value.trouble.cause


def rows(database: Database) -> list[str]:
    found = database.sql("SELECT term, claimant, released_us IS NULL FROM claims ORDER BY term")
    return found.split()


async def test_a_second_headend_is_kept_out_and_its_tables_stay_as_they_are(
    postgres: Database,
) -> None:
    one, two = gate_of("one"), gate_of("two")
    async with (
        open_port(postgres.dsn, gate=one) as first,
        open_port(postgres.dsn, gate=two) as second,
    ):
        await take(first, one)
        look = await second.look(claim_table.look, within_s=WITHIN_S)
        assert look.held
        assert look.newest is not None
        assert look.newest.name == "host of one"
        two.allow(look.newest)
        assert await cause_of(second, two) is StoreCause.CLAIM
        await check(first, one)
    assert rows(postgres) == ["1|one|t"]


async def test_a_claim_that_was_given_back_is_followed(postgres: Database) -> None:
    one, two = gate_of("one"), gate_of("two")
    async with open_port(postgres.dsn, gate=one) as first:
        await take(first, one)

        async def give_back(loader: Loader) -> None:
            await one.release(loader.connection)

        await first.load(give_back, within_s=WITHIN_S)
        assert await cause_of(first, one) is StoreCause.CLAIM
        async with open_port(postgres.dsn, gate=two) as second:
            await take(second, two)
            assert two.before is not None
            assert two.before.claimant == "one"
    assert rows(postgres) == ["1|one|f", "2|two|t"]


async def test_a_headend_that_was_replaced_learns_by_whom(postgres: Database) -> None:
    one, two = gate_of("one"), gate_of("two")
    async with open_port(postgres.dsn, gate=one) as first:
        await take(first, one)
        postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        async with open_port(postgres.dsn, gate=two) as second:
            await take(second, two)
            await until(lambda: was_replaced(first, one))
            assert one.replaced_by is not None
            assert one.replaced_by.name == "host of two"
            await check(second, two)


async def was_replaced(port: Postgres, gate: ClaimGate) -> bool:
    assert await cause_of(port, gate) in (StoreCause.CLAIM, StoreCause.UNREACHABLE)
    return gate.replaced_by is not None


async def test_a_headend_ends_its_own_broken_session(postgres: Database) -> None:
    gate = gate_of("one")
    # The first port stands for a session whose end the server has not noticed.
    async with (
        open_port(postgres.dsn, gate=gate) as broken,
        open_port(postgres.dsn, gate=gate) as port,
    ):
        await take(broken, gate)
        await once_reachable(lambda: check(port, gate))
    assert rows(postgres) == ["1|one|t"]


async def test_a_session_that_loses_its_lock_is_told_apart_as_a_poolers(
    postgres: Database,
) -> None:
    gate = gate_of("one")
    async with open_port(postgres.dsn, gate=gate) as port:
        await take(port, gate)

        async def as_a_pooler_does(loader: Loader) -> None:
            await loader.connection.execute("SELECT pg_advisory_unlock_all()")

        await port.load(as_a_pooler_does, within_s=WITHIN_S)
        with pytest.raises(StoreUnreachable, match="make the pooler pool sessions") as raised:
            await check(port, gate)
        assert raised.value.trouble.cause is StoreCause.POOLER


async def test_no_claim_is_made_behind_a_pooler_of_transactions(postgres: Database) -> None:
    gate = gate_of("one")
    async with pooled(postgres) as dsn, open_port(dsn, gate=gate) as port:
        gate.allow(None)
        with pytest.raises(StoreUnreachable, match="make the pooler pool sessions"):
            await connect_feed(port)
    assert gate.term is None
    assert postgres.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0"
    assert postgres.sql("SELECT to_regclass('claims')") == ""


async def test_a_database_that_was_set_back_is_claimed_under_the_same_term(
    postgres: Database,
) -> None:
    gate = gate_of("one")
    async with open_port(postgres.dsn, gate=gate) as port:
        await take(port, gate)
        postgres.sql(
            "UPDATE claims SET term = 5, claimant = 'before'; UPDATE claims SET released_us = 1"
        )
        gate.term = 7
        assert await cause_of(port, gate) is StoreCause.POOLER
        await once_reachable(lambda: check(port, gate))
    assert rows(postgres) == ["5|before|f", "7|one|t"]


async def test_two_schemas_of_one_database_have_a_headend_each(postgres: Database) -> None:
    postgres.sql("CREATE SCHEMA one; CREATE SCHEMA two")
    one, two = gate_of("one"), gate_of("two")
    async with (
        open_port(f"{postgres.dsn}&search_path=one", gate=one) as first,
        open_port(f"{postgres.dsn}&search_path=two", gate=two) as second,
    ):
        await take(first, one)
        await take(second, two)
        await check(first, one)
        await check(second, two)

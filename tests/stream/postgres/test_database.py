"""Questions to a real PostgreSQL from Trio tasks: answers, deadlines, and every way it fails."""

import traceback
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
import trio

from derhead.history.postgres.connections.causes import StoreCause, StoreUnreachable
from derhead.history.postgres.connections.driver import transaction
from derhead.history.postgres.database import Postgres
from derhead.history.postgres.tables.loader import Loader
from tests.support.history.postgres_port import connect_feed, once_reachable, open_port
from tests.support.processes.postgres import NEEDS_PASSWORD, Database
from tests.support.waiting import PATIENCE_S, until

ASLEEP = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"


async def sleep(loader: Loader) -> None:
    async with transaction(loader.connection):
        await loader.connection.execute("CREATE TABLE half (n int)")
        await loader.connection.execute("SELECT pg_sleep(60)")


async def answers(port: Postgres) -> bool:
    return await once_reachable(lambda: port.fetch("SELECT 1")) == [(1,)]


async def nobody_sleeps(port: Postgres) -> bool:
    return not await once_reachable(lambda: port.fetch(f"SELECT 1 {ASLEEP}"))


async def trouble_of(port: Postgres) -> StoreUnreachable:
    with pytest.raises(StoreUnreachable) as raised:
        await connect_feed(port)
    return raised.value


async def refused(port: Postgres, said: str) -> bool:
    return said in str(await trouble_of(port))


async def test_a_question_is_answered(postgres: Database) -> None:
    async with open_port(postgres.dsn) as port:
        await connect_feed(port)
        rows = await port.fetch("SELECT n, $1::text FROM generate_series(1, 3) AS n", "x")
        assert rows == [(1, "x"), (2, "x"), (3, "x")]


async def test_many_tasks_ask_at_once(postgres: Database) -> None:
    answers: list[int] = []

    async def ask(n: int) -> None:
        ((answer,),) = await port.fetch("SELECT $1::bigint", n)
        answers.append(answer)

    async with open_port(postgres.dsn) as port:
        await connect_feed(port)
        async with trio.open_nursery() as nursery:
            for n in range(200):
                nursery.start_soon(ask, n)
    assert sorted(answers) == list(range(200))


async def test_after_a_deadline_the_next_question_is_answered(postgres: Database) -> None:
    async with open_port(postgres.dsn) as port:
        await connect_feed(port)
        began_s = trio.current_time()
        with pytest.raises(StoreUnreachable, match=r"no answer within 0\.2 s"):
            await port.fetch("SELECT pg_sleep(60)", within_s=0.2)
        assert trio.current_time() - began_s < 5
        assert await answers(port)
        # The statement must not continue after its caller has left.
        await until(partial(nobody_sleeps, port))


async def test_a_caller_that_gives_up_leaves_nothing_behind(postgres: Database) -> None:
    async with open_port(postgres.dsn) as port:
        await connect_feed(port)
        with trio.move_on_after(0.2) as scope:
            await port.fetch("SELECT pg_sleep(60)", within_s=60)
        assert scope.cancelled_caught
        assert await answers(port)


async def test_without_a_server_questions_are_refused_until_it_is_back(postgres: Database) -> None:
    async with open_port(postgres.dsn) as port:
        identity = await connect_feed(port)
        postgres.server.kill()
        for _ in range(5):
            with pytest.raises(StoreUnreachable):
                await port.fetch("SELECT 1")
        postgres.server.start()
        assert await answers(port)
        assert await once_reachable(lambda: connect_feed(port)) == identity


async def test_a_connection_that_the_server_cut_is_made_anew(postgres: Database) -> None:
    async with open_port(postgres.dsn) as port:
        await connect_feed(port)
        for _ in range(3):
            assert await answers(port)
            postgres.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                f" WHERE datname = '{postgres.name}' AND pid <> pg_backend_pid()"
            )


async def test_a_transaction_cut_in_the_middle_ends_neither_loop_nor_service(
    postgres: Database,
) -> None:
    async def cut() -> None:
        await until(lambda: once_reachable(lambda: port.fetch(f"SELECT 1 {ASLEEP}")))
        postgres.sql(f"SELECT pg_terminate_backend(pid) {ASLEEP}")

    async with open_port(postgres.dsn) as port:
        await connect_feed(port)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cut)
            with pytest.raises(StoreUnreachable):
                await port.load(sleep, within_s=PATIENCE_S)
        there = await once_reachable(lambda: port.fetch("SELECT to_regclass('half')"))
        assert there == [(None,)]
        assert await once_reachable(lambda: connect_feed(port))


async def test_a_server_that_stops_answering_delays_nobody(postgres: Database) -> None:
    async with open_port(postgres.dsn) as port:
        await connect_feed(port)
        assert await answers(port)
        with postgres.server.standing_still():
            began_s = trio.current_time()
            with pytest.raises(StoreUnreachable):
                await port.fetch("SELECT 1", within_s=0.3)
            with pytest.raises(StoreUnreachable):
                await port.load(sleep, within_s=0.3)
            with trio.move_on_after(0.3):
                await port.fetch("SELECT 1", within_s=60)
            assert trio.current_time() - began_s < 5
        assert await answers(port)


async def test_the_service_ends_soon_if_the_server_stops_answering(postgres: Database) -> None:
    still = ExitStack()
    with still, trio.fail_after(PATIENCE_S):
        async with open_port(postgres.dsn) as port:
            await connect_feed(port)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(port.load, sleep, within_s=60))
                await until(lambda: port.fetch(f"SELECT 1 {ASLEEP}"))
                still.enter_context(postgres.server.standing_still())
                nursery.cancel_scope.cancel()
            began_s = trio.current_time()
        assert trio.current_time() - began_s < 4


async def test_a_wrong_password_is_reported_and_a_right_one_helps(
    postgres: Database, tmp_path: Path
) -> None:
    role = f"r_{postgres.name}"
    postgres.sql(
        f"CREATE ROLE {role} LOGIN PASSWORD 'right' IN ROLE {NEEDS_PASSWORD};"
        f"ALTER DATABASE {postgres.name} OWNER TO {role}"
    )
    secret = tmp_path / "secret"
    try:
        async with open_port(postgres.dsn_as(role), password_file=secret) as port:
            raised = await trouble_of(port)
            assert raised.trouble.cause is StoreCause.PASSWORD
            assert str(secret) in str(raised)
            secret.write_text("wrong\n")
            await until(partial(refused, port, "authentication failed"))
            secret.write_text("right\n")
            await once_reachable(lambda: connect_feed(port))
    finally:
        postgres.sql(
            f"ALTER DATABASE {postgres.name} OWNER TO postgres; DROP OWNED BY {role};"
            f"DROP ROLE {role}"
        )


@pytest.mark.parametrize(
    ("dsn", "cause"),
    [
        ("postgresql://postgres@127.0.0.1:1/x", StoreCause.UNREACHABLE),
        ("postgresql://postgres@/x?host=/nowhere", StoreCause.UNREACHABLE),
        ("postgresql://x@no-such-host.invalid/x", StoreCause.UNREACHABLE),
        ("postgresql://x:secret@/x?host=127.0.0.1&port=secret", StoreCause.NO_DATABASE),
        ("postgresql://x:secret@127.0.0.1/x?sslmode=secret", StoreCause.NO_DATABASE),
    ],
)
async def test_a_dsn_that_leads_nowhere_is_told_without_its_password(
    dsn: str, cause: StoreCause
) -> None:
    async with open_port(dsn) as port:
        raised = await trouble_of(port)
    assert raised.trouble.cause is cause
    assert "secret" not in "".join(traceback.format_exception(raised))


async def test_a_missing_database_is_named(postgres: Database) -> None:
    async with open_port(postgres.server.dsn("nowhere")) as port:
        raised = await trouble_of(port)
    assert raised.trouble.cause is StoreCause.NO_DATABASE
    assert "nowhere" in str(raised)


async def test_a_standby_takes_no_feed(postgres: Database) -> None:
    postgres.sql(f"ALTER DATABASE {postgres.name} SET default_transaction_read_only = on")
    async with open_port(postgres.dsn) as port:
        raised = await trouble_of(port)
    assert raised.trouble.cause is StoreCause.READ_ONLY

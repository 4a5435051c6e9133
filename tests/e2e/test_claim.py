"""One headend a database: two real headends beside one PostgreSQL."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from derhead.access import write_token_file
from tests.support.access import VIEWER, bearer, make_tokens
from tests.support.fleets import BATTERY, fleet
from tests.support.processes.postgres import Database
from tests.support.processes.proxy import PostgresProxy, ThreadedProxy, proxy_in_thread
from tests.support.processes.world import World, free_port, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

TAKEOVER_S = 5
NO_TAKEOVER_S = 3600
"""No test takes so long."""


def beside(dsn: str, takeover_s: float) -> dict[str, Any]:
    return {
        "telemetry_period_s": 0.5,
        "heartbeat_period_s": 1.0,
        "postgres": {"dsn": dsn, "takeover_s": takeover_s},
    }


@contextmanager
def two_worlds(
    folder: Path, dsn: str, other_dsn: str | None = None, *, takeover_s: float = TAKEOVER_S
) -> Iterator[list[World]]:
    """Two headends' worlds. Agents reach whichever headend listens on their common port."""
    (folder / "one").mkdir()
    (folder / "two").mkdir()
    with (
        running(folder / "one", fleet(), beside(dsn, takeover_s)) as one,
        running(folder / "two", fleet(), beside(other_dsn or dsn, takeover_s)) as two,
    ):
        two.grpc_port = one.grpc_port
        yield [one, two]


def state_in(database: Database, dispatch_id: str) -> str:
    return database.sql(f"SELECT state FROM dispatches WHERE id = '{dispatch_id}'")


def wait_fed(database: Database, dispatch_id: str, state: str) -> None:
    eventually(f"{state} is fed", lambda: state_in(database, dispatch_id) == state)


def start_with_order(world: World, database: Database) -> str:
    """A headend and an agent that holds an order, which PostgreSQL knows."""
    world.start_headend()
    world.start_agent(BATTERY)
    world.wait_online(BATTERY)
    dispatch = world.order("battery", 1.0, duration_s=600)
    world.wait_state(dispatch["id"], "started")
    wait_fed(database, dispatch["id"], "started")
    return str(dispatch["id"])


def readiness(world: World) -> dict[str, Any]:
    answer = httpx.get(f"{world.base}/readyz", timeout=10)
    return {"status": answer.status_code, **{c["name"]: c for c in answer.json()["checks"]}}


def serves(world: World) -> bool:
    try:
        return httpx.get(f"{world.base}/assets", timeout=10).status_code == 200
    except httpx.TransportError:
        return False


def test_a_second_headend_refuses_to_start(tmp_path: Path, postgres: Database) -> None:
    with two_worlds(tmp_path, postgres.dsn) as (one, two):
        dispatch_id = start_with_order(one, postgres)
        two.grpc_port = free_port()
        second = two.serve()
        assert second.popen.wait(60) == 1
        said = second.text()
        assert "holds the claim" in said
        assert f"process {one.processes[0].popen.pid}, data folder {tmp_path}/one/derhead" in said
        assert "start with --standby" in said
        assert one.get(f"/dispatch/{dispatch_id}")["state"] == "started"
        assert state_in(postgres, dispatch_id) == "started"


def test_a_standby_answers_that_it_stands_by(tmp_path: Path, postgres: Database) -> None:
    with two_worlds(tmp_path, postgres.dsn) as (one, two):
        one.start_headend()
        tokens = tmp_path / "tokens.yaml"
        write_token_file(tokens, make_tokens(0))
        two.settings["tokens"] = str(tokens)
        two.write_files()
        standby = two.start_headend(200, "--standby")
        assert two.ask("GET", "/healthz").json() == {"status": "ok", "not_ready": ["claim"]}
        eventually("it knows the holder", lambda: "holds" in readiness(two)["claim"]["detail"])
        found = readiness(two)
        assert found["status"] == 503
        assert found["claim"]["status"] == "unready"
        assert found["claim"]["detail"].startswith("standing by: the headend at ")
        for method, path in (("GET", "/assets"), ("POST", "/dispatch"), ("GET", "/events")):
            assert httpx.request(method, f"{two.base}{path}").status_code == 401
            answer = httpx.request(method, f"{two.base}{path}", headers=bearer(VIEWER))
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["retry-after"] == "5"
            assert "standing by" in answer.json()["detail"]
        assert standby.stop() == 0


def test_a_standby_takes_over_from_a_headend_that_was_killed(
    tmp_path: Path, postgres: Database
) -> None:
    with two_worlds(tmp_path, postgres.dsn) as (one, two):
        dispatch_id = start_with_order(one, postgres)
        standby = two.start_headend(200, "--standby")
        eventually("it knows the holder", lambda: "holds" in readiness(two)["claim"]["detail"])
        one.processes[0].kill()
        eventually("it serves", lambda: serves(two))
        assert "claim on PostgreSQL taken over: it was not given back" in standby.text()
        two.wait_online(BATTERY)
        assert two.get(f"/dispatch/{dispatch_id}")["state"] == "started"
        eventually(
            "its setpoint is in force",
            lambda: two.get(f"/telemetry/{BATTERY}")["setpoint_mw"] == 1.0,
        )
        # The first one is back: with what it had, it must not touch the other's fleet.
        first = one.start_headend(200, "--standby")
        assert two.ask("DELETE", f"/dispatch/{dispatch_id}").status_code == 202
        two.wait_state(dispatch_id, "cancelled")
        assert standby.stop() == 0
        eventually("the first one serves again", lambda: serves(one))
        assert one.get(f"/dispatch/{dispatch_id}")["state"] == "cancelled"
        assert "held PostgreSQL since this headend last did" in first.text()
        one.wait_online(BATTERY)
        order = one.order("battery", 0.5, duration_s=600)
        one.wait_state(order["id"], "started")
        wait_fed(postgres, order["id"], "started")
        assert state_in(postgres, dispatch_id) == "cancelled"


@contextmanager
def relayed(database: Database) -> Iterator[tuple[str, ThreadedProxy]]:
    """A DSN whose connections go through a relay."""
    # Short: the path of a Unix socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="derpx-", dir="/tmp") as folder:
        proxy = PostgresProxy(database.server.folder, Path(folder))
        with proxy_in_thread(proxy) as threaded:
            yield f"postgresql://postgres@/{database.name}?host={folder}", threaded


def test_a_headend_without_postgresql_serves_on_and_a_short_outage_costs_it_nothing(
    tmp_path: Path, postgres: Database
) -> None:
    with (
        relayed(postgres) as (dsn, network),
        two_worlds(tmp_path, dsn, postgres.dsn, takeover_s=NO_TAKEOVER_S) as (one, two),
    ):
        start_with_order(one, postgres)
        two.start_headend(200, "--standby")
        eventually("it knows the holder", lambda: "holds" in readiness(two)["claim"]["detail"])
        with network.cut():
            eventually("it notices", lambda: readiness(one)["claim"]["status"] == "degraded")
            order = one.order("battery", 0.5, duration_s=600, priority=1)
            one.wait_state(order["id"], "started")
        eventually("it has the claim again", lambda: readiness(one)["claim"]["status"] == "ready")
        wait_fed(postgres, order["id"], "started")
        assert not serves(two)
        assert "claim on PostgreSQL lost: this headend goes on" in one.processes[0].text()


def test_a_headend_that_was_replaced_while_it_was_cut_off_stops_and_says_so(
    tmp_path: Path, postgres: Database
) -> None:
    with (
        relayed(postgres) as (dsn, network),
        two_worlds(tmp_path, dsn, postgres.dsn) as (one, two),
    ):
        dispatch_id = start_with_order(one, postgres)
        two.grpc_port = free_port()
        # As on another machine: this one cannot see that the first headend's process lives.
        postgres.sql("UPDATE claims SET process = '[]'")
        standby = two.start_headend(200, "--standby")
        with network.cut():
            eventually("the stand-by serves", lambda: serves(two))
            # Neither is silent about it, and the first one still has its agent.
            assert "did not give its claim back and may live" in standby.text()
            assert "claim on PostgreSQL taken over: it was not given back" in standby.text()
            assert readiness(one)["claim"]["status"] == "degraded"
            order = one.order("battery", 0.5, duration_s=600, priority=1)
            one.wait_state(order["id"], "started")
        first = one.processes[0]
        assert first.popen.wait(30) == 1
        assert "took PostgreSQL over at" in first.text()
        assert state_in(postgres, order["id"]) == ""
        assert state_in(postgres, dispatch_id) == "started"
        # Its own journal keeps what PostgreSQL has not got, for its next turn.
        assert standby.stop() == 0
        one.start_headend()
        wait_fed(postgres, order["id"], "started")

"""derhead beside a PostgreSQL: fed, away and back, and a journal that was lost."""

import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.fleets import BATTERY, fleet, write_fleet
from tests.support.processes.postgres import Database
from tests.support.processes.world import FAST, World, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

REMOVED = "its asset was removed from assets.yaml"


def beside(dsn: str) -> dict[str, Any]:
    return {**FAST, "postgres": {"dsn": dsn, "start_wait_s": 5}}


def check(world: World) -> dict[str, Any]:
    """What /readyz says of PostgreSQL."""
    answer = httpx.get(f"{world.base}/readyz", timeout=10)
    assert answer.status_code == 200
    (found,) = [each for each in answer.json()["checks"] if each["name"] == "postgres"]
    return dict(found)


def count(database: Database, table: str) -> int:
    return int(database.sql(f"SELECT count(*) FROM {table}"))


def test_the_headend_feeds_postgresql_after_an_outage_of_it(
    tmp_path: Path, postgres: Database
) -> None:
    with running(tmp_path, fleet(), beside(postgres.dsn)) as world:
        postgres.server.stop()
        headend, *_ = world.start(BATTERY)
        dispatch = world.order("battery", 1.0, duration_s=60)
        world.wait_state(dispatch["id"], "started")
        found = check(world)
        assert found["status"] == "degraded"
        assert "see that PostgreSQL runs and can be reached" in found["detail"]
        postgres.server.start()
        eventually("it is fed", lambda: check(world)["status"] == "ready")
        eventually("samples are there", lambda: count(postgres, "telemetry") >= 3)
        state = f"SELECT state FROM dispatches WHERE id = '{dispatch['id']}'"
        eventually("the dispatch is there", lambda: postgres.sql(state) == "started")
        assert "derhead_postgres_lag_rows" in httpx.get(f"{world.base}/metrics").text
        assert headend.stop() == 0
        text = headend.text()
        assert text.count("cannot be fed") == 1
        assert "PostgreSQL is fed again" in text


def test_agents_keep_their_orders_when_the_headend_loses_its_journal(
    tmp_path: Path, postgres: Database
) -> None:
    with running(tmp_path, fleet(), beside(postgres.dsn)) as world:
        headend, *_ = world.start(BATTERY)
        dispatch = world.order("battery", 1.0, duration_s=600)
        world.wait_state(dispatch["id"], "started")
        state = f"SELECT state FROM dispatches WHERE id = '{dispatch['id']}'"
        eventually("the dispatch is there", lambda: postgres.sql(state) == "started")
        headend.kill()
        shutil.rmtree(tmp_path / "derhead")
        headend = world.start_headend()
        world.wait_online(BATTERY)
        assert world.get(f"/dispatch/{dispatch['id']}")["state"] == "started"
        eventually(
            "its setpoint is in force",
            lambda: world.get(f"/telemetry/{BATTERY}")["setpoint_mw"] == 1.0,
        )
        assert world.get(f"/dispatch/{dispatch['id']}")["state"] == "started"
        keys = 'dispatches=1 agents=1 reason="the journal is empty"'
        assert f'event="records came from PostgreSQL" {keys}' in headend.text()
        # A headend that starts without an asset ends its orders, in both stores.
        assert headend.stop() == 0
        without = fleet()
        del without["assets"][0]
        write_fleet(tmp_path, without)
        world.start_headend()
        assert world.wait_state(dispatch["id"], "cancelled")["detail"] == REMOVED
        eventually("PostgreSQL has its end", lambda: postgres.sql(state) == "cancelled")
        (entry,) = world.get("/audit", target=dispatch["id"], action="cancellation")["items"]
        assert (entry["detail"], entry["after"]["asset_id"]) == (REMOVED, BATTERY)
        noted = f"SELECT action FROM audit WHERE id = '{entry['id']}'"
        assert postgres.sql(noted) == "cancellation"


def test_a_headend_stops_without_waiting_for_postgresql(tmp_path: Path, postgres: Database) -> None:
    with running(tmp_path, fleet(), beside(postgres.dsn)) as world:
        headend = world.start_headend()
        world.start_agent(BATTERY)
        eventually("samples are there", lambda: check(world)["detail"].startswith("is fed"))
        with postgres.server.standing_still():
            assert headend.stop(within_s=10) == 0


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        ("postgresql://h:x/d", "postgres.dsn: the hosts or ports of the DSN cannot be read"),
        ("postgresql://u:secret@h/d", "postgres.dsn: the DSN holds a password"),
        ("mysql://h/d", "postgres.dsn: the DSN does not begin with postgresql://; write"),
    ],
)
def test_a_headend_with_an_unusable_dsn_does_not_start(tmp_path: Path, dsn: str, said: str) -> None:
    with running(tmp_path, fleet(), beside(dsn)) as world:
        arguments = ("--assets", world.assets, "--config", tmp_path / "derhead.yaml")
        command = world._start("derhead", "derhead", "serve", *arguments)
        assert command.popen.wait(30) == 2
        assert said in command.text()
        assert "secret" not in command.text()


def test_both_stores_have_the_audit_trail_of_orders_and_withdrawals(
    tmp_path: Path, postgres: Database
) -> None:
    with running(tmp_path, fleet(), beside(postgres.dsn)) as world:
        world.start_headend()
        headers = {"X-Request-Id": "from-anna-1"}
        body = {"asset_id": "battery", "mw": 1.0, "duration_s": 60}
        order = world.ask("POST", "/dispatch", json=body, headers=headers).json()
        assert world.ask("DELETE", f"/dispatch/{order['id']}").status_code == 200
        assert world.ask("DELETE", f"/dispatch/{order['id']}").status_code == 409
        assert world.ask("POST", "/dispatch", json={"asset_id": "nobody"}).status_code == 422
        columns = "action, peer, coalesce(target, ''), coalesce(before, ''), site_id IS NOT NULL"
        query = f"SELECT {columns} FROM audit ORDER BY at_us"
        expected = [
            ("order", "127.0.0.1", order["id"], "", True),
            ("withdrawal", "127.0.0.1", order["id"], '{"state": "pending"}', True),
            ("withdrawal_refused", "127.0.0.1", order["id"], "", True),
            ("order_refused", "127.0.0.1", "nobody", "", False),
        ]
        lines = ["|".join(map(str, (*line[:-1], "t" if line[-1] else "f"))) for line in expected]
        eventually("they are fed", lambda: postgres.sql(query).splitlines() == lines)
        told = world.ask("GET", "/audit").json()["items"][::-1]
        assert [
            (
                one["action"],
                one["peer"],
                one["target"] or "",
                "" if one["before"] is None else json.dumps(one["before"]),
                one["site_id"] is not None,
            )
            for one in told
        ] == expected
        assert told[0]["request_id"] == "from-anna-1"
        assert told[0]["after"]["mw"] == 1.0
        assert world.ask("GET", "/audit?action=order_refused").json()["items"] == told[3:]

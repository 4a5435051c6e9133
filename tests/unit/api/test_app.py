"""Every endpoint that reads, and its place in the documentation."""

import re
from pathlib import Path

import pytest

from derhead.api import create_app
from derhead.api.answering.replies import ITEMS_A_TURN
from derhead.history import PageRequest, TimeRange
from derhead.observability import Check, Health
from derproto.base.timefmt import parse_us
from derproto.metrics.families import gauge_by
from tests.support.api.fake_headend import (
    BATTERY,
    GAP,
    HEARTBEAT,
    NEXT,
    NOW,
    SESSION,
    SILENT,
    SITE,
    SOLAR,
    FakeView,
)
from tests.support.assets import fleet_of, make_asset
from tests.unit.api.asking import ask

DOCS = Path(__file__).parents[3] / "docs" / "api.md"


# --- what there is ---------------------------------------------------------------------


async def test_assets() -> None:
    answer = await ask(FakeView(), "/assets")
    assert answer.body["next_cursor"] is None
    told = [(item["id"], item["agent_id"], item["online"]) for item in answer.items]
    assert told == [
        (SOLAR, "agent-1", True),
        (BATTERY, "agent-1", True),
        (SILENT, "agent-2", False),
    ]


async def test_a_long_list_is_whole() -> None:
    view = FakeView()
    ids = [f"0f0e0d0c-0000-4000-8000-{n:012}" for n in range(2 * ITEMS_A_TURN + 1)]
    view.fleet = fleet_of(*(make_asset(asset_id, site_id=SITE) for asset_id in ids))
    answer = await ask(view, "/telemetry")
    assert [item["asset_id"] for item in answer.items] == ids


async def test_agents() -> None:
    (agent,) = (await ask(FakeView(), "/agents")).items
    assert agent["id"] == "agent-1"


async def test_sessions() -> None:
    view = FakeView()
    answer = await ask(view, f"/agents/agent-1/sessions?limit=5&cursor={NEXT}")
    assert answer.items[0]["session_id"] == SESSION.session_id
    (asked,) = view.history.asked
    assert (asked[0], asked[1]["page"]) == ("sessions", PageRequest(5, cursor=NEXT))


# --- telemetry -------------------------------------------------------------------------


@pytest.mark.parametrize("name", [BATTERY, BATTERY.upper(), "battery-1"])
async def test_telemetry_by_id_or_name(name: str) -> None:
    answer = await ask(FakeView(), f"/telemetry/{name}")
    assert answer.status == 200
    assert answer.body["p_mw"] == -0.25
    assert answer.body["setpoint_mw"] == -0.5


async def test_telemetry_of_an_asset_without_samples() -> None:
    answer = await ask(FakeView(), "/telemetry/pump")
    assert answer.status == 200
    assert (answer.body["ts"], answer.body["age_s"], answer.body["stale"]) == (None, None, True)


async def test_telemetry_of_all() -> None:
    answer = await ask(FakeView(), "/telemetry")
    assert [item["asset_name"] for item in answer.items] == ["roof", "battery-1", "pump"]


async def test_telemetry_history() -> None:
    view = FakeView()
    span = "from=2026-01-31T11:00:00Z&to=2026-01-31T12:00:00Z"
    answer = await ask(view, f"/telemetry/battery-1/history?{span}&limit=7&cursor={NEXT}")
    assert answer.body["next_cursor"] == NEXT
    # The setpoint at that time, not the present one.
    assert [item["setpoint_mw"] for item in answer.items] == [-0.3]
    assert view.history.asked == [
        (
            "telemetry_history",
            {
                "asset_id": BATTERY,
                "page": PageRequest(7, TimeRange(parse_us("2026-01-31T11:00:00Z"), NOW), NEXT),
            },
        )
    ]


async def test_telemetry_history_by_steps() -> None:
    view = FakeView()
    answer = await ask(view, "/telemetry/battery-1/history?step=15m")
    assert [item["count"] for item in answer.items] == [15]
    ((query, arguments),) = view.history.asked
    assert query == "telemetry_buckets"
    assert (arguments["step_us"], arguments["page"]) == (900_000_000, PageRequest(100))


async def test_gaps() -> None:
    view = FakeView()
    span = "from=2026-01-31T11:00:00Z&to=2026-01-31T12:00:00Z"
    answer = await ask(view, f"/telemetry/battery-1/gaps?{span}&limit=7&cursor={NEXT}")
    assert answer.body["next_cursor"] == NEXT
    lasting, partly = answer.items
    assert (lasting["end"], lasting["cause"], lasting["rows"]) == (None, "device", 7)
    assert partly == {
        "id": GAP.id,
        "asset_id": BATTERY,
        "start": "2026-01-31T11:58:30Z",
        "end": "2026-01-31T11:59:30Z",
        "cause": "link",
        "rows": None,
        "backfilled": False,
        "filled_until": "2026-01-31T11:59:00Z",
        "agent_id": "agent-1",
    }
    ((query, arguments),) = view.history.asked
    assert query == "gaps"
    within = TimeRange(parse_us("2026-01-31T11:00:00Z"), NOW)
    assert arguments["page"] == PageRequest(7, within, NEXT)


# --- heartbeats ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["agent-1", BATTERY, "battery-1"])
async def test_heartbeat_by_agent_or_asset(name: str) -> None:
    answer = await ask(FakeView(), f"/heartbeat/{name}")
    assert answer.body["agent_id"] == "agent-1"
    assert answer.body["uptime_s"] == HEARTBEAT.uptime_ms / 1000


async def test_heartbeat_of_a_last_holder_without_heartbeats() -> None:
    answer = await ask(FakeView(), "/heartbeat/pump")
    assert answer.status == 200
    assert (answer.body["agent_id"], answer.body["ts"]) == ("agent-2", None)


async def test_heartbeat_of_an_asset_that_was_never_held() -> None:
    view = FakeView()
    del view.last_holders[SILENT]
    answer = await ask(view, "/heartbeat/pump")
    assert answer.status == 200
    assert answer.body["agent_id"] is None
    assert (await ask(view, "/heartbeat/pump/history")).items == []
    assert view.history.asked == []


async def test_heartbeat_history() -> None:
    view = FakeView()
    answer = await ask(view, "/heartbeat/battery-1/history")
    assert len(answer.items) == 1
    assert view.history.asked[0][1]["agent_id"] == "agent-1"


# --- and all of it ---------------------------------------------------------------------


async def test_health() -> None:
    view = FakeView()
    assert (await ask(view, "/healthz")).body == {"status": "ok", "not_ready": []}
    view.readiness.add(lambda: Check("journal", Health.READY))
    view.readiness.add(lambda: Check("clock", Health.DEGRADED, "was set"))
    assert (await ask(view, "/healthz")).body == {"status": "ok", "not_ready": ["clock"]}
    view.why_failing = "the disk is full"
    answer = await ask(view, "/healthz")
    assert answer.status == 503
    assert answer.body == {
        "status": "failing",
        "not_ready": ["clock"],
        "journal": "the disk is full",
    }


async def test_the_worst_check_decides_readiness() -> None:
    view = FakeView()
    assert (await ask(view, "/readyz")).body == {"status": "ready", "checks": []}
    found = {"journal": Check("journal", Health.READY, "takes records")}
    view.readiness.add(lambda: found["journal"])
    view.readiness.add(lambda: Check("feed", Health.DEGRADED, "9 rows behind"))
    answer = await ask(view, "/readyz")
    assert answer.status == 200
    assert answer.body == {
        "status": "degraded",
        "checks": [
            {"name": "journal", "status": "ready", "detail": "takes records"},
            {"name": "feed", "status": "degraded", "detail": "9 rows behind"},
        ],
    }
    found["journal"] = Check("journal", Health.UNREADY, "the disk is full")
    answer = await ask(view, "/readyz")
    assert (answer.status, answer.body["status"]) == (503, "unready")


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [("*/*", "text/plain; version=0.0.4"), ("application/openmetrics-text", "application/openmet")],
)
async def test_metrics(accept: str, content_type: str) -> None:
    view = FakeView()
    view.metrics.add(lambda: [gauge_by("derhead_things", "Of each kind.", "kind", {"odd": 3})])
    client = create_app(view).test_client()
    answer = await client.get("/metrics", headers={"Accept": accept})
    assert answer.content_type.startswith(content_type)
    assert 'derhead_things{kind="odd"} 3.0' in await answer.get_data(as_text=True)


async def test_head() -> None:
    answer = await ask(FakeView(), "/telemetry/battery-1", "HEAD")
    assert answer.status == 200
    assert int(answer.headers["Content-Length"]) > 100


def test_every_route_is_documented() -> None:
    docs = DOCS.read_text()
    for rule in create_app(FakeView()).url_map.iter_rules():
        (method,) = (rule.methods or set()) - {"HEAD"}
        path = re.sub(r"<(dispatch:)?([\w:]+)>", r"{\2}", rule.rule)
        assert f"`{method} {path}`" in docs


@pytest.mark.parametrize("path", ["/sites/Alamosa", f"/sites/{SITE}", f"/sites/{SITE.upper()}"])
async def test_a_site_shows_the_sum_of_its_assets(path: str) -> None:
    site = (await ask(FakeView(), path)).body
    assert (site["id"], site["name"], site["p_mw"]) == (SITE, "Alamosa", -0.25)
    assert site["assets"] == {"total": 3, "online": 1, "stale": 1, "offline": 1, "measured": 1}
    assert (site["available_up_mw"], site["available_down_mw"]) == (1.25, 0.75)
    assert (await ask(FakeView(), "/sites")).items == [site]


async def test_an_unknown_site_is_404() -> None:
    assert (await ask(FakeView(), "/sites/nowhere")).status == 404

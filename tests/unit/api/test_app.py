"""The endpoints, through Quart's own test client."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from werkzeug.datastructures import Headers

from derhead.api import create_app
from derhead.api.replies import ITEMS_A_TURN
from derhead.dispatch import Order, State
from derhead.errors import JournalError
from derproto.base.fleet import Asset, AssetKind, Fleet, Limits
from derproto.base.timefmt import parse_us
from tests.unit.api.fakes import (
    BATTERY,
    DISPATCH,
    HEARTBEAT,
    NEXT,
    NOW,
    SESSION,
    SILENT,
    SITE,
    SOLAR,
    FakeView,
)

DOCS = Path(__file__).parents[3] / "docs" / "api.md"
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Headers
    text: str

    @property
    def body(self) -> dict[str, object]:
        body = json.loads(self.text, parse_constant=lambda word: pytest.fail(word))
        assert isinstance(body, dict)
        return body

    @property
    def items(self) -> list[dict[str, object]]:
        items = self.body["items"]
        assert isinstance(items, list)
        return items

    @property
    def pointers(self) -> list[str]:
        errors = self.body["errors"]
        assert isinstance(errors, list)
        return [error["pointer"] for error in errors]


async def ask(
    view: FakeView,
    path: str,
    method: str = "GET",
    *,
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One request, and what every answer has in common."""
    response = (
        await create_app(view)
        .test_client()
        .open(  # type: ignore[call-arg]
            path, method=method, data=data, headers=dict(headers or {})
        )
    )
    text = await response.get_data(as_text=True)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"
    answer = Answer(response.status_code, response.headers, text)
    if response.status_code >= 400 and "failing" not in text:
        assert response.content_type == "application/problem+json"
        members = ["type", "title", "status", "detail", "instance", "errors"]
        assert list(answer.body) == members
        assert answer.body["status"] == response.status_code
    else:
        assert response.content_type == "application/json"
    return answer


async def order(view: FakeView, body: object) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await ask(view, "/dispatch", "POST", data=data, headers=JSON)


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
    kind, limits = AssetKind.LOAD, Limits(-1, 0)
    assets = {asset: Asset(asset, asset, SITE, kind, 1, limits) for asset in ids}
    view.fleet = Fleet(view.fleet.sites, assets)
    answer = await ask(view, "/telemetry")
    assert [item["asset_id"] for item in answer.items] == ids


async def test_agents() -> None:
    (agent,) = (await ask(FakeView(), "/agents")).items
    assert agent["id"] == "agent-1"


async def test_sessions() -> None:
    view = FakeView()
    answer = await ask(view, f"/agents/agent-1/sessions?limit=5&cursor={NEXT}")
    assert answer.items[0]["session_id"] == SESSION.session_id
    asked = {"agent_id": "agent-1", "limit": 5, "cursor": NEXT}
    assert view.history.asked == [("sessions", asked)]


# --- telemetry -------------------------------------------------------------------------


@pytest.mark.parametrize("name", [BATTERY, BATTERY.upper(), "battery-1"])
async def test_telemetry_by_id_or_name(name: str) -> None:
    answer = await ask(FakeView(), f"/telemetry/{name}")
    assert answer.status == 200
    assert answer.body["p_mw"] == -0.25
    assert answer.body["setpoint_mw"] == -0.5


async def test_telemetry_of_an_asset_that_never_spoke() -> None:
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
    # The setpoint of then, not of now.
    assert [item["setpoint_mw"] for item in answer.items] == [-0.3]
    assert view.history.asked == [
        (
            "telemetry_history",
            {
                "asset_id": BATTERY,
                "from_us": parse_us("2026-01-31T11:00:00Z"),
                "to_us": NOW,
                "limit": 7,
                "cursor": NEXT,
            },
        )
    ]


async def test_telemetry_history_by_steps() -> None:
    view = FakeView()
    answer = await ask(view, "/telemetry/battery-1/history?step=15m")
    assert [item["count"] for item in answer.items] == [15]
    ((query, arguments),) = view.history.asked
    assert query == "telemetry_buckets"
    assert (arguments["step_us"], arguments["limit"]) == (900_000_000, 100)


# --- heartbeats ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["agent-1", BATTERY, "battery-1"])
async def test_heartbeat_by_agent_or_asset(name: str) -> None:
    answer = await ask(FakeView(), f"/heartbeat/{name}")
    assert answer.body["agent_id"] == "agent-1"
    assert answer.body["uptime_s"] == HEARTBEAT.uptime_ms / 1000


async def test_heartbeat_of_the_last_holder_that_sent_none() -> None:
    answer = await ask(FakeView(), "/heartbeat/pump")
    assert answer.status == 200
    assert (answer.body["agent_id"], answer.body["ts"]) == ("agent-2", None)


async def test_heartbeat_of_an_asset_that_nobody_ever_held() -> None:
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


# --- orders ----------------------------------------------------------------------------


async def test_an_order_is_taken() -> None:
    view = FakeView()
    body = {"asset_id": "battery-1", "mw": 0.5, "duration_s": 60, "priority": 1}
    answer = await order(view, body)
    assert answer.status == 201
    assert answer.headers["Location"] == f"/dispatch/{DISPATCH}"
    assert (answer.body["id"], answer.body["mw"]) == (DISPATCH, 0.5)
    assert view.orders == [Order(BATTERY, 0.5, 60_000_000, 1)]


@pytest.mark.parametrize(
    ("body", "status", "pointers"),
    [
        (b"mw=1", 400, []),
        (b"", 400, []),
        (b'{"mw":1,"mw":1}', 400, []),
        (b"[]", 422, [""]),
        (b'{"asset_id":"battery-1","mw":NaN}', 422, ["/mw"]),
        (b'{"asset_id":"battery-1","mw":-Infinity}', 422, ["/mw"]),
        (b'{"asset_id":"battery-1","mw":"1"}', 422, ["/mw"]),
        (b'{"asset_id":"battery-1","mw":7,"duration_s":-1}', 422, ["/mw", "/duration_s"]),
        (b'{"asset_id":"battery-1","mw":0,"site_id":"x"}', 422, ["/site_id"]),
        (b'{"asset_id":"nobody","mw":0}', 404, ["/asset_id"]),
        (b'{"asset_id":"\\ud800","mw":0}', 404, ["/asset_id"]),
        (b"x" * 70_000, 413, []),
    ],
)
async def test_what_is_no_order(body: bytes, status: int, pointers: list[str]) -> None:
    view = FakeView()
    answer = await order(view, body)
    assert (answer.status, answer.pointers) == (status, pointers)
    assert view.orders == []


async def test_an_unknown_asset_is_named() -> None:
    answer = await order(FakeView(), {"asset_id": "nobody", "mw": 0})
    assert "'nobody'" in str(answer.body["detail"])


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
async def test_what_does_not_say_that_it_is_json_is_415(kind: str | None) -> None:
    view = FakeView()
    headers = {} if kind is None else {"Content-Type": kind}
    data = b'{"asset_id":"battery-1","mw":0}'
    answer = await ask(view, "/dispatch", "POST", data=data, headers=headers)
    assert answer.status == 415
    assert "application/json" in str(answer.body["detail"])
    assert view.orders == []


async def test_while_the_journal_fails_nothing_is_ordered() -> None:
    view = FakeView()
    view.why_failing = "the disk is full"
    answer = await order(view, {"asset_id": "battery-1", "mw": 0})
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "5"
    assert "the disk is full" in str(answer.body["detail"])
    assert view.orders == []


async def test_an_order_that_the_journal_refuses_is_503() -> None:
    view = FakeView()
    view.refuses_orders = True
    answer = await order(view, {"asset_id": "battery-1", "mw": 0})
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


async def test_dispatch_history() -> None:
    view = FakeView()
    answer = await ask(view, "/dispatch/history?asset_id=battery-1&state=started")
    assert answer.items[0]["id"] == DISPATCH
    ((_, arguments),) = view.history.asked
    assert (arguments["asset_id"], arguments["state"]) == (BATTERY, State.STARTED)


@pytest.mark.parametrize("name", [DISPATCH, DISPATCH.upper()])
async def test_a_dispatch(name: str) -> None:
    answer = await ask(FakeView(), f"/dispatch/{name}")
    assert answer.body["id"] == DISPATCH


# --- errors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nowhere",
        "/assets/",
        "/static/x",
        "/telemetry/nobody",
        "/telemetry/nobody/history",
        "/telemetry/battery-1/gaps",
        "/dispatch/nothing",
        "/dispatch/history?asset_id=nobody",
        "/heartbeat/nobody",
        "/heartbeat/nobody/history",
        "/agents/nobody/sessions",
        "/%00%ff",
    ],
)
async def test_what_is_not_there_is_404(path: str) -> None:
    assert (await ask(FakeView(), path)).status == 404


@pytest.mark.parametrize(
    ("path", "pointers"),
    [
        ("/assets?x=1", ["/query/x"]),
        ("/telemetry?x=1", ["/query/x"]),
        ("/telemetry/battery-1?x=1", ["/query/x"]),
        ("/heartbeat/agent-1?x=1", ["/query/x"]),
        ("/agents?x=1", ["/query/x"]),
        ("/agents/agent-1/sessions?from=2026-01-31T00:00:00Z", ["/query/from"]),
        (
            "/telemetry/battery-1/history?limit=0&step=1&to=x",
            ["/query/limit", "/query/step", "/query/to"],
        ),
        ("/telemetry/battery-1/history?cursor=bad", ["/query/cursor"]),
        ("/telemetry/battery-1/history?step=1m&cursor=bad", ["/query/cursor"]),
        ("/dispatch/history?state=x", ["/query/state"]),
        ("/dispatch/history?a/b=x", ["/query/a~1b"]),
    ],
)
async def test_a_query_that_cannot_be_used_is_422(path: str, pointers: list[str]) -> None:
    answer = await ask(FakeView(), path)
    assert (answer.status, answer.pointers) == (422, pointers)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/assets", "GET, HEAD"),
        ("DELETE", "/dispatch/x", "GET, HEAD"),
        ("OPTIONS", "/telemetry", "GET, HEAD"),
        ("PUT", "/dispatch", "POST"),
        ("BREW", "/healthz", "GET, HEAD"),
    ],
)
async def test_a_method_that_is_not_there_is_405(method: str, path: str, allowed: str) -> None:
    answer = await ask(FakeView(), path, method)
    assert (answer.status, answer.headers["Allow"]) == (405, allowed)


async def test_get_dispatch_is_405() -> None:
    assert (await ask(FakeView(), "/dispatch")).status == 405


async def test_a_problem_says_where_it_was() -> None:
    answer = await ask(FakeView(), "/telemetry/no%20body%3F")
    assert answer.body["instance"] == "/telemetry/no%20body%3F"
    assert (answer.body["type"], answer.body["title"]) == ("about:blank", "Not Found")


@pytest.mark.parametrize(
    ("error", "status"), [(JournalError("cannot be read"), 503), (ZeroDivisionError("bug"), 500)]
)
async def test_a_failure_is_a_problem_and_one_line_in_the_log(
    error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    view = FakeView()
    view.history.error = error
    answer = await ask(view, "/telemetry/battery-1/history")
    assert answer.status == status
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert str(error) in record.getMessage()
    assert "GET '/telemetry/battery-1/history'" in record.getMessage()
    assert status != 500 or "bug" not in answer.text


async def test_reading_and_refusing_log_nothing(caplog: pytest.LogCaptureFixture) -> None:
    await ask(FakeView(), "/telemetry")
    await ask(FakeView(), "/telemetry/nobody")
    await order(FakeView(), {"asset_id": "battery-1", "mw": 99})
    assert caplog.records == []


async def test_health() -> None:
    view = FakeView()
    assert (await ask(view, "/healthz")).body == {"status": "ok"}
    view.why_failing = "the disk is full"
    answer = await ask(view, "/healthz")
    assert answer.status == 503
    assert answer.body == {"status": "failing", "journal": "the disk is full"}


async def test_head() -> None:
    answer = await ask(FakeView(), "/telemetry/battery-1", "HEAD")
    assert answer.status == 200
    assert int(answer.headers["Content-Length"]) > 100


def test_every_route_is_documented() -> None:
    docs = DOCS.read_text()
    rules = list(create_app(FakeView()).url_map.iter_rules())
    assert len(rules) == 12
    for rule in rules:
        (method,) = (rule.methods or set()) - {"HEAD"}
        path = rule.rule.replace("<", "{").replace(">", "}")
        assert f"`{method} {path}`" in docs

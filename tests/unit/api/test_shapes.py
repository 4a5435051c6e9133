"""The JSON of each record, word for word."""

import json
import math
from dataclasses import replace

import pytest

from derhead.dispatch import AssetOrder, SiteOrder
from derhead.shapes import (
    TelemetryJson,
    agent_shape,
    asset_shape,
    bucket_shape,
    dispatch_shape,
    group_shape,
    heartbeat_shape,
    preflight_shape,
    session_shape,
    site_preflight_shape,
    telemetry_shape,
)
from derproto.der.v1 import OperatingState
from tests.support.api.fake_headend import (
    AGENT,
    BATTERY,
    BUCKET,
    DISPATCH,
    DISPATCHED,
    GROUP,
    GROUPED,
    HEARTBEAT,
    NOW,
    PARTS,
    SAMPLE,
    SESSION,
    SILENT,
    SITE,
    SOLAR,
    FakeView,
    make_fleet,
)

FLEET = make_fleet()
PUMP = list(FLEET.assets.values())[2]


def telemetry(**changes: object) -> TelemetryJson:
    sample = replace(SAMPLE, **changes)  # type: ignore[arg-type]
    return telemetry_shape(
        FLEET.assets[BATTERY], sample, setpoint_mw=-0.5, now_us=NOW, telemetry_period_ms=4000
    )


def test_asset() -> None:
    asset = FLEET.assets[SOLAR]
    assert asset_shape(asset, FLEET.sites[SITE], agent_id="agent-1", online=True) == {
        "id": SOLAR,
        "name": "roof",
        "site_id": SITE,
        "site_name": "Alamosa",
        "kind": "solar",
        "rated_mw": 2.0,
        "limits": {"min_mw": 0.0, "max_mw": 2.0},
        "agent_id": "agent-1",
        "online": True,
    }


def test_agent() -> None:
    assert agent_shape(AGENT) == {
        "id": "agent-1",
        "site_id": SITE,
        "asset_ids": [SOLAR, BATTERY],
        "session_id": "5e550000-0000-4000-8000-000000000000",
        "connected_at": "2026-01-31T11:59:00Z",
        "last_seen_at": "2026-01-31T11:59:59.5Z",
        "peer": "127.0.0.1:40000",
        "software_version": "0.1.0",
        "clock_offset_s": -0.0015,
        "outbox_rows": 3,
        "duplicate_id": False,
        "certificate_expires_at": "2026-12-31T00:00:00Z",
    }


def test_telemetry() -> None:
    assert telemetry() == {
        "asset_id": BATTERY,
        "asset_name": "battery-1",
        "site_id": SITE,
        "agent_id": "agent-1",
        "ts": "2026-01-31T11:59:57.5Z",
        "received_at": "2026-01-31T11:59:57.6Z",
        "p_mw": -0.25,
        "q_mvar": None,
        "soc": 0.5,
        "voltage_v": None,
        "frequency_hz": 59.98,
        "status": "running",
        "quality": ["clock_skew", "backfilled"],
        "setpoint_mw": -0.5,
        "age_s": 2.4,
        "stale": False,
    }


def test_telemetry_of_an_asset_without_samples() -> None:
    shape = telemetry_shape(PUMP, None, setpoint_mw=None, now_us=NOW, telemetry_period_ms=4000)
    told = {"asset_id": PUMP.id, "asset_name": "pump", "site_id": SITE}
    assert shape == dict.fromkeys(telemetry()) | told | {"quality": [], "stale": True}


@pytest.mark.parametrize(
    ("age_us", "period_ms", "stale"),
    [
        (10_000_000, 4000, False),
        (10_000_001, 4000, True),
        (20_000_000, 8000, False),
        (20_000_001, 8000, True),
    ],
)
def test_stale(age_us: int, period_ms: int, stale: bool) -> None:
    sample = replace(SAMPLE, ts_us=NOW - age_us, received_us=NOW, quality=0)
    shape = telemetry_shape(
        PUMP, sample, setpoint_mw=None, now_us=NOW, telemetry_period_ms=period_ms
    )
    assert shape["stale"] is stale


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (OperatingState.UNSPECIFIED, "unknown"),
        (OperatingState.OFF, "off"),
        (OperatingState.FAULT, "fault"),
        (4711, "unknown"),
    ],
)
def test_status(status: int, name: str) -> None:
    assert telemetry(status=int(status))["status"] == name


def test_unknown_quality_bits_are_left_out() -> None:
    assert telemetry(quality=0xFFF6)["quality"] == ["implausible", "stale_device"]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_null(number: float) -> None:
    shape = telemetry(p_mw=number, soc=number, voltage_v=number)
    assert (shape["p_mw"], shape["soc"], shape["voltage_v"]) == (None, None, None)
    json.dumps(shape, allow_nan=False)
    assert dispatch_shape(replace(DISPATCHED, applied_mw=number))["applied_mw"] is None


def test_bucket() -> None:
    assert bucket_shape(BUCKET) == {
        "ts": "2026-01-31T12:00:00Z",
        "mean": 0.5,
        "min": 0.25,
        "max": 1.0,
        "last": None,
        "count": 15,
    }


def test_heartbeat() -> None:
    assert heartbeat_shape("agent-1", HEARTBEAT, now_us=NOW) == {
        "agent_id": "agent-1",
        "ts": "2026-01-31T11:59:51Z",
        "received_at": "2026-01-31T11:59:52Z",
        "uptime_s": 60.5,
        "outbox_rows": 3,
        "devices": [{"asset_id": BATTERY, "health": "ok"}],
        "age_s": 8.0,
    }


def test_an_agent_without_a_heartbeat() -> None:
    known = dict.fromkeys(heartbeat_shape("agent-2", HEARTBEAT, now_us=NOW))
    shape = heartbeat_shape("agent-2", None, now_us=NOW)
    assert shape == known | {"agent_id": "agent-2", "devices": []}


def test_an_empty_outbox_is_zero_and_not_null() -> None:
    calm = replace(HEARTBEAT, outbox_rows=0, uptime_ms=0, received_us=NOW)
    shape = heartbeat_shape("agent-1", calm, now_us=NOW)
    assert (shape["outbox_rows"], shape["uptime_s"], shape["age_s"]) == (0, 0.0, 0.0)


@pytest.mark.parametrize("ts_us", [-(2**63), 2**63 - 1])
def test_a_time_beyond_the_calendar_is_null(ts_us: int) -> None:
    lost = replace(HEARTBEAT, ts_us=ts_us)
    assert heartbeat_shape("agent-1", lost, now_us=NOW)["ts"] is None


def test_session() -> None:
    shape = {
        "session_id": "5e550000-0000-4000-8000-000000000000",
        "agent_id": "agent-1",
        "connected_at": "2026-01-31T11:59:00Z",
        "ended_at": "2026-01-31T11:59:59Z",
        "end_reason": "silent",
        "clock_offset_s": 0.0025,
        "peer": "127.0.0.1:40000",
        "software_version": "0.1.0",
        "messages": 20,
        "samples": 30,
    }
    assert session_shape(SESSION) == shape
    alive = replace(SESSION, ended_us=None, end_reason=None)
    assert session_shape(alive) == shape | {"ended_at": None, "end_reason": None}


def test_dispatch() -> None:
    assert dispatch_shape(DISPATCHED) == {
        "id": DISPATCH,
        "group_id": None,
        "asset_id": BATTERY,
        "mw": -0.5,
        "duration_s": 60.0,
        "priority": 128,
        "state": "started",
        "reason": None,
        "detail": None,
        "created_at": "2026-01-31T12:00:00Z",
        "start_at": "2026-01-31T12:00:00Z",
        "end_at": "2026-01-31T12:01:00Z",
        "expires_at": None,
        "applied_mw": -0.45,
        "superseded_by": None,
        "suspended": None,
        "interrupted_s": 0.0,
        "cancelling": None,
        "ordered_by": "anna",
        "withdrawn_by": None,
        "attempts": 0,
        "latency_ms": {"sent": None, "received": None, "started": 250.0},
        "states": [
            {
                "state": "pending",
                "at": "2026-01-31T12:00:00Z",
                "reason": None,
                "detail": None,
            },
            {
                "state": "started",
                "at": "2026-01-31T12:00:00.25Z",
                "reason": None,
                "detail": None,
            },
        ],
        "verdict": None,
    }
    led = dispatch_shape(
        replace(
            DISPATCHED,
            expires_us=NOW + 1_000_000,
            superseded_by=BATTERY,
            suspended="LINK_SILENT",
            interrupted_us=2_500_000,
            cancelling="not wanted",
            withdrawn_by="bert",
            attempts=2,
        )
    )
    assert led["expires_at"] == "2026-01-31T12:00:01Z"
    assert (led["superseded_by"], led["suspended"]) == (BATTERY, "LINK_SILENT")
    assert (led["interrupted_s"], led["cancelling"], led["attempts"]) == (2.5, "not wanted", 2)
    assert led["withdrawn_by"] == "bert"
    endless = dispatch_shape(replace(DISPATCHED, duration_us=None))
    assert (endless["duration_s"], endless["end_at"]) == (None, None)


def test_a_verdict_is_shown_as_json() -> None:
    judged = replace(DISPATCHED, verdict='{"outcome":"achieved","samples":3}')
    assert dispatch_shape(judged)["verdict"] == {"outcome": "achieved", "samples": 3}
    assert dispatch_shape(replace(DISPATCHED, verdict="{}"))["verdict"] is None


def test_group() -> None:
    shape: dict[str, object] = {**group_shape(GROUPED, PARTS)}
    assert shape.pop("parts") == []
    assert shape == {
        "id": GROUP,
        "site_id": SITE,
        "mw": 1.5,
        "allocated_mw": 1.5,
        "shortfall_mw": 0.0,
        "duration_s": 60.0,
        "priority": 128,
        "state": "started",
        "summary": "2 of 2 started in 0.25 s",
        "counts": {"started": 2},
        "started": {
            "count": 2,
            "of": 2,
            "first_at": "2026-01-31T12:00:00.25Z",
            "last_at": "2026-01-31T12:00:00.25Z",
            "in_s": 0.25,
        },
        "created_at": "2026-01-31T12:00:00Z",
        "start_at": "2026-01-31T12:00:00Z",
        "end_at": "2026-01-31T12:01:00Z",
        "expires_at": "2026-01-31T12:15:00Z",
        "cancelling": None,
        "ordered_by": "anna",
        "withdrawn_by": None,
        "left_out": [{"asset_id": SILENT, "why": "offline"}],
    }


def test_preflight() -> None:
    shape: dict[str, object] = {
        **preflight_shape(FakeView().preflight(AssetOrder(BATTERY, -0.5, 3_600_000_000)))
    }
    assert str(shape.pop("sentence")).startswith("battery-1 is online and would hold -0.5 MW")
    assert shape == {
        "dry_run": True,
        "asset_id": BATTERY,
        "mw": -0.5,
        "priority": 128,
        "start_at": "2026-01-31T12:00:00Z",
        "end_at": "2026-01-31T13:00:00Z",
        "online": True,
        "within_limits": True,
        "limits": {"min_mw": -1.0, "max_mw": 1.0},
        "p_mw": 0.25,
        "soc": 0.5,
        "energy_mwh": -0.5,
        "available_mwh": None,
        "enough_energy": None,
        "supersedes": [],
        "gives_way_to": None,
        "then": {"action": "default", "mw": 0.0, "dispatch_id": None},
    }


async def test_site_preflight() -> None:
    fits = site_preflight_shape(await FakeView().preflight_site(SiteOrder(SITE, 0.5)))
    assert (fits["fits"], fits["feasible"]) == (True, None)
    assert fits["left_out"] == [{"asset_id": SILENT, "why": "offline"}]
    misfit = site_preflight_shape(await FakeView().preflight_site(SiteOrder(SITE, 9.0)))
    assert (misfit["fits"], misfit["feasible"]) == (False, {"min_mw": -1.0, "max_mw": 3.0})
    assert misfit["sentence"] == "Alamosa cannot do it."

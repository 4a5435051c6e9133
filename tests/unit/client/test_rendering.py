"""Rendering, from answers as the API gives them."""

import io

import pytest

from derhead.client import rendering
from derhead.shapes import dispatch_shape, telemetry_shape
from derproto.base.terminal import rendered
from tests.support.api.fake_headend import BATTERY, DISPATCHED, NOW, SAMPLE, SILENT, make_fleet

FLEET = make_fleet()
TELEMETRY = telemetry_shape(
    FLEET.assets[BATTERY], SAMPLE, setpoint_mw=-0.3, now_us=NOW, telemetry_period_ms=4000
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0.000"),
        (-0.0, "0.000"),
        (-0.0004, "0.000"),
        (1.5, "+1.500"),
        (-2, "-2.000"),
    ],
)
def test_power_has_its_sign(value: float | None, text: str) -> None:
    assert rendering.power(value) == text


def test_telemetry() -> None:
    assert rendering.telemetry_lines(TELEMETRY) == [
        "battery-1, 2.4 s ago",
        "  active power        -0.250 MW",
        "  setpoint            -0.300 MW",
        "  state of charge       50.0 %",
        "  frequency           59.980 Hz",
        f"  status          {TELEMETRY['status']:>10}",
        f"  quality: {', '.join(TELEMETRY['quality'])}",
    ]
    row = rendering.telemetry_row(TELEMETRY)
    assert row.startswith("11:59:57     -0.250     -0.300    50.0        -   59.980  ")
    assert rendering.TELEMETRY_HEADING.index("STATUS") == row.index(str(TELEMETRY["status"]))


def test_an_asset_that_never_spoke() -> None:
    silent = telemetry_shape(
        FLEET.assets[SILENT], None, setpoint_mw=None, now_us=NOW, telemetry_period_ms=4000
    )
    assert rendering.telemetry_lines(silent) == ["pump has never sent telemetry"]
    assert "stale" in rendering.telemetry_row(silent)


def test_a_dispatch() -> None:
    shape = dispatch_shape(DISPATCHED)
    assert rendering.dispatch_line(shape) == "12:00:00  started at -0.450 MW"
    assert rendering.ordered_line(shape, "battery-1").endswith(
        ": battery-1 at -0.500 MW from 12:00:00 until 12:01:00 (UTC)"
    )
    for member, words in (
        ({"reason": "LOCAL"}, "(LOCAL)"),
        ({"reason": "HARDWARE_ERROR", "detail": "no answer"}, "(HARDWARE_ERROR: no answer)"),
        ({"detail": "its window passed unused"}, "(its window passed unused)"),
        ({"suspended": "LINK_SILENT"}, "suspended (LINK_SILENT)"),
        ({"cancelling": "withdrawn"}, "being withdrawn (withdrawn)"),
        ({"cancelling": "x", "withdrawn_by": "anna"}, "being withdrawn by anna (x)"),
        ({"withdrawn_by": "anna"}, "withdrawn by anna"),
    ):
        assert words in rendering.dispatch_line({**shape, **member})
    assert "until it is replaced" in rendering.ordered_line({**shape, "end_at": None}, "b")


SITE = {
    "name": "North",
    "assets": {"total": 3, "online": 2, "stale": 0, "offline": 1},
    "p_mw": -1.25,
    "available_up_mw": 2.0,
    "available_down_mw": 0.5,
}


def test_the_state_of_a_headend() -> None:
    checks = [
        {"name": "journal", "status": "ready", "detail": "takes records"},
        {"name": "feed", "status": "degraded", "detail": "PostgreSQL is away"},
    ]
    found = {
        "headend": "http://h",
        "ready": {"status": "degraded", "checks": checks},
        "sites": [SITE, {**SITE, "name": "South", "p_mw": None}],
        "agents": [{}],
        "dispatches": [dispatch_shape(DISPATCHED)],
        "names": {BATTERY: "battery-1"},
    }
    assert rendered(io.StringIO(), *rendering.status(found)).splitlines() == [
        "http://h is degraded",
        "  feed: PostgreSQL is away",
        "",
        "SITE   ASSETS  ONLINE  STALE  OFFLINE    P MW  UP MW  DOWN MW",
        "North       3       2      0        1  -1.250  2.000    0.500",
        "South       3       2      0        1       -  2.000    0.500",
        "all         6       4      0        2  -1.250  4.000    1.000",
        "",
        "1 agent is connected",
        "",
        "ASSET      STATE    DISPATCH                              BY        MW      FROM"
        "     UNTIL",
        "battery-1  started  d0d0d0d0-0000-4000-8000-000000000000  anna  -0.500  12:00:00"
        "  12:01:00",
    ]

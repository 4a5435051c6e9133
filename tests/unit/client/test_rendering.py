"""Rendering, from answers as the API gives them."""

import io

import pytest

from derhead.client import rendering
from derhead.shapes import (
    agent_shape,
    audit_shape,
    dispatch_shape,
    group_shape,
    telemetry_shape,
)
from derproto.stdio.terminal import rendered
from tests.support.api.fake_headend import (
    AGENT,
    BATTERY,
    DISPATCH,
    DISPATCHED,
    ENTRY,
    GROUP,
    GROUPED,
    NOW,
    PARTS,
    SAMPLE,
    SILENT,
    SOLAR,
    make_fleet,
)
from tests.support.api.fake_headend import SITE as SITE_ID

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


AWAY = {
    "asset_name": "roof",
    "site_name": "North",
    "state": "offline",
    "since": "2026-01-31T11:00:00.5Z",
    "agent_id": None,
}


def test_many_assets_that_are_away_are_counted() -> None:
    *_, last = rendering.away_table([AWAY] * 27)
    assert last == "and 7 more, which --json lists"
    assert len(rendering.away_table([AWAY] * 20)) == 1


def test_agents() -> None:
    names = {SOLAR: "roof", BATTERY: "battery-1", SITE_ID: "Alamosa"}
    shape = agent_shape(AGENT)
    assert rendered(io.StringIO(), *rendering.agents([shape], names)).splitlines() == [
        "AGENT    SITE     SINCE                VERSION  ADDRESS          ASSETS",
        "agent-1  Alamosa  2026-01-31 11:59:00  0.1.0    127.0.0.1:40000  battery-1, roof",
    ]
    many = {**shape, "site_id": None, "asset_ids": [str(n) for n in range(9)]}
    text = rendered(io.StringIO(), *rendering.agents([many], {}))
    assert text.endswith("0, 1, 2, 3, 4 and 4 more")
    assert rendering.agents([], {}) == ["no agent is connected"]


def test_the_audit_trail() -> None:
    ordered = {
        **audit_shape(ENTRY),
        "action": "order",
        "caller": "anna",
        "detail": None,
        "before": None,
        "after": {"mw": -1.5},
    }
    refused = {**ordered, "detail": "no", "after": {"asked": {"mw": 99}}}
    claimed = {**ordered, "detail": "no", "after": {"claimed": {"site_id": "s"}}}
    items = [audit_shape(ENTRY), ordered, refused, claimed]
    lines = rendered(io.StringIO(), *rendering.audit(items)).splitlines()
    assert lines[0].split() == ["TIME", "ACTION", "BY", "FROM", "TARGET", "DETAIL"]
    assert lines[1].split() == [
        *("2026-01-31", "12:00:00", "withdrawal", "-", "192.0.2.7"),
        *(DISPATCH, "=a", "reason"),
    ]
    assert lines[2].split()[3:] == ["anna", "192.0.2.7", DISPATCH, "-1.500", "MW"]
    assert lines[3].split()[6:] == ["+99.000", "MW:", "no"]
    assert lines[4].split()[6:] == ["claims", "the", "site", "s:", "no"]
    assert rendering.audit([]) == ["there is no such entry"]


def test_text_of_strangers_steers_no_terminal() -> None:
    evil = {**audit_shape(ENTRY), "target": "a\x1b[2Jb", "detail": "c\n\u202ed" + "e" * 999}
    text = rendered(io.StringIO(), *rendering.audit([evil]))
    assert "a\ufffd[2Jb" in text
    assert "c\ufffd\ufffdd" in text
    assert text.endswith("e…")
    assert len(text.splitlines()[1]) < 300


def test_an_order_to_a_site_in_one_line() -> None:
    group = group_shape(GROUPED, PARTS)
    assert rendering.group_line(group) == (f"{GROUP}: +1.500 MW, started: 2 of 2 started in 0.25 s")
    withdrawn = {**group, "cancelling": "x", "withdrawn_by": "bert"}
    assert rendering.group_line(withdrawn).endswith(", being withdrawn by bert")


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
        "away": [AWAY, {**AWAY, "asset_name": "pump", "state": "stale", "since": None}],
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
        "ASSET  SITE   STATE    SINCE                AGENT",
        "roof   North  offline  2026-01-31 11:00:00  -",
        "pump   North  stale    never                -",
        "",
        "ASSET      STATE    DISPATCH                              BY        MW      FROM"
        "     UNTIL",
        "battery-1  started  d0d0d0d0-0000-4000-8000-000000000000  anna  -0.500  12:00:00"
        "  12:01:00",
    ]

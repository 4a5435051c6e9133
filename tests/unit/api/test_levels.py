"""``GET /slo``: service levels of the fleet, sites, agents and assets."""

import pytest

from derhead.service_levels import Objectives
from tests.support.api.fake_headend import BATTERY, SILENT, SITE, SOLAR, FakeView
from tests.unit.api.asking import ask


async def test_the_fleet_is_the_sum_of_its_assets() -> None:
    answer = await ask(FakeView(), "/slo")
    assert answer.status == 200
    (item,) = answer.items
    assert item == {
        "by": "fleet",
        "id": None,
        "name": None,
        "assets": 2,
        "from_at": "2026-01-31T11:43:20Z",
        "to_at": "2026-01-31T12:00:00Z",
        "counted_s": 2000.0,
        "down_s": 2.0,
        "telemetry": 0.999,
        "stale_s": 2.0,
        "outages": 2,
        "longest_outage_s": 1.5,
        "availability": 0.999,
        "away_s": 2.0,
        # Both assets are of one agent.
        "reconnects": 2,
        "dispatch": 0.985,
        "received": 200,
        "received_late": 1,
        "received_p50_s": 0.0625,
        "received_p99_s": 0.0625,
        "started": 200,
        "started_late": 3,
        "started_p50_s": 0.125,
        "started_p99_s": 4.0,
        "gaps": [
            {"cause": "link", "gaps": 1, "missing_s": 30.0, "unfilled": 1},
            {"cause": "device", "gaps": 1, "missing_s": 60.0, "unfilled": 1},
        ],
        "budget_used": pytest.approx(1.5),
        "missed": ["dispatch"],
        "objectives": {"telemetry": 0.999, "availability": 0.999, "dispatch": 0.99},
    }


@pytest.mark.parametrize(
    ("by", "found"),
    [
        ("asset", [(SOLAR, "roof", 1), (BATTERY, "battery-1", 1), (SILENT, "pump", 0)]),
        ("agent", [("agent-1", None, 2), ("agent-2", None, 0)]),
        ("site", [(SITE, "Alamosa", 2)]),
    ],
)
async def test_each_group_has_an_item_and_the_worst_comes_first(
    by: str, found: list[tuple[str, str | None, int]]
) -> None:
    items = (await ask(FakeView(), f"/slo?by={by}")).items
    assert [(item["id"], item["name"], item["assets"]) for item in items] == found
    assert {item["by"] for item in items} == {by}


async def test_an_asset_that_never_sent_a_sample_has_no_shares() -> None:
    (item,) = (await ask(FakeView(), "/slo?by=asset&asset_id=pump")).items
    assert item["telemetry"] is item["availability"] is item["dispatch"] is None
    assert (item["from_at"], item["budget_used"], item["missed"]) == (None, None, [])


async def test_filters_and_a_limit() -> None:
    view = FakeView()
    (worst,) = (await ask(view, "/slo?by=asset&site_id=Alamosa&limit=1")).items
    assert worst["id"] == SOLAR
    (battery,) = (await ask(view, f"/slo?asset_id={BATTERY}")).items
    assert (battery["by"], battery["assets"], battery["dispatch"]) == ("fleet", 1, None)
    assert (await ask(view, "/slo?site_id=nowhere")).status == 404


async def test_the_objectives_decide_what_is_missed() -> None:
    view = FakeView()
    view.objectives = Objectives(telemetry=0.9995, availability=0.99, dispatch=0.9)
    (item,) = (await ask(view, "/slo")).items
    assert item["missed"] == ["telemetry"]
    assert item["budget_used"] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("query", "pointer", "advice"),
    [
        ("by=day", "/query/by", "write fleet, site, agent or asset"),
        ("limit=0", "/query/limit", "write a whole number from 1"),
        ("cursor=x", "/query/cursor", "unknown parameter"),
        ("fields=p99", "/query/fields", "there is no 'p99' here"),
    ],
)
async def test_a_wrong_query_is_refused(query: str, pointer: str, advice: str) -> None:
    answer = await ask(FakeView(), f"/slo?{query}")
    assert (answer.status, answer.pointers) == (422, [pointer])
    assert advice in answer.text

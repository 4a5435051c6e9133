"""A token of some sites: what lies outside is not there, and lists leave it out."""

import json
from collections.abc import Mapping

import pytest

from derhead.api import create_app
from derhead.sessions import HeartbeatRecord
from derproto.configuration.fleet import AssetKind, Fleet, Site
from tests.support.access import ALAMOSA, NORTH, OPERATOR, bearer, make_gate
from tests.support.api.fake_headend import (
    BATTERY,
    DISPATCH,
    GROUP,
    HEARTBEAT,
    NOW,
    SILENT,
    SITE,
    SOLAR,
    FakeView,
    make_fleet,
)
from tests.support.assets import make_asset
from tests.unit.api.asking import JSON, Answer, ask

FAR = "0f0e0d0c-0000-4000-8000-00000000000f"
MILL = "0f0e0d0c-0000-4000-8000-0000000000ff"
INSIDE, OUTSIDE = ALAMOSA, NORTH
"""Tokens of the fake headend's own site, and of a site with nothing but a mill."""


class View(FakeView):
    """The fake headend, with one more site."""

    def __init__(self) -> None:
        super().__init__()
        fleet = make_fleet()
        mill = make_asset(MILL, AssetKind.LOAD, -1.0, 0.0, name="mill", site_id=FAR)
        self.fleet = Fleet({**fleet.sites, FAR: Site(FAR, "North")}, {**fleet.assets, MILL: mill})

    def heartbeat(self, agent_id: str) -> HeartbeatRecord | None:
        devices = (*HEARTBEAT.devices, (MILL, "ok"))
        return HeartbeatRecord(agent_id, NOW, NOW, 60_500, 3, 0, devices)


async def ask_as(
    token: str,
    path: str,
    method: str = "GET",
    *,
    view: View | None = None,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    data = None if body is None else json.dumps(body).encode()
    sent = {**bearer(token), **(JSON if data else {}), **(headers or {})}
    return await ask(view or View(), path, method, data=data, headers=sent, gate=make_gate(NOW))


@pytest.mark.parametrize(
    ("path", "member", "inside", "outside"),
    [
        ("/assets", "name", ["roof", "battery-1", "pump"], ["mill"]),
        ("/sites", "name", ["Alamosa"], ["North"]),
        ("/telemetry", "asset_name", ["roof", "battery-1", "pump"], ["mill"]),
        ("/agents", "id", ["agent-1"], []),
        ("/slo?by=asset", "name", ["roof", "battery-1", "pump"], ["mill"]),
        ("/slo?by=site", "name", ["Alamosa"], ["North"]),
        ("/slo?by=agent", "id", ["agent-1", "agent-2"], []),
    ],
)
async def test_lists_leave_out_other_sites(
    path: str, member: str, inside: list[str], outside: list[str]
) -> None:
    for token, names in ((INSIDE, inside), (OUTSIDE, outside)):
        answer = await ask_as(token, path)
        assert [item[member] for item in answer.items] == names
        table = await ask_csv(token, path)
        assert len(table) == len(names) + 1
    whole = await ask_as(OPERATOR, path)
    assert len(whole.items) == len(inside) + len(outside)


async def ask_csv(token: str, path: str) -> list[str]:
    client = create_app(View(), make_gate(NOW)).test_client()
    answer = await client.get(path, headers={**bearer(token), "Accept": "text/csv"})
    return (await answer.get_data(as_text=True)).splitlines()


READABLE = [
    "/sites/Alamosa",
    f"/sites/{SITE}",
    "/agents/agent-1/sessions",
    "/agents/agent-1/timeline",
    f"/telemetry/{BATTERY}",
    "/telemetry/battery-1/history",
    "/telemetry/battery-1/gaps",
    f"/dispatch/{DISPATCH}",
    f"/dispatch/{GROUP}",
    "/dispatch/history?asset_id=battery-1",
    "/dispatch/history?site_id=Alamosa",
    "/heartbeat/agent-1",
    "/heartbeat/battery-1",
    "/heartbeat/agent-2/history",
    "/audit?site_id=Alamosa",
    "/slo?site_id=Alamosa",
    "/slo?asset_id=battery-1",
]


@pytest.mark.parametrize("path", READABLE)
async def test_other_sites_are_not_found(path: str) -> None:
    assert (await ask_as(INSIDE, path)).status == 200
    assert (await ask_as(OPERATOR, path)).status == 200
    refused = await ask_as(OUTSIDE, path)
    assert refused.status == 404
    assert refused.body["type"] == "/docs/problems#unknown"


async def test_histories_ask_the_store_for_the_senders_assets_alone() -> None:
    for token, assets, sites in (
        (INSIDE, [SOLAR, BATTERY, SILENT], [SITE]),
        (OUTSIDE, [MILL], [FAR]),
        (OPERATOR, None, None),
    ):
        view = View()
        await ask_as(token, "/dispatch/history", view=view)
        await ask_as(token, "/audit", view=view)
        (_, dispatches), (_, trail) = view.history.asked
        assert dispatches["asset_ids"] == assets
        assert trail["site_ids"] == sites


async def test_a_timeline_asks_for_the_senders_assets_alone() -> None:
    view = View()
    view.last_holders[MILL] = "agent-1"
    assert (await ask_as(OUTSIDE, "/agents/agent-1/timeline", view=view)).status == 200
    assert {query for query, _ in view.history.asked} == {"sessions"}
    await ask_as(INSIDE, "/agents/agent-1/timeline", view=view)
    assert {query for query, _ in view.history.asked} == {"sessions", "gaps", "dispatch_history"}


async def test_an_agent_of_two_sites_shows_to_each_its_own_assets() -> None:
    view = View()
    view.last_holders[MILL] = "agent-1"
    (agent,) = (await ask_as(OUTSIDE, "/agents", view=view)).items
    assert agent["asset_ids"] == []
    for token, devices in ((OUTSIDE, [MILL]), (INSIDE, [BATTERY]), (OPERATOR, [BATTERY, MILL])):
        answer = await ask_as(token, "/heartbeat/agent-1", view=view)
        shown = answer.body["devices"]
        assert isinstance(shown, list)
        assert [each["asset_id"] for each in shown] == devices


@pytest.mark.parametrize(
    "body",
    [
        {"asset_id": BATTERY, "mw": 0.5},
        {"asset_id": "battery-1", "mw": 0.5, "dry_run": True},
        {"site_id": "Alamosa", "mw": 0.5},
    ],
)
async def test_an_order_for_another_site_is_not_taken(body: dict[str, object]) -> None:
    view = View()
    assert (await ask_as(OUTSIDE, "/dispatch", "POST", view=view, body=body)).status == 404
    assert view.orders == []
    assert (await ask_as(INSIDE, "/dispatch", "POST", view=view, body=body)).status in (200, 201)


async def test_an_order_of_another_site_is_not_withdrawn() -> None:
    view = View()
    view.cancelled = view.history.dispatches[DISPATCH]
    for target in (DISPATCH, GROUP, "nothing"):
        assert (await ask_as(OUTSIDE, f"/dispatch/{target}", "DELETE", view=view)).status == 404
    assert view.cancels == []
    assert view.group_cancels == []
    assert (await ask_as(INSIDE, f"/dispatch/{DISPATCH}", "DELETE", view=view)).status == 202


async def test_a_refusal_is_filed_under_a_site_that_its_caller_sees() -> None:
    far, near = {"asset_id": "mill", "mw": 9}, {"asset_id": "battery-1", "mw": 9}
    for token, body, target, site in (
        (INSIDE, near, BATTERY, SITE),
        # What lies outside is not there, also in the trail of its own site.
        (INSIDE, far, "mill", SITE),
        (OUTSIDE, near, "battery-1", FAR),
        (OPERATOR, near, BATTERY, SITE),
        (OPERATOR, {"asset_id": "no such", "mw": 9}, "no such", None),
    ):
        view = View()
        await ask_as(token, "/dispatch", "POST", view=view, body=body)
        (entry,) = view.audited.entries
        assert (entry.target, entry.site_id) == (target, site)
    for token, target, site in (
        (INSIDE, DISPATCH, SITE),
        (OUTSIDE, DISPATCH, FAR),
        (OPERATOR, GROUP, SITE),
        (OPERATOR, "nothing", None),
    ):
        view = View()
        await ask_as(token, f"/dispatch/{target}", "DELETE", view=view)
        (entry,) = view.audited.entries
        assert (entry.target, entry.site_id) == (target, site)


async def test_callers_share_no_keys() -> None:
    view = View()
    key, body = {"Idempotency-Key": "k"}, {"asset_id": BATTERY, "mw": 0.5}
    taken = await ask_as(INSIDE, "/dispatch", "POST", view=view, body=body, headers=key)
    assert taken.status == 201
    view.history.dispatches[str(taken.body["id"])] = view.history.dispatches[DISPATCH]
    replayed = await ask_as(INSIDE, "/dispatch", "POST", view=view, body=body, headers=key)
    assert replayed.headers["Idempotency-Replayed"] == "true"
    unseen = await ask_as(OUTSIDE, "/dispatch", "POST", view=view, body=body, headers=key)
    assert unseen.status == 404
    assert str(taken.body["id"]) not in str(unseen.body)
    other = await ask_as(OPERATOR, "/dispatch", "POST", view=view, body=body, headers=key)
    assert other.status == 201
    assert "Idempotency-Replayed" not in other.headers
    assert len(view.orders) == 2


async def test_a_key_shows_no_dispatch_whose_asset_moved_to_another_site() -> None:
    view = View()
    key, body = {"Idempotency-Key": "k"}, {"asset_id": MILL, "mw": -0.5}
    assert (
        await ask_as(OUTSIDE, "/dispatch", "POST", view=view, body=body, headers=key)
    ).status == 201
    refused = await ask_as(OUTSIDE, "/dispatch", "POST", view=view, body=body, headers=key)
    # The fake headend's dispatch is one of the battery, which is of the other site.
    assert refused.status == 404


async def test_figures_of_the_whole_fleet_take_a_token_for_all_sites() -> None:
    assert (await ask_as(OPERATOR, "/openapi.json")).status == 200
    refused = await ask_as(INSIDE, "/metrics")
    assert refused.status == 403
    assert "alamosa sees some sites only" in str(refused.body["detail"])

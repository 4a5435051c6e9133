"""Lists in JSON and CSV, with all members or some."""

import csv
import io

import pytest

from derhead.api import create_app
from tests.support.api.fake_headend import BATTERY, SAMPLE, SITE, SOLAR, FakeView
from tests.unit.api.asking import ask

LISTS = {
    "/assets": ("id", "name", "rated_mw"),
    "/sites": ("id", "p_mw"),
    "/agents": ("id", "clock_offset_s"),
    "/telemetry": ("asset_id", "p_mw", "stale"),
    "/slo?by=asset": ("id", "telemetry", "longest_outage_s"),
    "/telemetry/battery-1/history": ("ts", "p_mw"),
    "/telemetry/battery-1/history?step=1m": ("ts", "mean"),
    "/telemetry/battery-1/gaps": ("start", "cause"),
    "/dispatch/history": ("id", "state"),
    "/heartbeat/agent-1/history": ("ts", "uptime_s"),
    "/agents/agent-1/sessions": ("session_id", "end_reason"),
}


@pytest.mark.parametrize("path", LISTS)
async def test_chosen_members_only(path: str) -> None:
    names = LISTS[path]
    whole = (await ask(FakeView(), path)).items
    joint = "&" if "?" in path else "?"
    response = (
        await create_app(FakeView()).test_client().get(f"{path}{joint}fields={','.join(names)}")
    )
    body = await response.get_json()
    assert [list(item) for item in body["items"]] == [list(names)] * len(whole)
    assert body["items"] == [{name: item[name] for name in names} for item in whole]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("some", [False, True])
async def test_every_list_is_available_as_csv(path: str, some: bool) -> None:
    whole = (await ask(FakeView(), f"{path}")).items
    wanted = [f"fields={','.join(LISTS[path])}"] if some else []
    if path.count("/") > 1 or "dispatch" in path:
        # The fake's histories never end.
        wanted.append("limit=9")
    query = ("&" if "?" in path else "?") + "&".join(wanted) if wanted else ""
    client = create_app(FakeView()).test_client()
    response = await client.get(path + query, headers={"Accept": "text/csv"})
    assert response.content_type == "text/csv; charset=utf-8"
    text = (await response.get_data(as_text=False)).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) >= len(whole)
    if some:
        assert list(rows[0]) == list(LISTS[path])
    first = LISTS[path][0]
    assert rows[0][first] == whole[0][first]


async def test_csv_has_the_values_of_json() -> None:
    view = FakeView()
    view.latest.fill([SAMPLE])
    client = create_app(view).test_client()
    answer = await client.get("/telemetry", headers={"Accept": "text/csv"})
    text = (await answer.get_data(as_text=False)).decode()
    rows = {row["asset_id"]: row for row in csv.DictReader(io.StringIO(text))}
    battery = (await ask(view, f"/telemetry/{BATTERY}")).body
    assert rows[BATTERY]["p_mw"] == str(battery["p_mw"])
    assert rows[BATTERY]["stale"] == str(battery["stale"]).lower()
    assert rows[SOLAR]["p_mw"] == ""
    assert rows[SOLAR]["stale"] == "true"
    assert rows[BATTERY]["site_id"] == SITE


@pytest.mark.parametrize("fields", ["", "id,", "ID", "id;name", "no_such", "id,p_mw,no_such"])
async def test_malformed_fields_are_refused(fields: str) -> None:
    answer = await ask(FakeView(), f"/telemetry?fields={fields}")
    assert (answer.status, answer.pointers) == (422, ["/query/fields"])

"""Orders: taken, refused, and looked up."""

import json
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from derhead.api.routes.dispatch_routes import WITHDRAWN
from derhead.dispatch import AssetOrder, Dispatch, SiteOrder, State, Verdict, latency, verdict_text
from derhead.dispatch.verdicts.verdict import VerdictOutcome
from derhead.shapes import dispatch_shape
from tests.support.api.fake_headend import (
    BATTERY,
    DISPATCH,
    DISPATCHED,
    GROUP,
    GROUPED,
    NOW,
    PARTS,
    SILENT,
    SITE,
    SOLAR,
    FakeView,
)
from tests.unit.api.asking import JSON, Answer, ask, order


async def test_an_order_is_taken() -> None:
    view = FakeView()
    body = {"asset_id": "battery-1", "mw": 0.5, "duration_s": 60, "priority": 1}
    answer = await order(view, body)
    assert answer.status == 201
    assert answer.headers["Location"] == f"/dispatch/{DISPATCH}"
    assert (answer.body["id"], answer.body["mw"]) == (DISPATCH, 0.5)
    assert view.orders == [AssetOrder(BATTERY, 0.5, 60_000_000, 1)]


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
async def test_wrong_bodies_are_refused(body: bytes, status: int, pointers: list[str]) -> None:
    view = FakeView()
    answer = await order(view, body)
    assert (answer.status, answer.pointers) == (status, pointers)
    assert view.orders == []


async def test_an_unknown_asset_is_named() -> None:
    answer = await order(FakeView(), {"asset_id": "nobody", "mw": 0})
    assert "'nobody'" in str(answer.body["detail"])


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
async def test_a_body_of_another_type_is_415(kind: str | None) -> None:
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
    view.journal_refuses = True
    answer = await order(view, {"asset_id": "battery-1", "mw": 0})
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


async def test_an_order_beyond_what_an_asset_may_have_open_is_409() -> None:
    view = FakeView()
    view.full = True
    answer = await order(view, {"asset_id": "battery-1", "mw": 0})
    assert (answer.status, answer.body["detail"]) == (409, "withdraw some")


@pytest.mark.parametrize(
    ("left", "status"),
    [
        (replace(DISPATCHED, cancelling="x"), 202),
        (replace(DISPATCHED, state=State.CANCELLED), 200),
    ],
)
async def test_a_dispatch_is_withdrawn(left: Dispatch, status: int) -> None:
    view = FakeView()
    view.cancelled = left
    answer = await ask(view, f"/dispatch/{DISPATCH.upper()}", "DELETE")
    assert answer.status == status
    assert (answer.body["state"], answer.body["cancelling"]) == (left.state, left.cancelling)
    assert view.cancels == [(DISPATCH, WITHDRAWN)]


async def test_ended_and_unknown_dispatches_cannot_be_withdrawn() -> None:
    view = FakeView()
    ended = await ask(view, f"/dispatch/{DISPATCH}", "DELETE")
    assert (ended.status, ended.body["detail"]) == (409, "the dispatch has ended: it is started")
    assert (await ask(view, "/dispatch/nobody", "DELETE")).status == 404


async def test_a_running_dispatch_can_be_withdrawn_on_a_full_disk() -> None:
    view = FakeView()
    view.why_failing = "the disk is full"
    view.cancelled = replace(DISPATCHED, cancelling="x")
    assert (await ask(view, f"/dispatch/{DISPATCH}", "DELETE")).status == 202


async def test_orders_are_taken_while_telemetry_is_held() -> None:
    view = FakeView()
    view.why_held = "the journal is as large as it may be"
    assert (await order(view, {"asset_id": "battery-1", "mw": 0})).status == 201
    assert (await ask(view, "/healthz")).status == 503


async def test_an_order_for_a_site_is_taken() -> None:
    view = FakeView()
    answer = await order(view, {"site_id": "Alamosa", "mw": 1.5, "duration_s": 60})
    assert answer.status == 201
    assert answer.headers["Location"] == f"/dispatch/{GROUP}"
    assert answer.body["summary"] == "2 of 2 started in 0.25 s"
    assert view.orders == [SiteOrder(SITE, 1.5, 60_000_000)]


async def test_a_refused_site_order_names_the_sites_range() -> None:
    view = FakeView()
    answer = await order(view, {"site_id": SITE, "mw": 3.5})
    assert (answer.status, answer.pointers) == (422, ["/mw"])
    assert "write a number from -1 to 3, in MW" in answer.text
    nothing = await order(view, {"site_id": SITE, "mw": 31})
    assert "no asset of the site can take part now" in nothing.text
    assert "assets that take no part: 2 offline" in nothing.text
    nowhere = await order(view, {"site_id": "nowhere", "mw": 1})
    assert (nowhere.status, nowhere.pointers) == (404, ["/site_id"])
    assert view.orders == []


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"asset_id": "battery-1", "mw": 0.5}, "battery-1 is online and would hold 0.5 MW"),
        ({"asset_id": "battery-1", "mw": 9}, "battery-1 would not get this order: 9 MW is beyond"),
        ({"site_id": "Alamosa", "mw": 0.5}, "Alamosa would hold it."),
        ({"site_id": "Alamosa", "mw": 9}, "Alamosa cannot do it."),
    ],
)
async def test_a_dry_run_orders_nothing(body: dict[str, object], sentence: str) -> None:
    view = FakeView()
    view.why_failing = "the disk is full"
    answer = await order(view, body | {"dry_run": True})
    assert (answer.status, answer.body["dry_run"]) == (200, True)
    assert str(answer.body["sentence"]).startswith(sentence)
    assert view.orders == []


# --- sent again -----------------------------------------------------------------------------

ORDER = {"asset_id": "battery-1", "mw": 0.5, "start_at": "2026-01-31T12:00:00Z"}


async def keyed(view: FakeView, body: object, key: str = '"k"') -> Answer:
    data = json.dumps(body).encode()
    headers = {**JSON, "Idempotency-Key": key}
    return await ask(view, "/dispatch", "POST", data=data, headers=headers)


@pytest.mark.parametrize(
    ("body", "target"), [(ORDER, DISPATCH), ({"site_id": "Alamosa", "mw": 1}, GROUP)]
)
async def test_a_repeated_order_gives_the_same_dispatch(
    body: dict[str, object], target: str
) -> None:
    view = FakeView()
    first = await keyed(view, body)
    again = await keyed(view, dict(reversed(body.items())))
    assert (first.status, again.status) == (201, 201)
    assert first.headers["Location"] == again.headers["Location"] == f"/dispatch/{target}"
    assert again.body["id"] == first.body["id"] == target
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(view.orders) == 1


async def test_a_repeated_order_is_valid_after_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    view = FakeView()
    await keyed(view, ORDER)
    monkeypatch.setattr(view, "wall_us", lambda: NOW + 60_000_000)
    assert (await order(view, ORDER)).status == 422
    assert (await keyed(view, ORDER)).status == 201


async def test_another_order_needs_another_key() -> None:
    view = FakeView()
    await keyed(view, ORDER)
    other = await keyed(view, ORDER | {"mw": 0.75})
    assert (other.status, other.pointers) == (422, ["/header/Idempotency-Key"])
    assert (await keyed(view, ORDER | {"mw": 0.75}, "k2")).status == 201
    assert len(view.orders) == 2


async def test_a_refused_order_leaves_no_key() -> None:
    view = FakeView()
    assert (await keyed(view, ORDER | {"mw": 99})).status == 422
    assert (await keyed(view, ORDER)).status == 201
    assert (await keyed(view, ORDER | {"dry_run": True}, "k2")).status == 200
    assert (await keyed(view, ORDER, "k2")).status == 201


async def test_a_repeated_order_is_409_while_the_first_is_taken(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    view = FakeView()
    view.slow_s = 1.0
    nursery.start_soon(keyed, view, ORDER)
    await trio.sleep(0.5)
    assert (await keyed(view, ORDER)).status == 409
    assert (await keyed(view, ORDER, "other")).status == 201
    assert (await keyed(view, ORDER)).status == 201
    assert len(view.orders) == 2


@pytest.mark.parametrize("key", ["", '""', "two words", "k" * 256])
async def test_a_malformed_key_is_400(key: str) -> None:
    view = FakeView()
    answer = await keyed(view, ORDER, key)
    assert (answer.status, answer.pointers) == (400, ["/header/Idempotency-Key"])
    assert view.orders == []


async def test_with_too_many_keys_only_orders_without_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    view = FakeView()
    monkeypatch.setattr("derhead.dispatch.orders.keys.MAX_KEYS", 1)
    assert (await keyed(view, ORDER)).status == 201
    view.keys.count_one()
    assert (await keyed(view, ORDER, "k2")).status == 503
    assert (await keyed(view, ORDER)).status == 201
    assert (await order(view, ORDER)).status == 201


# --- looked up ------------------------------------------------------------------------------


async def test_a_group_is_shown_and_withdrawn() -> None:
    view = FakeView()
    answer = await ask(view, f"/dispatch/{GROUP.upper()}")
    assert (answer.body["id"], answer.body["state"]) == (GROUP, "started")
    assert answer.body["parts"] == [dispatch_shape(part) for part in PARTS]
    ended = await ask(view, f"/dispatch/{GROUP}", "DELETE")
    assert (ended.status, ended.body["detail"]) == (
        409,
        "the dispatch has ended: all its parts have ended",
    )
    view.group_left = (replace(GROUPED, cancelling="x"), PARTS)
    answer = await ask(view, f"/dispatch/{GROUP}", "DELETE")
    assert (answer.status, answer.body["cancelling"]) == (202, "x")
    view.group_left = (GROUPED, [replace(part, state=State.CANCELLED) for part in PARTS])
    assert (await ask(view, f"/dispatch/{GROUP}", "DELETE")).status == 200
    assert view.group_cancels == [(GROUP, WITHDRAWN)] * 3


async def test_a_provisional_verdict_is_measured_if_there_is_none_yet() -> None:
    view = FakeView()
    answer = await ask(view, f"/dispatch/{DISPATCH}")
    verdict = answer.body["verdict"]
    assert isinstance(verdict, dict)
    assert (verdict["outcome"], verdict["final"]) == ("unmeasured", False)
    kept = verdict_text(Verdict(VerdictOutcome.ACHIEVED, latency(DISPATCHED), tolerance_mw=0.05))
    view.history.dispatches[DISPATCH] = replace(DISPATCHED, verdict=kept)
    assert (await ask(view, f"/dispatch/{DISPATCH}")).body["verdict"] == json.loads(kept)
    view.history.dispatches[DISPATCH] = replace(DISPATCHED, state=State.SENT)
    assert (await ask(view, f"/dispatch/{DISPATCH}")).body["verdict"] is None
    assert view.verdicts_asked == [DISPATCH]


async def test_dispatch_history_of_a_site() -> None:
    view = FakeView()
    await ask(view, "/dispatch/history?site_id=Alamosa")
    ((_, arguments),) = view.history.asked
    assert arguments["asset_ids"] == [SOLAR, BATTERY, SILENT]
    assert (await ask(view, "/dispatch/history?site_id=nowhere")).status == 404


async def test_dispatch_history() -> None:
    view = FakeView()
    answer = await ask(view, "/dispatch/history?asset_id=battery-1&state=started")
    assert answer.items[0]["id"] == DISPATCH
    ((_, arguments),) = view.history.asked
    assert (arguments["asset_id"], arguments["states"]) == (BATTERY, (State.STARTED,))


@pytest.mark.parametrize("name", [DISPATCH, DISPATCH.upper()])
async def test_a_dispatch(name: str) -> None:
    answer = await ask(FakeView(), f"/dispatch/{name}")
    assert answer.body["id"] == DISPATCH

"""Orders: taken, refused, and looked up."""

from dataclasses import replace

import pytest

from derhead.api.dispatch import WITHDRAWN
from derhead.dispatch import Dispatch, Order, State
from tests.unit.api.asking import ask, order
from tests.unit.api.fakes import BATTERY, DISPATCH, DISPATCHED, FakeView


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


async def test_what_cannot_be_withdrawn() -> None:
    view = FakeView()
    ended = await ask(view, f"/dispatch/{DISPATCH}", "DELETE")
    assert (ended.status, ended.body["detail"]) == (409, "the dispatch has ended, it is started")
    assert (await ask(view, "/dispatch/nobody", "DELETE")).status == 404
    view.why_failing = "the disk is full"
    assert (await ask(view, f"/dispatch/{DISPATCH}", "DELETE")).status == 503


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

"""What the audit trail gets of a request: who sent it, and why it was refused."""

import json
import logging

import pytest

from derhead.audit import AuditAction, Caller
from derhead.audit.entry_limit import ENTRIES_A_PERIOD
from derhead.audit.records import REASON_LENGTH
from derhead.httpserver import HttpLimits
from tests.support.api.fake_headend import BATTERY, DISPATCH, GROUP, SITE, FakeView
from tests.unit.api.asking import JSON, ask, order

BODY_BYTES = HttpLimits().body_bytes


async def test_an_order_comes_with_the_address_of_its_caller(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    view = FakeView()
    await order(view, {"asset_id": BATTERY, "mw": 0.5})
    (caller,) = view.callers
    assert caller == Caller(peer="<local>", request_id=None, name=None)
    assert view.audited.entries == []
    said = f'event="dispatch ordered" dispatch={DISPATCH} asset={BATTERY} mw=0.5 by=anna '
    assert said in caplog.text


async def test_a_refused_order_is_noted_with_its_reason() -> None:
    view = FakeView()
    await order(view, {"asset_id": BATTERY, "mw": 99})
    (entry,) = view.audited.entries
    assert (entry.action, entry.peer) == (AuditAction.ORDER_REFUSED, "<local>")
    assert (entry.target, entry.site_id) == (BATTERY, SITE)
    assert entry.detail is not None
    assert "/mw: 99 is beyond the limits" in entry.detail


ASKED: list[tuple[object, str | None, str | None, dict[str, object] | None]] = [
    (
        {"asset_id": "battery-1", "mw": 99, "start_at": "never", "duration_s": 60},
        BATTERY,
        SITE,
        {"asset_id": "battery-1", "mw": 99, "start_at": "never", "duration_s": 60},
    ),
    ({"site_id": "Alamosa", "mw": 50}, SITE, SITE, {"site_id": "Alamosa", "mw": 50}),
    ({"asset_id": "x" * 300, "mw": 1}, "x" * 80, None, {"asset_id": "x" * 80, "mw": 1}),
    (
        {"asset_id": "a\x00\ud800b", "mw": [1], "priority": float("nan")},
        "a\ufffd\ufffdb",
        None,
        {"asset_id": "a\ufffd\ufffdb", "mw": "a list", "priority": "nan"},
    ),
    ({"asset_id": 7}, None, None, {"asset_id": 7}),
    ([1], None, None, None),
    (b"{", None, None, None),
]


@pytest.mark.parametrize(("body", "target", "site_id", "asked"), ASKED)
async def test_a_refused_order_is_noted_with_what_it_asked_for(
    body: object, target: str | None, site_id: str | None, asked: dict[str, object] | None
) -> None:
    view = FakeView()
    assert (await order(view, body)).status in (400, 404, 422)
    (entry,) = view.audited.entries
    assert (entry.target, entry.site_id, entry.before) == (target, site_id, None)
    assert (entry.after and json.loads(entry.after)) == (asked and {"asked": asked})
    for text in (entry.target, entry.detail, entry.after):
        assert "\x00" not in (text or "").encode().decode()


async def test_an_order_with_a_wrong_query_is_noted_too() -> None:
    view = FakeView()
    answer = await ask(view, "/dispatch?mw=1", "POST", data=b"{}", headers=JSON)
    assert answer.status == 422
    (entry,) = view.audited.entries
    assert "/query/mw" in (entry.detail or "")


async def test_an_order_that_is_too_long_is_noted_without_what_it_asked_for() -> None:
    view = FakeView()
    too_long = json.dumps({"asset_id": BATTERY, "mw": 1}) + " " * BODY_BYTES
    assert (await order(view, too_long.encode())).status == 413
    (entry,) = view.audited.entries
    assert (entry.action, entry.target, entry.after) == (AuditAction.ORDER_REFUSED, None, None)
    assert entry.detail == f"the body is too long; send at most {BODY_BYTES} bytes"


async def test_a_withdrawal_never_looks_at_its_body() -> None:
    view = FakeView()
    view.cancelled = view.history.dispatches[DISPATCH]
    path = f"/dispatch/{DISPATCH}"
    assert (await ask(view, path, "DELETE", data=bytes(BODY_BYTES + 1))).status == 202


async def test_what_the_journal_refuses_is_noted_too() -> None:
    view = FakeView()
    view.journal_refuses = True
    await order(view, {"asset_id": BATTERY, "mw": 0.5})
    await ask(view, f"/dispatch/{DISPATCH}", "DELETE")
    found = [(entry.action, entry.target, entry.detail) for entry in view.audited.entries]
    assert found == [
        (AuditAction.ORDER_REFUSED, BATTERY, "the disk is full"),
        (AuditAction.WITHDRAWAL_REFUSED, DISPATCH, "the disk is full"),
    ]


async def test_a_long_reason_is_cut() -> None:
    view = FakeView()
    await order(view, {f"{n:0>300}": 1 for n in range(10)})
    (entry,) = view.audited.entries
    assert 500 < len(entry.detail or "") <= REASON_LENGTH


async def test_a_refused_withdrawal_is_noted_with_its_dispatch(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    view = FakeView()
    view.cancelled = None
    await ask(view, f"/dispatch/{GROUP}", "DELETE")
    (entry,) = view.audited.entries
    assert (entry.action, entry.target) == (AuditAction.WITHDRAWAL_REFUSED, GROUP)
    assert entry.site_id == SITE
    assert "has ended" in (entry.detail or "")
    assert f'event="withdrawal refused" dispatch={GROUP} status=409' in caplog.text
    assert f'reason="{entry.detail}"' in caplog.text


async def test_a_withdrawal_has_a_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    view = FakeView()
    view.cancelled = view.history.dispatches[DISPATCH]
    await ask(view, f"/dispatch/{DISPATCH}", "DELETE")
    said = f'event="dispatch withdrawn" dispatch={DISPATCH} asset={BATTERY} by='
    assert said in caplog.text


async def test_a_flood_of_bad_orders_leaves_few_entries() -> None:
    view = FakeView()
    for n in range(3 * ENTRIES_A_PERIOD):
        await order(view, {"asset_id": BATTERY, "mw": 99 + n})
    assert len(view.audited.entries) == ENTRIES_A_PERIOD

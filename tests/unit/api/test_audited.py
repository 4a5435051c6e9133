"""What the audit trail gets of a request: who sent it, and why it was refused."""

import logging

import pytest

from derhead.audit import AuditAction, Caller
from derhead.audit.entry_limit import ENTRIES_A_PERIOD
from derhead.audit.records import REASON_LENGTH
from tests.support.api.fake_headend import BATTERY, DISPATCH, GROUP, FakeView
from tests.unit.api.asking import ask, order


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
    assert entry.target is None
    assert entry.detail is not None
    assert "/mw: 99 is beyond the limits" in entry.detail


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

"""What the audit trail gets of a request: who sent it, and why it was refused."""

from derhead.audit import AuditAction, Caller
from tests.support.api.fake_headend import BATTERY, GROUP, FakeView
from tests.unit.api.asking import ask, order


async def test_an_order_comes_with_the_address_of_its_caller() -> None:
    view = FakeView()
    await order(view, {"asset_id": BATTERY, "mw": 0.5})
    (caller,) = view.callers
    assert caller == Caller(peer="<local>", request_id=None, name=None)
    assert view.refusals == []


async def test_a_refused_order_is_noted_with_its_reason() -> None:
    view = FakeView()
    await order(view, {"asset_id": BATTERY, "mw": 99})
    ((action, caller, detail, target),) = view.refusals
    assert action is AuditAction.ORDER_REFUSED
    assert caller.peer == "<local>"
    assert "/mw: 99 is beyond the limits" in detail
    assert target is None


async def test_a_long_reason_is_cut() -> None:
    view = FakeView()
    await order(view, {f"{n:0>300}": 1 for n in range(10)})
    ((_, _, detail, _),) = view.refusals
    assert len(detail) <= 1_000


async def test_a_refused_withdrawal_is_noted_with_its_dispatch() -> None:
    view = FakeView()
    view.cancelled = None
    await ask(view, f"/dispatch/{GROUP}", "DELETE")
    ((action, _, detail, target),) = view.refusals
    assert action is AuditAction.WITHDRAWAL_REFUSED
    assert "has ended" in detail
    assert target == GROUP

"""``GET /audit``: the audit trail, by what is asked, and never edited."""

import pytest

from derhead.audit import AuditAction
from tests.support.api.fake_headend import DISPATCH, ENTRY, SITE, FakeView
from tests.unit.api.asking import ask


async def test_an_entry_tells_who_did_what_and_what_it_changed() -> None:
    answer = await ask(FakeView(), "/audit")
    assert answer.status == 200
    (item,) = answer.items
    assert item == {
        "id": ENTRY.id,
        "at": "2026-01-31T12:00:00Z",
        "action": "withdrawal",
        "caller": None,
        "peer": "192.0.2.7",
        "request_id": "r-1",
        "target": DISPATCH,
        "site_id": SITE,
        "detail": "=a reason",
        "before": {"state": "started"},
        "after": {"state": "started", "cancelling": "=a reason"},
    }


async def test_every_filter_reaches_the_store() -> None:
    view = FakeView()
    path = "/audit?action=order&action=withdrawal,order_refused&caller=anna&site_id=Alamosa"
    await ask(view, f"{path}&target={DISPATCH}&limit=7&cursor=next")
    ((query, asked),) = view.history.asked
    page = asked.pop("page")
    assert query == "audit"
    assert asked == {
        "actions": (AuditAction.ORDER, AuditAction.WITHDRAWAL, AuditAction.ORDER_REFUSED),
        "caller": "anna",
        "target": DISPATCH,
        "site_ids": [SITE],
    }
    assert (getattr(page, "limit", 0), getattr(page, "cursor", "")) == (7, "next")


@pytest.mark.parametrize(
    ("query", "pointer", "advice"),
    [
        ("action=ordr", "/query/action", "there is no action 'ordr'; did you mean order?"),
        ("caller=", "/query/caller", "write 1 to 255 printable characters"),
        ("target=a%00b", "/query/target", "write 1 to 255 printable characters"),
        ("asset_id=battery-1", "/query/asset_id", "unknown parameter"),
    ],
)
async def test_a_wrong_filter_is_refused(query: str, pointer: str, advice: str) -> None:
    answer = await ask(FakeView(), f"/audit?{query}")
    assert (answer.status, answer.pointers) == (422, [pointer])
    assert advice in answer.text


async def test_an_unknown_site_is_not_found() -> None:
    assert (await ask(FakeView(), "/audit?site_id=nowhere")).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_nothing_edits_the_trail(method: str) -> None:
    answer = await ask(FakeView(), "/audit", method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert (await ask(FakeView(), f"/audit/{ENTRY.id}", method)).status == 404

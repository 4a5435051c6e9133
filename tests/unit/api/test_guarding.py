"""The guard: who may do what, at every endpoint, and how the others are told."""

import json
import re

import pytest

from derhead.access import AccessRefusal, Right
from derhead.access.failure_meter import FAILURES_AT_ONCE
from derhead.api import TrustedHosts, create_app
from derhead.api.answering.guarding import OPEN_ENDPOINTS, OWN_LOGINS, right_needed
from derhead.api.openapi import build
from derhead.api.openapi.endpoints import OPERATIONS
from derhead.audit import AuditAction
from tests.support.access import (
    ADMIN,
    EXPIRED,
    OPERATOR,
    REVOKED,
    STRANGE,
    VIEWER,
    bearer,
    make_gate,
)
from tests.support.api.fake_headend import BATTERY, DISPATCH, NOW, SITE, FakeView
from tests.unit.api.asking import JSON, Answer, ask

ORDER = f'{{"asset_id": "{BATTERY}", "mw": 0.5}}'.encode()


async def ask_as(
    token: str, path: str, method: str = "GET", view: FakeView | None = None
) -> Answer:
    data = ORDER if method == "POST" else None
    headers = {**JSON, **bearer(token)} if data else bearer(token)
    return await ask(
        view or FakeView(), path, method, data=data, headers=headers, gate=make_gate(NOW)
    )


@pytest.mark.parametrize(
    ("token", "statuses"), [(VIEWER, (200, 403, 403)), (OPERATOR, (200, 201, 202))]
)
async def test_a_viewer_reads_and_an_operator_orders_and_withdraws(
    token: str, statuses: tuple[int, ...]
) -> None:
    view = FakeView()
    view.cancelled = view.history.dispatches[DISPATCH]
    asked = [
        await ask_as(token, "/assets", view=view),
        await ask_as(token, "/dispatch", "POST", view),
        await ask_as(token, f"/dispatch/{DISPATCH}", "DELETE", view),
    ]
    assert tuple(answer.status for answer in asked) == statuses
    assert bool(view.orders) == (token == OPERATOR)


async def test_a_role_that_does_not_suffice_is_told_which_does() -> None:
    answer = await ask_as(VIEWER, "/dispatch", "POST")
    assert answer.body["type"] == "/docs/problems#forbidden"
    assert "viewer is viewer, and this takes operator or admin" in str(answer.body["detail"])
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


async def test_a_viewers_order_is_noted_with_what_it_asked_for() -> None:
    view = FakeView()
    await ask_as(VIEWER, "/dispatch", "POST", view)
    await ask_as(VIEWER, f"/dispatch/{DISPATCH}", "DELETE", view)
    ordered, withdrawn = view.audited.entries
    assert (ordered.action, ordered.target) == (AuditAction.ACCESS_REFUSED, BATTERY)
    assert ordered.site_id == SITE
    assert json.loads(ordered.after or "") == {"asked": {"asset_id": BATTERY, "mw": 0.5}}
    assert (withdrawn.action, withdrawn.target) == (AuditAction.ACCESS_REFUSED, DISPATCH)


async def test_a_viewers_endless_order_is_refused_and_noted() -> None:
    view = FakeView()
    app = create_app(view, make_gate(NOW))
    most = app.config["MAX_CONTENT_LENGTH"]
    headers = {**JSON, **bearer(VIEWER)}
    answer = await app.test_client().post("/dispatch", data=b" " * (most + 1), headers=headers)
    assert answer.status_code == 403
    (entry,) = view.audited.entries
    assert (entry.target, entry.after) == (None, None)


@pytest.mark.parametrize("token", [EXPIRED, REVOKED, STRANGE, "", "a b"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "PUT", "OPTIONS"])
async def test_a_stranger_is_refused_whatever_the_request(token: str, method: str) -> None:
    view = FakeView()
    for path in (
        "/assets",
        "/dispatch",
        f"/dispatch/{DISPATCH}",
        "/metrics",
        "/events",
        "/nothing",
    ):
        response = (
            await create_app(view, make_gate(NOW))
            .test_client()
            .open(path, method=method, data=ORDER, headers={**JSON, **bearer(token)})  # type: ignore[call-arg]
        )
        assert response.status_code == 401, path
        assert response.headers["WWW-Authenticate"].startswith('Bearer realm="derhead", error="')
        assert response.content_type == "application/problem+json"
    assert view.orders == []
    assert view.history.asked == []


async def test_a_request_without_a_token_gets_a_challenge() -> None:
    answer = await ask(FakeView(), "/assets", gate=make_gate(NOW))
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="derhead"'
    assert answer.body["type"] == "/docs/problems#unauthenticated"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/docs"])
async def test_a_probe_and_the_documents_need_no_token(path: str) -> None:
    answer = await ask(FakeView(), path, gate=make_gate(NOW), headers=bearer(STRANGE))
    assert answer.status == 200


async def test_the_page_needs_no_token_for_its_files() -> None:
    client = create_app(FakeView(), make_gate(NOW)).test_client()
    for path in ("/", "/page/js/main.js"):
        assert (await client.get(path)).status_code == 200


def test_every_other_endpoint_needs_a_right() -> None:
    rules = list(create_app(FakeView()).url_map.iter_rules())
    assert {rule.endpoint for rule in rules} >= OPEN_ENDPOINTS
    for rule in rules:
        for method in rule.methods or ():
            needed = right_needed(method, rule.endpoint)
            if rule.endpoint in OPEN_ENDPOINTS:
                assert method in ("GET", "HEAD")
                assert needed is None
            elif rule.endpoint in OWN_LOGINS:
                assert needed in (None, Right.READ)
            else:
                assert needed is (Right.READ if method in ("GET", "HEAD") else Right.ORDER)
    assert right_needed("GET", None) is Right.READ


async def test_the_callers_name_goes_into_the_audit_trail() -> None:
    view = FakeView()
    await ask_as(OPERATOR, "/dispatch", "POST", view)
    await ask_as(ADMIN, "/dispatch", "POST", view)
    assert [caller.name for caller in view.callers] == ["operator", "admin"]


async def test_a_page_of_another_origin_may_send_a_token() -> None:
    headers = {
        "Origin": "https://control.example",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    app = create_app(FakeView(), make_gate(NOW), TrustedHosts(origins=["https://control.example"]))
    answer = await app.test_client().options("/assets", headers=headers)
    assert answer.status_code == 204
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    refused = await app.test_client().get("/assets", headers=headers)
    assert refused.status_code == 401
    assert "WWW-Authenticate" in refused.headers["Access-Control-Expose-Headers"]


async def test_no_answer_and_no_log_line_repeats_a_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    for token in (VIEWER, EXPIRED, STRANGE):
        answer = await ask_as(token, "/dispatch", "POST")
        assert token not in answer.text
        assert token not in str(answer.headers)
    assert not re.search("derhead_[A-Za-z0-9_-]{20}", caplog.text)
    assert caplog.text.count('event="access refused" method=POST path=/dispatch by=') == 3


@pytest.mark.parametrize(
    ("token", "method", "caller", "why"),
    [
        (EXPIRED, "GET", None, "GET '/assets': expired: the token has expired"),
        (REVOKED, "GET", None, "GET '/assets': revoked: the token is revoked"),
        (STRANGE, "GET", None, "GET '/assets': the token is not known"),
        (VIEWER, "POST", "viewer", "POST '/assets': viewer is viewer, and this takes operator"),
    ],
)
async def test_a_refused_caller_is_in_the_audit_trail(
    token: str, method: str, caller: str | None, why: str
) -> None:
    view = FakeView()
    await ask_as(token, "/assets", method, view)
    (entry,) = view.audited.entries
    assert entry.action is AuditAction.ACCESS_REFUSED
    assert (entry.caller, entry.peer) == (caller, "<local>")
    assert entry.detail is not None
    assert entry.detail.startswith(why)


async def test_a_request_without_a_token_is_counted_but_is_no_failure() -> None:
    view, gate = FakeView(), make_gate(NOW)
    for _ in range(20):
        assert (await ask(view, "/assets", gate=gate)).status == 401
    assert gate.failures.refused == {AccessRefusal.MISSING: 20}
    assert view.audited.entries == []


async def test_an_address_that_fails_often_is_slowed_and_a_good_token_is_not() -> None:
    view, gate = FakeView(), make_gate(NOW)
    answers = [
        await ask(view, "/assets", headers=bearer(STRANGE), gate=gate)
        for _ in range(FAILURES_AT_ONCE + 2)
    ]
    assert [each.status for each in answers] == [401] * FAILURES_AT_ONCE + [429] * 2
    assert answers[-1].body["type"] == "/docs/problems#too-many"
    assert int(answers[-1].headers["Retry-After"]) in range(1, 7)
    assert (await ask(view, "/assets", headers=bearer(VIEWER), gate=gate)).status == 200
    assert gate.failures.refused[AccessRefusal.SLOWED] == 2
    shown = view.metrics.render("")[0].decode()
    assert 'derhead_access_refused_total{reason="unknown"} 10.0' in shown


def test_the_description_says_what_each_operation_takes() -> None:
    rules = {
        (method, re.sub("<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule)): rule.endpoint
        for rule in create_app(FakeView()).url_map.iter_rules()
        for method in rule.methods or ()
    }
    for operation in OPERATIONS:
        endpoint = rules[operation.method.upper(), operation.path]
        assert operation.right is right_needed(operation.method.upper(), endpoint)
    described = build("1")["paths"]
    assert isinstance(described, dict)
    assert described["/healthz"]["get"]["security"] == []
    for path, method, role in (("/assets", "get", "viewer"), ("/dispatch", "post", "operator")):
        needs = [{"bearer": [role]}, {"derhead_login": [role]}]
        assert described[path][method]["security"] == needs

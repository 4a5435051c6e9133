"""The page's log-in: a cookie for a token, and its end."""

import logging
from typing import Any

import pytest
import quart.typing

from derhead.access import AccessGate
from derhead.access.failure_meter import FAILURES_AT_ONCE
from derhead.api import create_app
from derhead.audit import AuditAction
from tests.support.access import (
    ADMIN,
    ALAMOSA,
    LOCAL_ADMIN,
    NORTH,
    OF_AGENT,
    OPERATOR,
    STRANGE,
    VIEWER,
    bearer,
    make_gate,
    make_tokens,
)
from tests.support.api.description import hold
from tests.support.api.fake_headend import BATTERY, NOW, FakeView


class Site:
    """The app, and browsers that keep cookies."""

    def __init__(self, gate: AccessGate | None = None) -> None:
        self.view = FakeView()
        self.gate = make_gate(NOW) if gate is None else gate
        self.app = create_app(self.view, self.gate)

    def browser(self) -> "Visitor":
        return Visitor(self.app.test_client())

    async def logged_in(self, token: str) -> "Visitor":
        visitor = self.browser()
        assert await visitor.ask("POST", "/login", {"token": token}) == 200
        return visitor


class Visitor:
    """One browser."""

    def __init__(self, client: quart.typing.TestClientProtocol) -> None:
        self.client = client
        self.body: Any = None
        self.headers: Any = None

    async def ask(self, method: str, path: str, body: object = None, **more: Any) -> int:
        """Sends a request; its status. Fails unless the description has the answer."""
        answer = await self.client.open(path, method=method, json=body, **more)
        text = await answer.get_data(as_text=True)
        hold(method, path, answer.status_code, answer.content_type or "", text)
        self.body, self.headers = await answer.get_json(force=True), answer.headers
        return answer.status_code


async def test_a_cookie_does_what_its_token_does() -> None:
    site = Site()
    visitor = site.browser()
    assert await visitor.ask("GET", "/assets") == 401
    assert await visitor.ask("POST", "/login", {"token": f" {OPERATOR}\n"}) == 200
    assert (visitor.body["name"], visitor.body["role"]) == ("operator", "operator")
    cookie = visitor.headers["Set-Cookie"]
    for part in ("derhead_login=", "HttpOnly", "SameSite=Strict", "Path=/"):
        assert part in cookie
    assert "Secure" not in cookie
    assert OPERATOR not in cookie
    assert await visitor.ask("GET", "/assets") == 200
    order = {"asset_id": BATTERY, "mw": 0.5}
    assert await visitor.ask("POST", "/dispatch", order) == 201
    assert [caller.name for caller in site.view.callers] == ["operator"]
    assert await visitor.ask("GET", "/login") == 200
    assert visitor.body["login_id"]


async def test_over_tls_the_cookie_never_goes_in_cleartext() -> None:
    client = Site().app.test_client()
    answer = await client.post("/login", json={"token": VIEWER}, scheme="https")
    assert "Secure" in answer.headers["Set-Cookie"]


async def test_a_viewers_cookie_orders_nothing_and_sites_hold() -> None:
    site = Site()
    viewer = await site.logged_in(VIEWER)
    assert await viewer.ask("POST", "/dispatch", {"asset_id": BATTERY, "mw": 0.5}) == 403
    limited = await site.logged_in(ALAMOSA)
    assert limited.body["sites"] == ["Alamosa"]
    assert await limited.ask("GET", "/metrics") == 403


async def test_a_log_out_ends_the_log_in_and_not_only_the_cookie(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    site = Site()
    visitor = await site.logged_in(VIEWER)
    stolen = visitor.headers["Set-Cookie"].partition(";")[0]
    assert await visitor.ask("DELETE", "/login") == 200
    assert visitor.body == {"ended": True}
    assert await visitor.ask("GET", "/login") == 401
    assert await site.browser().ask("GET", "/assets", headers={"Cookie": stolen}) == 401
    assert await visitor.ask("DELETE", "/login") == 200
    assert visitor.body == {"ended": False}
    actions = [entry.action for entry in site.view.audited.entries]
    assert actions == [AuditAction.LOG_IN, AuditAction.LOG_OUT]
    for event in ("log in", "log out"):
        assert f'event="{event}" by=viewer peer=' in caplog.text
    assert stolen.partition("=")[2] not in caplog.text


async def test_a_revoked_token_ends_its_log_ins() -> None:
    site = Site()
    visitor = await site.logged_in(VIEWER)
    site.gate.replace(make_tokens(NOW).with_revoked("viewer", NOW))
    assert await visitor.ask("GET", "/assets") == 401


async def test_a_wrong_token_logs_nobody_in_and_is_slowed() -> None:
    site = Site()
    visitor = site.browser()
    statuses = [
        await visitor.ask("POST", "/login", {"token": STRANGE}) for _ in range(FAILURES_AT_ONCE + 1)
    ]
    assert statuses == [401] * FAILURES_AT_ONCE + [429]
    assert "Set-Cookie" not in visitor.headers
    assert {entry.action for entry in site.view.audited.entries} == {AuditAction.ACCESS_REFUSED}


@pytest.mark.parametrize("body", [None, [], {}, {"token": 1}, {"token": VIEWER, "x": 1}])
async def test_a_log_in_without_a_token_is_refused(body: object) -> None:
    assert await Site().browser().ask("POST", "/login", body) in (400, 422)


async def test_an_agents_token_does_not_log_in() -> None:
    site = Site()
    assert await site.browser().ask("POST", "/login", {"token": OF_AGENT}) == 403
    (entry,) = site.view.audited.entries
    assert (entry.action, entry.caller) == (AuditAction.ACCESS_REFUSED, "of-agent")


async def test_log_ins_are_listed_to_their_owner_and_to_an_administrator() -> None:
    site = Site()
    viewer, operator, admin = [await site.logged_in(each) for each in (VIEWER, OPERATOR, ADMIN)]
    for visitor, names in ((viewer, ["viewer"]), (admin, ["admin", "viewer", "operator"])):
        assert await visitor.ask("GET", "/logins") == 200
        assert [each["name"] for each in visitor.body["items"]] == names
    of_viewer = next(each["id"] for each in admin.body["items"] if each["name"] == "viewer")
    assert await operator.ask("DELETE", f"/logins/{of_viewer}") == 404
    assert await viewer.ask("GET", "/assets") == 200
    assert await admin.ask("DELETE", f"/logins/{of_viewer}") == 200
    assert await viewer.ask("GET", "/assets") == 401


async def test_an_administrator_of_some_sites_sees_and_ends_the_log_ins_of_these_alone() -> None:
    site = Site()
    everybody = [await site.logged_in(each) for each in (VIEWER, ADMIN, NORTH, ALAMOSA)]
    local = await site.logged_in(LOCAL_ADMIN)
    assert await everybody[1].ask("GET", "/logins") == 200
    ids = {each["name"]: each["id"] for each in everybody[1].body["items"]}
    assert len(ids) == 5
    assert await local.ask("GET", "/logins") == 200
    assert [each["name"] for each in local.body["items"]] == ["local-admin", "alamosa"]
    for name in ("viewer", "admin", "north"):
        assert await local.ask("DELETE", f"/logins/{ids[name]}") == 404
    assert await local.ask("DELETE", f"/logins/{ids['alamosa']}") == 200
    assert [await each.ask("GET", "/assets") for each in everybody] == [200, 200, 200, 401]


async def test_a_mistyped_token_is_refused_in_the_words_of_a_person() -> None:
    visitor = Site().browser()
    for mistyped in ("", VIEWER[:9] + " " + VIEWER[9:], "d\u00e9rhead_x", f"Bearer {VIEWER}"):
        assert await visitor.ask("POST", "/login", {"token": mistyped}) == 401
        assert visitor.body["detail"].startswith("this is not a token; copy the whole token")
    assert await visitor.ask("POST", "/login", {"token": VIEWER[:-1]}) == 401
    assert visitor.body["detail"].startswith("the token is not known")


async def test_an_open_headend_has_no_log_in() -> None:
    visitor = Site(AccessGate()).browser()
    assert await visitor.ask("GET", "/login") == 200
    assert visitor.body["name"] is None
    assert await visitor.ask("POST", "/login", {"token": VIEWER}) == 200
    assert "Set-Cookie" not in visitor.headers


async def test_a_header_counts_before_a_cookie() -> None:
    visitor = await Site().logged_in(VIEWER)
    assert await visitor.ask("GET", "/login", headers=bearer(ADMIN)) == 200
    assert (visitor.body["name"], visitor.body["login_id"]) == ("admin", None)
    assert await visitor.ask("GET", "/login", headers=bearer(STRANGE)) == 401

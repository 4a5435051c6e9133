"""REST of a stand-by: health for everybody, the rest for those whom it knows."""

import pytest

from derhead.access import AccessGate, AccessRefusal
from derhead.access.failure_meter import FAILURES_AT_ONCE
from derhead.api import create_standby_app
from tests.support.access import EXPIRED, STRANGE, VIEWER, bearer, make_gate
from tests.support.api.fake_headend import NOW

OTHERS = (("GET", "/assets"), ("GET", "/metrics"), ("POST", "/dispatch"), ("GET", "/nothing"))


async def statuses(gate: AccessGate, headers: dict[str, str]) -> dict[str, int]:
    client = create_standby_app(lambda: "waiting", lambda: NOW, gate).test_client()
    asked = (*OTHERS, ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/"))
    return {
        path: (await client.open(path, method=method, headers=headers, json=None)).status_code
        for method, path in asked
    }


@pytest.mark.parametrize("token", [None, STRANGE, EXPIRED])
async def test_a_standby_with_tokens_refuses_whom_it_does_not_know(token: str | None) -> None:
    found = await statuses(make_gate(NOW), {} if token is None else bearer(token))
    health = {"/healthz": 200, "/readyz": 503, "/": 503}
    assert found == {**{path: 401 for _, path in OTHERS}, **health}


async def test_who_is_known_is_told_that_it_stands_by() -> None:
    for gate, headers in ((make_gate(NOW), bearer(VIEWER)), (AccessGate(), {})):
        found = await statuses(gate, headers)
        assert found.pop("/healthz") == 200
        assert set(found.values()) == {503}


async def test_its_refusals_say_what_to_send_and_are_slowed() -> None:
    gate = make_gate(NOW)
    client = create_standby_app(lambda: "waiting", lambda: NOW, gate).test_client()
    answer = await client.get("/assets")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="derhead"'
    assert "waiting" not in await answer.get_data(as_text=True)
    for _ in range(FAILURES_AT_ONCE):
        assert (await client.get("/assets", headers=bearer(STRANGE))).status_code == 401
    assert (await client.get("/assets", headers=bearer(STRANGE))).status_code == 429
    assert (await client.get("/assets", headers=bearer(VIEWER))).status_code == 503
    assert gate.failures.refused[AccessRefusal.UNKNOWN] == FAILURES_AT_ONCE

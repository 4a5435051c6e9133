"""Web pages of strangers get 403 from the headend's app and from a stand-by's alike."""

import logging

import pytest

from derhead.api import RestApp, TrustedHosts, create_app, create_standby_app
from derhead.shapes import JSON_TYPE
from tests.support.api.fake_headend import FakeView

ORDER = {"asset_id": "pump", "mw": 0.1, "duration_s": 60}
STRANGERS = [
    {"Host": "evil.example:8080"},
    {"Host": "evil.example:8080", "Origin": "http://evil.example:8080"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
]
REQUESTS = [
    ("GET", "/"),
    ("GET", "/telemetry"),
    ("GET", "/healthz"),
    ("GET", "/nothing"),
    ("POST", "/dispatch"),
    ("DELETE", "/dispatch/00000000-0000-4000-8000-000000000000"),
    ("OPTIONS", "/dispatch"),
]


@pytest.fixture(params=["headend", "standby"])
def app(request: pytest.FixtureRequest) -> RestApp:
    trusted = TrustedHosts(["control.example"])
    if request.param == "headend":
        return create_app(FakeView(), trusted=trusted)
    return create_standby_app(lambda: "waiting", lambda: 0, trusted=trusted)


@pytest.mark.parametrize("fields", STRANGERS, ids=str)
async def test_a_strangers_page_reads_and_changes_nothing(
    app: RestApp, fields: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    client = app.test_client()
    for method, path in REQUESTS:
        json = ORDER if method == "POST" else None
        answer = await client.open(path, method=method, headers=fields, json=json)
        body = await answer.get_json()
        assert (answer.status_code, body["type"]) == (403, "/docs/problems#forbidden")
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert f"method={method} path={path} peer=" in caplog.text.splitlines()[-1]
        assert caplog.records[-1].levelno == logging.WARNING


async def test_a_strangers_long_path_fills_no_log(
    app: RestApp, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await app.test_client().get("/" + "x" * 10_000, headers=STRANGERS[0])
    assert answer.status_code == 403
    assert len(caplog.text) < 600


async def test_strangers_are_counted() -> None:
    client = create_app(FakeView()).test_client()
    for host in ("evil.example", "localhost", "worse.example"):
        await client.get("/telemetry", headers={"Host": host})
    text = await (await client.get("/metrics")).get_data(as_text=True)
    assert "\nderhead_http_strangers_refused_total 2.0\n" in text


async def test_a_link_from_another_site_opens_the_page() -> None:
    client = create_app(FakeView()).test_client()
    fields = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert (await client.get("/", headers=fields)).status_code == 200


async def test_an_allowed_host_is_answered(app: RestApp) -> None:
    fields = {"Host": "control.example", "Origin": "https://control.example"}
    answer = await app.test_client().get("/healthz", headers=fields)
    assert answer.status_code == 200
    assert answer.content_type == JSON_TYPE

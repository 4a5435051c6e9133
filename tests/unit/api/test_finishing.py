"""ETags, compression, and pages of other origins."""

import gzip
import json
from dataclasses import replace

import pytest

from derhead.api import TrustedHosts, create_app
from derhead.api.answering.finishing import GZIP_BYTES
from tests.support.api.fake_headend import BATTERY, DISPATCH, NOW, SAMPLE, SITE, FakeView
from tests.support.assets import fleet_of, make_loads
from tests.unit.api.asking import ask

LISTS = ["/assets", "/agents", "/sites", f"/sites/{SITE}", "/dispatch/history", "/openapi.json"]


def many() -> FakeView:
    view = FakeView()
    view.fleet = fleet_of(*make_loads(100))
    return view


async def status(view: FakeView, path: str, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = await create_app(view).test_client().get(path, headers=named)
    return response.status_code


@pytest.mark.parametrize("path", [*LISTS, f"/dispatch/{DISPATCH}", "/docs"])
async def test_unchanged_answers_get_304(path: str) -> None:
    view = FakeView()
    answer = await ask(view, path)
    tag = answer.headers["ETag"]
    assert tag.startswith('W/"')
    again = await create_app(view).test_client().get(path, headers={"If-None-Match": tag})
    assert (again.status_code, await again.get_data(as_text=False)) == (304, b"")
    assert again.headers["ETag"] == tag
    for other in ('W/"0"', '"x", W/"y"', "nonsense"):
        assert await status(view, path, If_None_Match=other) == 200
    assert await status(view, path, If_None_Match=f'W/"a", {tag}, "b"') == 304
    assert await status(view, path, If_None_Match="*") == 304


@pytest.mark.parametrize("path", ["/telemetry", f"/telemetry/{BATTERY}"])
async def test_telemetry_that_only_aged_gets_304(path: str) -> None:
    view = FakeView()
    client = create_app(view).test_client()
    tag = (await client.get(path)).headers["ETag"]
    assert (await client.get(path, headers={"If-None-Match": tag})).status_code == 304
    view.latest.offer(replace(SAMPLE, seq=2, ts_us=NOW))
    newer = await client.get(path, headers={"If-None-Match": tag})
    assert newer.status_code == 200
    assert newer.headers["ETag"] != tag


@pytest.mark.parametrize(
    "path",
    [f"/telemetry/{BATTERY}/history", f"/heartbeat/{BATTERY}", f"/heartbeat/{BATTERY}/history"],
)
async def test_records_that_only_aged_get_304(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    view = FakeView()
    client = create_app(view).test_client()
    first = await client.get(path)
    monkeypatch.setattr(view, "wall_us", lambda: NOW + 1_000_000)
    older = await client.get(path)
    assert await older.get_data() != await first.get_data()
    assert older.headers["ETag"] == first.headers["ETag"]
    again = await client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304


async def test_a_problem_has_no_etag() -> None:
    assert "ETag" not in (await ask(FakeView(), "/nothing")).headers


@pytest.mark.parametrize("accepted", ["gzip", "br, gzip;q=0.5", "*"])
async def test_a_long_text_is_compressed_for_clients_that_accept_gzip(accepted: str) -> None:
    client = create_app(many()).test_client()
    plain = await (await client.get("/telemetry")).get_data(as_text=False)
    assert len(plain) > GZIP_BYTES
    packed = await client.get("/telemetry", headers={"Accept-Encoding": accepted})
    body = await packed.get_data(as_text=False)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) == len(body) < len(plain) / 4
    assert json.loads(gzip.decompress(body)) == json.loads(plain)


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "identity"])
async def test_a_long_text_is_sent_plain_to_other_clients(accepted: str) -> None:
    client = create_app(many()).test_client()
    answer = await client.get("/telemetry", headers={"Accept-Encoding": accepted})
    assert "Content-Encoding" not in answer.headers


async def test_a_short_text_is_sent_plain() -> None:
    answer = await ask(FakeView(), "/assets", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in answer.headers


PAGE = "https://control.example"
PREFLIGHT = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}


async def test_pages_of_other_origins_may_not_read_answers() -> None:
    client = create_app(FakeView()).test_client()
    answer = await client.get("/assets", headers={"Origin": PAGE})
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert (await client.options("/dispatch", headers=PREFLIGHT)).status_code == 403


@pytest.mark.parametrize("origins", [[PAGE], ["https://other.example", PAGE], ["*"]])
async def test_pages_of_configured_origins_may_read_answers(origins: list[str]) -> None:
    client = create_app(FakeView(), trusted=TrustedHosts(origins=origins)).test_client()
    for path in ("/assets", "/nothing", "/telemetry"):
        answer = await client.get(path, headers={"Origin": PAGE})
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]
        assert "Origin" in answer.headers["Vary"]
    allowed = await client.options("/dispatch", headers=PREFLIGHT)
    assert allowed.status_code == 204
    assert "POST" in allowed.headers["Access-Control-Allow-Methods"]
    assert "Idempotency-Key" in allowed.headers["Access-Control-Allow-Headers"]
    assert (await client.options("/dispatch", headers={"Origin": PAGE})).status_code == 405


async def test_pages_of_origins_that_are_not_configured_may_not() -> None:
    client = create_app(FakeView(), trusted=TrustedHosts(origins=[PAGE])).test_client()
    answer = await client.get("/assets", headers={"Origin": PAGE + ".evil"})
    assert "Access-Control-Allow-Origin" not in answer.headers
    strange = {**PREFLIGHT, "Origin": "null"}
    assert (await client.options("/dispatch", headers=strange)).status_code == 403

"""Histories as JSON and as CSV, short and long."""

import csv
import io
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from werkzeug.datastructures import Headers

from derhead.api import create_app
from derhead.api.answering.paging import LONG_ANSWERS, PAGE_ITEMS, LongAnswers
from derhead.api.answering.replies import HttpProblem
from derhead.history import PageRequest
from tests.support.api.description import hold_response
from tests.support.api.fake_headend import BATTERY, DISPATCH, NEXT, SESSION, FakeView
from tests.support.api.long_history import LongHistory
from tests.unit.api.asking import Answer

CSV = {"Accept": "text/csv"}
HISTORY = "/telemetry/battery-1/history"


def long_view(count: int, fails_after: int | None = None) -> FakeView:
    view = FakeView()
    view.history = LongHistory(count=count, fails_after=fails_after)
    return view


async def ask(
    view: FakeView, path: str, method: str = "GET", headers: Mapping[str, str] | None = None
) -> Answer:
    """One request, with a client that takes an answer of any length."""
    transport = httpx.ASGITransport(create_app(view))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        response = await client.request(method, path, headers=headers)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    hold_response(response)
    return Answer(response.status_code, Headers(response.headers.items()), response.text)


def lines(answer: Answer) -> list[dict[str, str]]:
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.text.endswith("\r\n")
    assert answer.text.count("\n") == answer.text.count("\r\n")
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


@pytest.mark.parametrize("accept", ["text/csv", "text/csv, application/json;q=0.9", "text/*"])
async def test_csv_is_sent_if_accept_prefers_it(accept: str) -> None:
    (line,) = lines(await ask(long_view(1), HISTORY, headers={"Accept": accept}))
    assert line == {
        "asset_id": BATTERY,
        "asset_name": "battery-1",
        "site_id": "0f0e0d0c-0000-4000-8000-000000000000",
        "agent_id": "agent-1",
        "ts": "2026-01-31T12:00:00Z",
        "received_at": "2026-01-31T11:59:57.6Z",
        "p_mw": "-0.25",
        "q_mvar": "",
        "soc": "0.5",
        "voltage_v": "",
        "frequency_hz": "59.98",
        "status": "running",
        "quality": "clock_skew backfilled",
        "setpoint_mw": "-0.3",
    }


@pytest.mark.parametrize(
    "accept", ["", "*/*", "application/json", "text/html", "text/csv;q=0.5, application/json"]
)
async def test_json_is_sent_otherwise(accept: str) -> None:
    answer = await ask(long_view(1), HISTORY, headers={"Accept": accept} if accept else {})
    assert answer.headers["Content-Type"] == "application/json"
    assert "Accept," in answer.headers["Vary"]
    assert len(answer.items) == 1


async def test_every_history_is_available_as_csv() -> None:
    view = FakeView()
    (bucket,) = lines(await ask(view, f"{HISTORY}?step=1m", headers=CSV))
    assert list(bucket) == ["ts", "mean", "min", "max", "last", "count"]
    (session,) = lines(await ask(view, "/agents/agent-1/sessions", headers=CSV))
    assert session["session_id"] == SESSION.session_id
    (beat,) = lines(await ask(view, "/heartbeat/agent-1/history", headers=CSV))
    assert beat["devices"] == f'[{{"asset_id":"{BATTERY}","health":"ok"}}]'
    assert "age_s" not in beat
    (dispatch,) = lines(await ask(view, "/dispatch/history?limit=1", headers=CSV))
    assert dispatch["id"] == DISPATCH
    assert dispatch["states"].startswith('[{"state":"pending"')
    (entry,) = lines(await ask(view, "/audit?limit=1", headers=CSV))
    assert entry["detail"] == "'=a reason"
    assert entry["before"] == '{"state":"started"}'
    assert entry["caller"] == ""


async def test_an_empty_history_is_a_header_in_csv() -> None:
    answer = await ask(long_view(0), HISTORY, headers=CSV)
    assert lines(answer) == []
    assert answer.text.startswith("asset_id,asset_name,")


async def test_a_page_of_csv_links_to_the_next() -> None:
    view = long_view(25)
    path, seen = f"{HISTORY}?from=2026-01-01T00:00:00%2B01:00&limit=10", []
    while path:
        answer = await ask(view, path, headers=CSV)
        seen += [line["ts"] for line in lines(answer)]
        link = answer.headers.get("Link")
        path = "" if link is None else link.removeprefix("<").removesuffix('>; rel="next"')
        if path:
            asked = parse_qs(urlsplit(path).query)
            assert (asked["limit"], asked["from"]) == (["10"], ["2026-01-01T00:00:00+01:00"])
    assert len(seen) == len(set(seen)) == 25


@pytest.mark.parametrize("count", [0, 1, PAGE_ITEMS, PAGE_ITEMS + 1, 3 * PAGE_ITEMS, 3333])
async def test_csv_without_a_limit_has_all_items(count: int) -> None:
    found = lines(await ask(long_view(count), HISTORY, headers=CSV))
    times = [line["ts"] for line in found]
    assert len(set(times)) == count
    assert sorted(times, reverse=True) == times


@pytest.mark.parametrize("limit", [1, PAGE_ITEMS, PAGE_ITEMS + 1, 2500, 1_000_000])
async def test_json_of_any_length_continues_at_its_cursor(limit: int) -> None:
    view = long_view(3000)
    answer = await ask(view, f"{HISTORY}?limit={limit}")
    assert len(answer.items) == min(limit, 3000)
    assert answer.body["next_cursor"] == (None if limit >= 3000 else str(limit))
    asked = [arguments["page"] for _, arguments in view.history.asked]
    assert all(isinstance(page, PageRequest) and page.limit <= PAGE_ITEMS for page in asked)


async def test_buckets_of_any_length() -> None:
    answer = await ask(long_view(2000), f"{HISTORY}?step=1m&limit=1440")
    assert len(answer.items) == 1440
    assert answer.body["next_cursor"] == "1440"


async def test_a_wrong_query_of_a_long_history_is_a_problem() -> None:
    assert (await ask(long_view(9, fails_after=0), f"{HISTORY}?limit=5000")).status == 503
    answer = await ask(long_view(9), f"{HISTORY}?limit=5000&cursor={NEXT}")
    assert (answer.status, answer.pointers) == (422, ["/query/cursor"])


async def test_head_reads_one_page() -> None:
    view = long_view(100_000)
    answer = await ask(view, HISTORY, "HEAD", headers=CSV)
    assert (answer.status, answer.text) == (200, "")
    assert "Content-Length" not in answer.headers
    assert len(view.history.asked) == 1


def test_long_answers_are_bounded() -> None:
    long = LongAnswers()
    holders = [type("Holder", (), {})() for _ in range(LONG_ANSWERS)]
    frees = [long.take(holder) for holder in holders]
    with pytest.raises(HttpProblem) as refused:
        long.take(object)
    assert refused.value.status == 503
    frees[0]()
    frees[0]()
    assert long.taken == LONG_ANSWERS - 1
    # An answer that was never sent frees its slot.
    holders.clear()
    assert long.taken == 0

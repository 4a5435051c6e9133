"""Every error is a problem that says what to do, and only failures are logged."""

import logging

import pytest

from derhead.errors import JournalError
from tests.support.api.fake_headend import FakeView
from tests.unit.api.asking import ask, order


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/page/nowhere.js",
        "/assets/",
        "/static/x",
        "/telemetry/nobody",
        "/telemetry/nobody/history",
        "/telemetry/nobody/gaps",
        "/dispatch/nothing",
        "/dispatch/history?asset_id=nobody",
        "/heartbeat/nobody",
        "/heartbeat/nobody/history",
        "/agents/nobody/sessions",
        "/%00%ff",
    ],
)
async def test_an_unknown_path_or_name_is_404(path: str) -> None:
    assert (await ask(FakeView(), path)).status == 404


@pytest.mark.parametrize(
    ("path", "pointers"),
    [
        ("/assets?x=1", ["/query/x"]),
        ("/telemetry?x=1", ["/query/x"]),
        ("/telemetry/battery-1?x=1", ["/query/x"]),
        ("/heartbeat/agent-1?x=1", ["/query/x"]),
        ("/agents?x=1", ["/query/x"]),
        ("/agents/agent-1/sessions?step=1m", ["/query/step"]),
        (
            "/telemetry/battery-1/history?limit=0&step=1&to=x",
            ["/query/limit", "/query/step", "/query/to"],
        ),
        ("/telemetry/battery-1/history?cursor=bad", ["/query/cursor"]),
        ("/telemetry/battery-1/history?step=1m&cursor=bad", ["/query/cursor"]),
        ("/dispatch/history?state=x", ["/query/state"]),
        ("/dispatch/history?a/b=x", ["/query/a~1b"]),
    ],
)
async def test_a_wrong_query_is_422(path: str, pointers: list[str]) -> None:
    answer = await ask(FakeView(), path)
    assert (answer.status, answer.pointers) == (422, pointers)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/assets", "GET, HEAD"),
        ("PUT", "/dispatch/x", "DELETE, GET, HEAD"),
        ("OPTIONS", "/telemetry", "GET, HEAD"),
        ("PUT", "/dispatch", "POST"),
        ("DELETE", "/dispatch/history", "GET, HEAD"),
        ("BREW", "/healthz", "GET, HEAD"),
    ],
)
async def test_an_unsupported_method_is_405(method: str, path: str, allowed: str) -> None:
    answer = await ask(FakeView(), path, method)
    assert (answer.status, answer.headers["Allow"]) == (405, allowed)


async def test_get_dispatch_is_405() -> None:
    assert (await ask(FakeView(), "/dispatch")).status == 405


async def test_a_problem_names_its_path() -> None:
    answer = await ask(FakeView(), "/telemetry/no%20body%3F")
    assert answer.body["instance"] == "/telemetry/no%20body%3F"
    assert (answer.body["type"], answer.body["title"]) == (
        "/docs/problems#unknown",
        "Not found",
    )


@pytest.mark.parametrize(
    ("error", "status"), [(JournalError("cannot be read"), 503), (ZeroDivisionError("bug"), 500)]
)
async def test_a_failure_is_a_problem_and_one_line_in_the_log(
    error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    view = FakeView()
    view.history.error = error
    answer = await ask(view, "/telemetry/battery-1/history")
    assert answer.status == status
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    keys = f"method=GET path=/telemetry/battery-1/history status={status} reason="
    assert f'event="request failed" {keys}' in caplog.text
    assert str(error) in caplog.text
    assert status != 500 or "bug" not in answer.text


async def test_reads_and_their_refusals_log_nothing(caplog: pytest.LogCaptureFixture) -> None:
    await ask(FakeView(), "/telemetry")
    await ask(FakeView(), "/telemetry/nobody")
    assert caplog.records == []


async def test_the_log_tells_which_order_was_refused_and_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "derhead")
    await order(FakeView(), {"asset_id": "battery-1", "mw": 99, "priority": -1})
    await order(FakeView(), {"asset_id": "nobody", "mw": 1})
    await order(FakeView(), b"{")
    lines = caplog.text.splitlines()
    for line, status in zip(lines, (422, 404, 400), strict=True):
        assert f'event="order refused" status={status} reason=' in line
    assert "/mw: 99 is beyond the limits of battery-1" in lines[0]
    assert "/priority: -1 is out of range" in lines[0]
    assert lines[1].count("'nobody'") == 1


async def test_the_log_line_of_a_refused_order_is_short(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "derhead")
    await order(FakeView(), {"x" * 900 + str(n): 1 for n in range(60)})
    (line,) = caplog.text.splitlines()
    assert len(line) < 1_200

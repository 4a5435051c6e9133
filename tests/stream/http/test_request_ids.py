"""Every answer names its request, and so do the log lines of the request."""

import json
import logging
import re

import pytest
from trio.testing import MockClock

from derhead.errors import JournalError
from derproto.stdio.log_lines import EventFormatter
from tests.stream.http.support import ask, make_app, receive_all, serving_in_memory
from tests.support.api.description import hold
from tests.support.api.fake_headend import FakeView

OWN = re.compile(rb"\r\nx-request-id: ([0-9a-f]{8}-[0-9a-f]{8})\r\n")


def request(path: bytes, *fields: bytes) -> bytes:
    return b"\r\n".join((b"GET %b HTTP/1.1" % path, b"host: x", *fields, b"", b""))


@pytest.mark.parametrize("path", [b"/telemetry/pump", b"/healthz", b"/nothing", b"/telemetry?a"])
async def test_an_answer_has_a_name_of_its_own(path: bytes, autojump_clock: MockClock) -> None:
    async with serving_in_memory() as running:
        stream = await running.connect()
        names = [OWN.findall(await ask(stream, request(path))) for _ in range(2)]
    assert [len(found) for found in names] == [1, 1]
    assert names[0] != names[1]


@pytest.mark.parametrize("path", [b"/telemetry/pump", b"/healthz", b"/nothing"])
async def test_a_request_may_bring_its_name(path: bytes, autojump_clock: MockClock) -> None:
    async with serving_in_memory() as running:
        stream = await running.connect()
        answer = await ask(stream, request(path, b"X-Request-Id: call-7.a_B"))
        assert b"\r\nx-request-id: call-7.a_B\r\n" in answer
        for strange in (b"", b"a b", b"x" * 65, b"a\tb"):
            answer = await ask(stream, request(path, b"X-Request-Id: " + strange))
            assert OWN.search(answer)


async def test_the_log_names_the_request(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    view = FakeView()
    view.history.error = JournalError("cannot be read")
    lines: list[str] = []
    handler = logging.Handler()
    handler.setFormatter(EventFormatter("logfmt"))
    handler.emit = lambda record: lines.append(handler.format(record))  # type: ignore[method-assign]
    logging.getLogger("derhead").addHandler(handler)
    try:
        async with serving_in_memory(app=make_app(view)) as running:
            stream = await running.connect()
            await ask(stream, request(b"/dispatch/history", b"X-Request-Id: mine"))
    finally:
        logging.getLogger("derhead").removeHandler(handler)
    assert len(lines) == 1
    assert " request=mine " in lines[0]


BROKEN = {
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "not HTTP": b"hello\r\n\r\n",
    "a header without end": b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 70_000,
    "a name with a space": b"GET / HTTP/1.1\r\nhost: x\r\na b: c\r\n\r\n",
    "a length that is none": b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n",
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_request_gets_a_problem(name: str, autojump_clock: MockClock) -> None:
    async with serving_in_memory() as running:
        stream = await running.connect()
        await stream.send_all(BROKEN[name])
        head, _, body = (await receive_all(stream)).partition(b"\r\n\r\n")
    assert OWN.search(head + b"\r\n")
    status = int(head.split()[1])
    assert 400 <= status < 500
    problem = json.loads(body)
    assert problem["status"] == status
    if status == 431:
        assert problem["detail"].endswith("are longer than 16384 bytes")
    else:
        assert problem["detail"].startswith("the request breaks HTTP/1.1: ")
    hold("GET", "/nothing", 404, "application/problem+json", body.decode())

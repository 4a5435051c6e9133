"""No request, however it is made, keeps the loop from others for 50 ms of CPU time."""

import pytest
import trio
from h2.config import H2Configuration
from h2.connection import H2Connection
from trio.testing import MockClock

from derhead.httpserver.protocols.request_head import HEADER_BYTES
from tests.stream.http.stalls import MAX_STALL_S, longest_step
from tests.stream.http.support import large_app, receive_all, serving_either
from tests.support.api.fake_headend import BATTERY
from tests.support.certificates import Certificates

ROOM = HEADER_BYTES - 200


def get(path: bytes, *fields: bytes) -> bytes:
    return b"\r\n".join((b"GET " + path + b" HTTP/1.1", b"host: x", *fields, b"", b""))


def filled(piece: bytes) -> bytes:
    """As many of the piece as a header has room for."""
    return piece * (ROOM // len(piece))


def post(body: bytes, *fields: bytes) -> bytes:
    head = (b"POST /dispatch HTTP/1.1", b"host: x", b"content-type: application/json", *fields)
    return b"\r\n".join((*head, b"", b"")) + body


HISTORY = b"/telemetry/" + BATTERY.encode() + b"/history"

HEADERS = {
    "accept of stars": get(b"/telemetry", b"accept:" + b"*" * ROOM),
    "accept of 60,000 stars": get(b"/telemetry", b"accept:" + b"*" * 60_000),
    "accept of many types": get(b"/telemetry", b"accept:" + filled(b"a/b;q=0.5,")),
    "accept of many parameters": get(b"/telemetry", b"accept: a/b" + filled(b";a=b")),
    "accept of quotes": get(b"/telemetry", b'accept: a/b;a="' + filled(b'\\"')),
    "accept-encoding of many": get(b"/telemetry", b"accept-encoding:" + filled(b"gzip;q=0.1,")),
    "accept in many fields": get(b"/telemetry", filled(b"accept: a/b;q=0\r\n")[:-2]),
    "many tags": get(b"/healthz", b"if-none-match:" + filled(b'W/"a",')),
    "a tag of quotes": get(b"/healthz", b"if-none-match:" + filled(b'"')),
    "many cookies": get(b"/healthz", b"cookie:" + filled(b"a=b;")),
    "many short fields": get(b"/healthz", filled(b"a:\r\n")[:-2]),
    "many hosts": get(b"/healthz", filled(b"host:x\r\n")[:-2]),
    "a long host": get(b"/healthz").replace(b"host: x", b"host: " + filled(b"a.") + b"a"),
    "a host of brackets": get(b"/healthz").replace(b"host: x", b"host: [" + filled(b":")),
    "a long connection field": get(b"/healthz", b"connection:" + filled(b"a,")),
    "a long transfer coding": get(b"/healthz", b"transfer-encoding:" + filled(b"chunked,")),
    "a long length": get(b"/healthz", b"content-length:" + filled(b"1")),
    "many lengths": get(b"/healthz", b"content-length:" + filled(b"1,")),
    "a long request id": get(b"/healthz", b"x-request-id:" + filled(b"a")),
    "a long last id": get(b"/events", b"last-event-id:" + filled(b"9")),
    "a long origin": get(b"/healthz", b"origin:" + filled(b"a")),
    "a folded field": get(b"/healthz", b"a: b" + filled(b"\r\n b")),
    "blanks in a field": get(b"/healthz", b"a:" + filled(b" ") + b"\0"),
    "60,000 blanks in a field": get(b"/healthz", b"a:" + b" " * 60_000 + b"\0"),
    "many short fields beyond the bound": get(b"/healthz", b"a:\r\n" * 14_000 + b"b:"),
    "a field without an end": get(b"/healthz", b"a" * ROOM),
    "empty lines first": b"\r\n" * 8_000 + get(b"/healthz"),
    "many parameters": get(b"/telemetry?" + filled(b"a&")),
    "many other parameters": get(HISTORY + b"?" + b"&".join(b"%d=" % n for n in range(2_700))),
    "a parameter many times": get(HISTORY + b"?" + filled(b"limit=1&")),
    "many kinds": get(b"/events?kind=" + filled(b"a,")),
    "many assets": get(b"/events?asset_id=" + filled(b"a,")),
    "a long cursor": get(HISTORY + b"?cursor=" + filled(b"A")),
    "a cursor of escapes": get(HISTORY + b"?cursor=" + filled(b"%41")),
    "a cursor of digits": get(b"/dispatch/history?cursor=" + filled(b"9")),
    "a long time": get(HISTORY + b"?from=" + filled(b"2")),
    "a long step": get(HISTORY + b"?step=" + filled(b"9")),
    "a long limit": get(HISTORY + b"?limit=" + filled(b"9")),
    "long fields": get(HISTORY + b"?fields=" + filled(b"p_mw,")),
    "a path of escapes": get(b"/" + filled(b"%41")),
    "a path of slashes": get(b"/" + filled(b"/")),
    "a path of dots": get(b"/telemetry" + filled(b"/..")),
    "a path of parts": get(b"/telemetry" + filled(b"/a")),
    "a long name": get(b"/telemetry/" + filled(b"a")),
    "a long dispatch": get(b"/dispatch/" + filled(b"a")),
    "bytes beyond ASCII": get(b"/healthz", b"a: " + filled(b"\xff")),
}

BODIES = {
    "an order of names": post(
        b"{" + b",".join(b'"%d":1' % n for n in range(7_000)) + b"}", b"content-length: 61891"
    ),
    "chunks of a byte": post(b"1\r\na\r\n" * 10_000 + b"0\r\n\r\n", b"transfer-encoding: chunked"),
    "chunks with blanks": post(
        b"1;" + b" " * 15_000 + b"\n" + b"\r\na\r\n", b"transfer-encoding: chunked"
    ),
    "chunks with extensions": post(
        (b"1;" + b"a" * 4_000 + b"\r\na\r\n") * 15 + b"0\r\n\r\n", b"transfer-encoding: chunked"
    ),
    "a chunk's size without an end": post(b"0" * 60_000, b"transfer-encoding: chunked"),
    "trailers of blanks": post(
        b"0\r\na:" + b" " * 60_000 + b"\0\r\n\r\n", b"transfer-encoding: chunked"
    ),
    "trailers": post(b"0\r\n" + b"a: b\r\n" * 2_500 + b"\r\n", b"transfer-encoding: chunked"),
}

PIPELINES = {
    "the fast lane": get(b"/telemetry/" + BATTERY.encode()) * 200,
    "the whole fleet": get(b"/telemetry") * 10,
    "the app": get(b"/healthz") * 40,
    "what is unknown": get(b"/telemetry/nothing") * 40,
    "all with gzip": get(b"/telemetry", b"accept-encoding: gzip") * 10,
}


async def play(sent: bytes, secure: Certificates | None = None) -> float:
    """Sends the bytes at once, reads all answers, and tells the longest step."""
    app = large_app()
    async with serving_either(secure, app) as running:
        if secure is None:
            warm = await running.connect()
            await warm.send_all(get(b"/telemetry", b"connection: close"))
            await receive_all(warm)
        stream = await running.connect()
        with longest_step() as measured:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send, stream, sent)
                await receive_all(stream)
        return measured.longest_s


async def send(stream: trio.abc.Stream, sent: bytes) -> None:
    try:
        await stream.send_all(sent)
        if isinstance(stream, trio.abc.HalfCloseableStream):
            await stream.send_eof()
    except trio.BrokenResourceError:
        return


CASES = HEADERS | BODIES | PIPELINES


@pytest.mark.parametrize("name", CASES)
async def test_no_request_stalls_the_loop(name: str, autojump_clock: MockClock) -> None:
    assert await play(CASES[name]) < MAX_STALL_S


def connection() -> H2Connection:
    made = H2Connection(
        H2Configuration(client_side=True, validate_outbound_headers=False, header_encoding=None)
    )
    made.initiate_connection()
    return made


def asked(made: H2Connection, *fields: tuple[bytes, bytes], end: bool = True) -> int:
    number: int = made.get_next_available_stream_id()
    pseudo = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"x")]
    made.send_headers(number, [*pseudo, (b":path", b"/healthz"), *fields], end_stream=end)
    return number


def bombs() -> bytes:
    """Each of 32 headers is a few hundred bytes, and 16 KiB once it is decompressed."""
    made = connection()
    for _ in range(32):
        asked(made, *[(b"a", b"b")] * 470)
    return made.data_to_send()


def large_values() -> bytes:
    made = connection()
    for _ in range(32):
        asked(made, *[(b"a", b"b" * 3_900)] * 4)
    return made.data_to_send()


def continued() -> bytes:
    """A header in 60 pieces of a byte."""
    made = connection()
    asked(made)
    data = made.data_to_send()
    head, block = data[:-60], data[-60:]
    del head
    pieces = [b"\0\0\1\1\1\0\0\0\1" + block[:1]]
    pieces += [b"\0\0\1\x09\0\0\0\0\1" + block[n : n + 1] for n in range(1, 59)]
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\4" + bytes(5) + b"".join(pieces)


def bodies() -> bytes:
    """32 bodies in pieces of a byte."""
    made = connection()
    numbers = [asked(made, end=False) for _ in range(32)]
    for _ in range(150):
        for number in numbers:
            made.send_data(number, b"a")
    return made.data_to_send()


HTTP_2 = {
    "headers that swell": bombs,
    "headers of large values": large_values,
    "a header in many pieces": continued,
    "bodies in many pieces": bodies,
}


@pytest.mark.parametrize("name", HTTP_2)
async def test_no_http_2_client_stalls_the_loop(
    name: str, secure: Certificates | None, autojump_clock: MockClock
) -> None:
    assert await play(HTTP_2[name](), secure) < MAX_STALL_S
